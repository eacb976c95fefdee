/** What the page of a validator's tab says. */
import type { AuditChoice, ValidationProblem } from '../../app/validation-state.ts';
import type { WakeState } from '../../app/governor/sensors/wake-lock.ts';
import type { EntryState } from '../../gauntlet/book.ts';
import type { Explained } from '../strings.ts';

const problems: Readonly<Record<ValidationProblem, Explained>> = {
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
  problems,
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
