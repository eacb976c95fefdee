/** Words for STUN and TURN servers that cannot be used: the command line's at a start, and a tab's that leaves them out. */
import { type IceFault, type IceRule, MAX_ICE_URLS } from '../../protocol/ice.ts';

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
