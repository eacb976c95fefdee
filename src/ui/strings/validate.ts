/** What the page of a validator's tab says. */
import type { WakeState } from '../../app/governor/sensors/wake-lock.ts';
import type { EntryState } from '../../gauntlet/book.ts';
import type { AuditChoice } from '../../peer/validating.ts';

const states: Readonly<Record<EntryState, string>> = {
  committed: 'Announced',
  revealed: 'Being fetched',
  fetched: 'Being measured',
  accepted: 'Accepted',
  refused: 'Refused',
};

const auditChoices: Readonly<Record<AuditChoice, string>> = {
  hardware: 'where there is a graphics card',
  software: 'without a graphics card too (slow, small models only)',
  off: 'no',
};

const awake: Readonly<Record<WakeState, string>> = {
  off: 'no',
  held: 'yes, while this tab is in view',
  hidden: 'not while this tab is hidden',
  refused: 'the browser refused, perhaps because the battery is low',
  missing: 'this browser cannot; switch off sleep in the system’s settings',
};

export const validateStrings = {
  pageTitle: 'Validate · Tabswarm',
  home: 'Take part',
  heading: 'Validate',
  lead: 'This tab judges every round’s submissions and signs the certificates by which the model changes and credits are given. It needs the run’s validator key, so this page is for its organizer.',
  run: (name: string, organizer: string) => `${name}, run by ${organizer}`,
  drop: 'Drop the file validator.key here, or',
  choose: 'choose it',
  chosen: (name: string) => `${name} is chosen.`,
  pasteLabel: 'Or paste what it holds',
  keyPrivacy:
    'The key stays in this tab’s memory. It is not stored, not sent, and forgotten when the tab closes.',
  auditLabel: 'Replay contributors’ work (audits)',
  auditChoices,
  start: 'Start validating',
  stop: 'Stop',
  stopped: 'Stopped. Rounds are not certified until a validator is back.',
  starting: 'Starting',
  startingText: 'This tab follows the chain and opens what measures losses.',
  running: 'Validating',
  stay: 'Keep this tab open and in view. In the background the browser slows it down, and it may be put to sleep; while it is away no round is certified and nobody is credited.',
  tooLong: (file: string) => `${file} is too long to be a key.`,
  waiting: 'Waiting',
  facts: {
    heading: 'State',
    round: 'Round',
    roundText: (round: string, phase: string, left: string) => `${round}, ${phase}, ${left} left`,
    height: 'Certified rounds',
    root: 'State root',
    machine: 'Losses measured on',
    fallback: (why: string) => `No WebGPU: ${why}.`,
    audits: 'Audits',
    auditsOn: (adapter: string) => `on, replayed on ${adapter}`,
    auditsOff: (why: string) => `off: ${why}`,
    contributors: 'Contributors here',
    lost: 'Rounds lost here',
    host: 'Host',
    awake: 'Screen kept awake',
    key: 'Public key',
    opening: 'opening…',
  },
  entries: {
    heading: 'This round',
    empty: 'Nobody has announced any work in this round yet.',
    caption: 'Submissions of the round that is open',
    contributor: 'Contributor',
    state: 'State',
    why: 'Why',
    states,
  },
  certificates: {
    heading: 'Last certificates',
    empty: 'Nothing has been certified yet.',
    caption: 'Certificates, newest first',
    note: 'Newest first. The loss is that of the state before each.',
    height: 'Height',
    round: 'Round',
    accepted: 'Accepted',
    refused: 'Refused',
    joined: 'Joined',
    loss: 'Held-out loss',
    audits: 'Audits',
    audit: (key: string, round: string, passed: boolean) =>
      `${key} in round ${round} ${passed ? 'passed' : 'failed'}`,
    root: 'State root',
  },
  log: { heading: 'Log', empty: 'Nothing yet.' },
  awake,
};
