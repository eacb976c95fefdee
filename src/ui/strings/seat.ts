/** What happens to a validator's seat in a tab, in words: its log, what it waits for, why it cannot go on. Complete by type. */
import type { SeatWaiting, ValidationProblem } from '../../app/validation-state.ts';
import type { MeterFallback, NoReplays, SeatEvent } from '../../peer/validating.ts';
import type { Explained } from './explained.ts';
import { troubleText } from './problems.ts';
import { handoverText, validatorLine } from './validator-events.ts';

/** Codes of the page's problems: a trouble that stops a validator has the title of one of the last three. */
type SeatCode =
  | Exclude<ValidationProblem['code'], 'trouble'>
  | 'host-unreachable'
  | 'bad-run'
  | 'host-changed'
  | 'internal';

const problems: Readonly<Record<SeatCode, Explained>> = {
  'no-key': {
    title: 'This is no key',
    text: 'A key is 64 hex digits. Choose the file validator.key from the host’s data folder, or paste what it holds.',
  },
  'no-seat': {
    title: 'This key holds no seat in this run',
    text: 'Only validator.key of the data folder that this run was made in can certify its rounds. organizer.key and node.key cannot.',
  },
  'no-quorum': {
    title: 'This key cannot certify alone',
    text: 'Its weight is not more than two thirds of all validators’, and a tab does not gather signatures of others.',
  },
  'host-validates': {
    title: 'This host validates itself',
    text: 'Two validators with one key would contradict each other. To validate here, restart the host with --validator tab.',
  },
  'other-tab': {
    title: 'Another tab of this browser validates',
    text: 'Only one may sign. Go on there, or press Stop there and start here.',
  },
  elsewhere: {
    title: 'Another browser validates with this key',
    text: 'Only one may sign. Stop it there; it is forgotten 20 seconds later, then start here.',
  },
  'no-storage': {
    title: 'This browser stores nothing',
    text: 'A validator must remember the last certificate that it signed. Leave private mode, or allow this site to store data.',
  },
  insecure: {
    title: 'This address is not secure',
    text: 'Do not enter a key here. Open the https:// address of this run, or http://localhost on the host’s own machine.',
  },
  framed: {
    title: 'This page is inside another site',
    text: 'Do not enter a key here. Open this run’s own address in a tab.',
  },
  'host-unreachable': {
    title: 'The host does not answer as it should',
    text: 'Check that the address is a Tabswarm host of this version, then start again.',
  },
  'bad-run': {
    title: 'The host’s run cannot be used',
    text: 'Reload the page; it may be older than the host.',
  },
  'host-changed': {
    title: 'The host is not the one it was',
    text: 'It was started with another run or another node.key. Look at what it says in its terminal, then reload this page.',
  },
  'host-behind': {
    title: 'The host has lost certified rounds',
    text: 'This tab signed later rounds and signs none of them a second time. Restore the newest copy of the host’s data folder and restart the host.',
  },
  forked: {
    title: 'The host shows another chain',
    text: 'Its certificates contradict what this tab signed. This tab signs nothing on top of that. Restore the host’s data folder.',
  },
  refused: {
    title: 'The host does not take the certificate',
    text: 'Nobody else has heard of it. Read the host’s log; if another validator was at work with this key, start again.',
  },
  internal: {
    title: 'Something unexpected went wrong',
    text: 'Start again. What was certified is kept.',
  },
};

/** For the test that every problem has words. */
export const seatProblems = problems;

function codeOf(problem: ValidationProblem): SeatCode {
  if (problem.code !== 'trouble') return problem.code;
  switch (problem.trouble.code) {
    case 'host-unreachable':
      return 'host-unreachable';
    case 'protocol-version':
    case 'bad-manifest':
      return 'bad-run';
    case 'other-run':
    case 'host-changed':
      return 'host-changed';
    default:
      return 'internal';
  }
}

const endOf = (height: number | undefined): string =>
  height === undefined ? 'before it' : `at height ${height}`;

function detailOf(problem: ValidationProblem): string {
  switch (problem.code) {
    case 'no-key':
    case 'insecure':
    case 'framed':
      return '';
    case 'trouble':
      return troubleText(problem.trouble, false);
    case 'host-behind':
      return `This tab signed height ${problem.height}. The host’s chain ends ${endOf(problem.hostHeight)}. This tab does not remember all between.`;
    case 'forked':
      return `The host’s chain does not go with the certificate of height ${problem.height} that this tab signed.`;
    case 'refused':
      return problem.why === undefined
        ? ''
        : `The host did not store height ${problem.height}: ${handoverText(problem.why)}.`;
    case 'no-seat':
    case 'no-quorum':
    case 'host-validates':
    case 'other-tab':
    case 'elsewhere':
    case 'no-storage':
      return problem.detail === '' ? '' : `(${problem.detail})`;
  }
}

/** Why a tab does not validate: a code for tests, a title, what is known of this case ('' for nothing), and advice. */
export function seatProblemText(
  problem: ValidationProblem,
): Explained & { readonly code: SeatCode; readonly detail: string } {
  const code = codeOf(problem);
  return { code, detail: detailOf(problem), ...problems[code] };
}

export const seatWaitingText = (waiting: SeatWaiting): string =>
  waiting.why === 'host-storing'
    ? `The host has not stored the last certificate yet: ${handoverText(waiting.code)}.`
    : troubleText(waiting.trouble);

/** Why losses are not measured by WebGPU. */
export const fallbackText = (fallback: MeterFallback): string =>
  fallback.why === 'software-gpu'
    ? `there is only a software GPU, ${fallback.adapter}`
    : fallback.error.replace(/\.$/, '');

/** Why nothing is replayed here. */
export function noReplaysText(off: NoReplays): string {
  switch (off.why) {
    case 'not-wanted':
      return 'this tab was started without them';
    case 'run-without-audits':
      return 'the run was made without audits';
    case 'software-gpu':
      return `this browser has only a software GPU, ${off.adapter}`;
    case 'no-gpu':
      return `this browser’s GPU cannot be used: ${off.error.replace(/\.$/, '')}`;
  }
}

/** A line of the seat's log. */
export function seatLine(event: SeatEvent): string {
  switch (event.is) {
    case 'meter':
      return `losses are measured on ${event.name}`;
    case 'audits-on':
      return `audits: ${event.aRound} a round, replayed on ${event.adapter}`;
    case 'audits-off':
      return `audits are off: ${noReplaysText(event.off)}. Submissions are judged without replays.`;
    case 'stop-failed':
      return `while stopping: ${event.error}`;
    case 'handing-over-again':
      return `the host lacks height ${event.height}, which this tab signed; it is handed over again`;
    case 'signed-elsewhere':
      return `height ${event.height} was certified by another tab with this key; what this one signed was never used`;
    case 'memory-failed':
      return `${event.what} could not be kept: ${event.error}`;
    default:
      return validatorLine(event);
  }
}
