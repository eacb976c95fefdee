/** Words for settings that cannot be: each problem as the end of a sentence that names the setting. */
import type { SettingProblem, SettingType } from '../host/settings.ts';
import type { IceFault, IceRule } from '../protocol/ice.ts';
import { MAX_ICE_URLS } from '../protocol/ice.ts';

const TYPES: Readonly<Record<SettingType, string>> = {
  number: 'a number',
  'whole-number': 'a whole number',
  text: 'a text in quotation marks',
  truth: 'true or false',
  list: 'a list in […]',
  object: 'an object in {…}',
};

const number = (x: number): string => x.toLocaleString('en', { maximumFractionDigits: 12 });
const gib = (bytes: number): string =>
  `${(bytes / 2 ** 30).toLocaleString('en', { maximumFractionDigits: 1 })} GiB`;

/** A problem with a setting, without a full stop. */
export function settingText(problem: SettingProblem): string {
  const where = problem.where === '' ? 'the file' : problem.where;
  switch (problem.rule) {
    case 'unknown':
      return `there is no setting "${where}"`;
    case 'type':
      return `${where} must be ${TYPES[problem.wanted]}, not ${problem.given}`;
    case 'least':
      return `${where} must be at least ${number(problem.limit)}, not ${problem.given}`;
    case 'most':
      return `${where} must be at most ${number(problem.limit)}, not ${problem.given}`;
    case 'multiple':
      return `${where} must be a multiple of ${number(problem.limit)}, not ${problem.given}`;
    case 'one-of':
      return `${where} must be one of ${problem.names.join(', ')}, not ${problem.given}`;
    case 'empty':
      return `${where} is empty; give it a value or leave it out`;
    case 'longest':
      return `${where} has more than ${number(problem.limit)} characters or entries`;
    case 'unclean':
      return `${where} has a line end or other hidden characters; write it on one line`;
    case 'ice':
      return `${where}: ${iceText(problem.fault)}`;
    case 'short-phase':
      return `${where} makes a phase of the round shorter than ${problem.limit} ms; set roundMs, trainMs, commitMs and revealMs together`;
    case 'parameters':
      return `${where} has ${number(Math.round(problem.parameters / 1e6))} M parameters; at most ${number(Math.floor(problem.limit / 1e6))} M fit in a checkpoint`;
    case 'memory':
      return `${where}: a contributor would need ${gib(problem.bytes)} of graphics memory, and at most ${gib(problem.limit)} are allowed; a smaller batch, sequence or model needs less`;
    case 'together':
      return `${where}: ${problem.detail}`;
  }
}

const ICE: Readonly<Record<IceRule, (at: string) => string>> = {
  form: () =>
    'an ICE server is an object with urls (a text or a list of texts) and, for TURN, username and credential',
  'unknown-name': (at) => `an ICE server has urls, username and credential, and no "${at}"`,
  'no-urls': () => 'an ICE server needs at least one URL in urls',
  'too-many-urls': () => `more than ${MAX_ICE_URLS} URLs of ICE servers`,
  scheme: (at) => `"${at}" must begin with stun:, stuns:, turn: or turns:`,
  slashes: (at) => `"${at}" has // behind its scheme; write it like stun:stun.example.org:3478`,
  'user-in-url': (at) =>
    `"${at}" has a user name in it, which browsers refuse; give it apart (--ice-user and --ice-password-file, or username and credential)`,
  host: (at) => `"${at}" has no host name or address behind its scheme; an IPv6 address stands in […]`,
  port: (at) => `"${at}" has no port from 1 to 65535`,
  'stun-query': (at) => `"${at}" has a "?", which is only for turn: and turns:`,
  'turn-query': (at) => `"${at}" may end in ?transport=udp or ?transport=tcp, and in nothing else`,
  credentials: (at) =>
    `"${at}" needs a user name and a password (--ice-user and --ice-password-file, or username and credential in --config)`,
  runtime: (at) => `"${at}" is not taken by WebRTC here`,
};

/** What is wrong with an ICE server, without a full stop. */
export const iceText = ({ rule, at }: IceFault): string => ICE[rule](at);
