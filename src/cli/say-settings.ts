/** Words for settings that cannot be: each problem as the end of a sentence that names the setting. */
import type { SettingProblem, SettingType } from '../host/settings.ts';
import { iceText } from '../ui/strings/ice.ts';

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
