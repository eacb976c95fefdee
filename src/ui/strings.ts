/**
 * The words of the dashboard. Those of a subject of its own (problems, waiting, a validator's log …) are in strings/. Every
 * sentence the page shows is in one of the two, so that they can be read as a whole and translated.
 *
 * Rules: plain words, what happened and what to do; estimates say so; nothing is promised that the code does not do.
 */
import type { Activity, PhaseNow, RoundRecord } from '../app/state.ts';
import type { HostState, LinkPath } from '../swarm/types.ts';
import { controlStrings } from './strings/controls.ts';
import type { Explained } from './strings/explained.ts';
import { problems } from './strings/problems.ts';

type OwnReason = NonNullable<NonNullable<RoundRecord['own']>['reason']>;

const refusals: Readonly<Record<OwnReason, Explained>> = {
  malformed: {
    title: 'Not readable',
    text: 'The bytes do not decode as work for this run. Reload the page; if it happens again, tell the organizer.',
  },
  'too-large': { title: 'Too large', text: 'The submission has more bytes than this run allows.' },
  signature: { title: 'Signature wrong', text: 'The submission was not signed by the key that sent it.' },
  'wrong-round': { title: 'Wrong round', text: 'The work was made for another round, so it no longer fits.' },
  late: {
    title: 'Too late',
    text: 'The work arrived after the deadline. Other load on this computer or a slow connection can cause that.',
  },
  carry: {
    title: 'Memory not continuous',
    text: 'What this tab remembers from earlier rounds is not what it announced, perhaps because a message got lost. It starts again without that memory by itself.',
  },
  'not-member': {
    title: 'Not admitted yet',
    text: 'Your tab can take part once a certificate lists it. It joins again by itself.',
  },
  'not-revealed': {
    title: 'Could not be fetched',
    text: 'The work was announced, but nobody could download it from this tab in time. Keep the tab open until the round ends.',
  },
  'hash-mismatch': {
    title: 'Bytes changed',
    text: 'The bytes that arrived are not the ones that were announced.',
  },
  'not-finite': {
    title: 'Numbers overflowed',
    text: 'The work contains values that are no numbers. A graphics driver can cause that; update it.',
  },
  norm: {
    title: 'Step too big',
    text: 'The change is far bigger than everybody else’s. Such a step could hurt the model.',
  },
  copy: { title: 'Looks copied', text: 'The work overlaps with one that was announced earlier.' },
  state: {
    title: 'Out of date',
    text: 'The work started from another model than the certified one. The tab fetches the right one by itself.',
  },
  direction: {
    title: 'Against the others',
    text: 'The work pulls the model away from where all others pull it. A graphics driver that computes wrongly can cause that.',
  },
  loss: {
    title: 'Did not help',
    text: 'On test text the model got worse with this change, or far less better than with the work of others.',
  },
  'on-trial': {
    title: 'Waits for an audit',
    text: 'New keys, and keys whose work failed a check, count once a check is passed. Nothing is lost until then: the work stays in this tab; keep it open.',
  },
  work: {
    title: 'No trace of the work',
    text: 'The change is smaller than that many training steps make it, as once after a reload; or over many rounds the work was no better on the text it was given than on any other.',
  },
  capacity: {
    title: 'No room in the round',
    text: 'Nothing is wrong with the work: this round had more of it than one certificate holds.',
  },
  unjudged: {
    title: 'Not judged: the validator’s trouble',
    text: 'The organizer’s or validator’s machine could not judge this round: it failed, was too slow, or its disk was full. Nothing is wrong with the work, and it is not counted as refused.',
  },
  'not-listed': {
    title: 'Refused, reason not listed',
    text: 'The round had more refusals than one certificate can list. The work was not among those turned away for want of room, so it was refused for a reason of its own.',
  },
  duplicate: { title: 'Sent twice', text: 'Another submission with your key was already in this round.' },
  'no-certificate': {
    title: 'Round not certified',
    text: 'Nobody’s work was certified in this round: the model did not change and no credit was issued to anyone.',
  },
};

const activities: Readonly<Record<Activity, string>> = {
  idle: 'Not running',
  connecting: 'Connecting to the swarm',
  syncing: 'Fetching the current model',
  training: 'Training',
  compressing: 'Packing this round’s work',
  committing: 'Announcing this round’s work',
  waiting: 'Waiting',
  applying: 'Updating the model',
  paused: 'Paused',
  failed: 'Stopped by a problem',
};

const phases: Readonly<Record<PhaseNow, Explained>> = {
  before: {
    title: 'Not begun',
    text: 'The first round of this run begins when the time above is over. If that is long, the organizer’s clock was wrong when the run was made.',
  },
  train: { title: 'Train', text: 'Every tab trains on its own piece of the text.' },
  commit: { title: 'Commit', text: 'Tabs announce the fingerprint of their work, so nobody can copy it.' },
  reveal: { title: 'Reveal', text: 'Now the work itself travels from tab to tab.' },
  judge: { title: 'Judge', text: 'The run’s validation tests each piece of work and signs what counts.' },
};

const paths: Readonly<Record<LinkPath, Explained>> = {
  direct: { title: 'Direct', text: 'Straight from browser to browser.' },
  relayed: { title: 'Relayed', text: 'Through the organizer’s relay: slow, only small messages.' },
  host: { title: 'Host', text: 'With the organizer’s server.' },
};

const hosts: Readonly<Record<HostState, string>> = {
  connecting: 'Connecting to host',
  connected: 'Host connected',
  unreachable: 'Host unreachable',
};

export const strings = {
  product: 'Tabswarm',
  pageTitle: (activity: string) => `${activity} · Tabswarm`,
  refusals,
  problems,
  activities,
  phases,
  paths,
  hosts,
  common: {
    reload: 'Reload the page',
    estimate: 'estimate',
    you: 'you',
    skip: 'Skip to the content',
    recovering: 'goes on by itself',
  },
  landing: {
    headline: 'Lend your graphics card. Train a language model together.',
    /** Shown where the run's own description will stand. */
    loading: 'Fetching the description of this run…',
    lead: (run: string, parameters: string) =>
      `${run} is a language model with ${parameters} parameters. Instead of one data centre, many browser tabs train it together. Yours can be one of them.`,
    runBy: (organizer: string) => `Run by ${organizer}`,
    start: 'Start',
    watch: 'Just watch',
    promise: 'Nothing runs until you press Start.',
    after: 'Pause, slow down or stop whenever you like. Closing the tab stops everything.',
    watchNote:
      'Watching shows the run live and computes nothing. Other tabs and the server see your IP address meanwhile.',
    cannotStart: 'Start is off because of the problem above.',
    facts: 'What it takes',
    what: 'What runs',
    whatText:
      'Training steps of this model, on your GPU, inside this tab. Nothing is installed and none of your files are read.',
    whom: 'For whom',
    whomText: (organizer: string, description: string) =>
      `${organizer.charAt(0).toUpperCase()}${organizer.slice(1)}. ${description}`,
    gpu: 'GPU memory',
    gpuText: (size: string) => `About ${size} while it runs`,
    download: 'Download, once',
    downloadText: (size: string) => `About ${size}: the model and the training text`,
    bandwidth: 'Bandwidth',
    bandwidthText: (perRound: string, round: string, hour: string) =>
      `About ${perRound} per round of ${round}, up to ${hour} an hour`,
    power: 'Power and noise',
    powerText:
      'While it works, your graphics card draws more power, gets warmer and may be heard. A lower share means less of all three. A browser can measure none of them.',
    leave: 'Leaving',
    leaveText:
      'Whenever you like, also by closing the tab. At most the round in hand is lost. Certified work stays in the model, and final credits stay yours. Pending credits can be taken back by a failed audit.',
    data: 'Training text',
    dataText: (source: string, licence: string) => `${source}; ${licence}`,
    seen: 'What others see',
    seenText:
      'Other tabs and the server see your IP address, as in any video call. Everybody can see a random key with its hours of work, its credits, your graphics card’s name, your speed, what the tab is doing, its links and the bytes on them. No account, and no name unless you give one.',
    kept: 'Kept on this device',
    keptText:
      'That key, which your credits belong to and which is used again on your next visit, your settings, how many bytes you used this month, the training text, this page’s own files and text samples you asked for. Clearing this site’s data deletes it all, and so does closing a private window.',
    promised: 'This browser promised not to clear it by itself.',
    notPromised:
      'When the disk runs full, this browser may clear it too. Start asks it not to; it may refuse.',
    notKeptText:
      'Nothing lasts: this browser keeps no data of this page. The key and its credits end with this tab.',
    returning: (accepted: string, final: string, pending: string | null) =>
      `Thank you for ${accepted === '1' ? 'one accepted submission' : `${accepted} accepted submissions`}. ${final} credits of this tab’s key are final${pending === null ? '' : `, ${pending} are pending: a failed audit could take them back`}.`,
    figure: 'Seven browser tabs around the ring of a training round',
    figureNote: 'A drawing of how tabs work together, not figures of this run.',
  },
  controls: controlStrings,
  status: {
    watching: 'Watching',
    watchingText: 'You see the run live. This tab computes nothing.',
    trainingText: (adapter: string | null, software: boolean) =>
      software
        ? `This computer’s processor works on this round${adapter === null ? '' : ` (${adapter})`}.`
        : adapter === null
          ? 'Your graphics card works on this round.'
          : `Your graphics card (${adapter}) works on this round.`,
    pausedText: 'Nothing is computed. Press Resume to go on.',
    routine: {
      idle: 'Press Start to take part.',
      connecting: 'Looking for the organizer’s server and other tabs.',
      syncing: 'The model is downloaded and checked against its fingerprint.',
      compressing: 'The change to the model is squeezed to a few kilobytes.',
      committing: 'Its fingerprint goes out to the swarm.',
      waiting: 'The next step of the round starts soon.',
      applying: 'The certified changes are added to the model.',
      failed: 'See the message above.',
    },
    softwareAdapter:
      'The browser was offered no graphics card, so the processor stands in for one, and training is slow.',
  },
  round: {
    heading: 'Round',
    label: (round: number) => `Round ${round}`,
    none: 'No round',
    marks: { me: 'This tab', direct: 'Direct', relayed: 'Relayed', host: 'Host' },
    marksLabel: 'Marks around the clock',
    noneText: 'The clock runs while this tab is in the swarm.',
  },
  mine: {
    heading: 'My contribution',
    credits: 'Credits',
    creditsHint: 'From certificates only, so they appear when a round is certified.',
    steps: 'Inner steps',
    tokens: 'Tokens trained on',
    accepted: 'Accepted',
    refused: 'Refused',
    speed: 'Tokens per second',
    swarmSpeed: (speed: string) => `${speed} together with linked tabs, as they report it`,
    lastRefusal: 'Last refusal',
    noRefusal: 'No submission was refused.',
    sinceOpened:
      'Steps and tokens count from when this page was opened, everything else from the start of the run.',
    inRound: (round: number) => `round ${round}`,
  },
  traffic: {
    heading: 'Bandwidth',
    down: 'Down',
    up: 'Up',
    path: 'Path',
    total: 'Total',
    now: 'Now',
    caption: 'Bytes received and sent since the page was opened, by path',
  },
  loss: {
    heading: 'Loss',
    hint: 'How surprised the model is by text, in nats per token. Lower is better.',
    train: 'My training text',
    heldOut: 'Held-out text',
    sinceStart: (change: string) => `${change} since the first round shown`,
    empty: 'The curve starts with the first certified round.',
    table: 'Show the numbers as a table',
    time: 'Time',
    value: 'Loss (nats per token)',
    caption: 'Held-out loss by certified round, newest first',
    captionTrain: 'Training loss in this tab, newest first',
    summary: (train: string, heldOut: string) =>
      `Line chart of loss over time. Training loss now ${train}, held-out loss now ${heldOut}.`,
  },
  rounds: {
    heading: 'Rounds',
    caption: 'The latest rounds, newest first',
    round: 'Round',
    time: 'Ended',
    mine: 'My work',
    why: 'Why',
    work: 'Steps · tokens',
    credits: 'Credits',
    people: 'Contributors',
    loss: 'Held-out loss',
    outcome: { accepted: 'Accepted', refused: 'Refused', lost: 'Lost', none: 'Took no part' },
    acceptedWhy: (size: string) => `Your ${size} are part of the model now.`,
    acceptedZero: 'Accepted, but this run has no credits left to issue.',
    noneWhy: 'Nothing was sent from this tab in this round.',
    empty: 'No round has ended since this page was opened.',
    more: (n: number) => `Show all ${n} rounds`,
    less: 'Show fewer',
  },
  peers: {
    heading: 'Connections',
    caption: 'Who this tab is connected to',
    peer: 'Peer',
    path: 'Path',
    role: 'Role',
    adapter: 'Adapter',
    state: 'State',
    speed: 'Tokens/s',
    rtt: 'Ping',
    sync: 'In sync',
    roles: { contributor: 'Contributor', watcher: 'Watcher', validator: 'Validator', unknown: 'Unknown' },
    inSync: 'Same model',
    outOfSync: 'Other model',
    empty: 'Nobody else is here yet. Open this page in another browser or on another computer.',
    more: (n: number) => `Show all ${n} peers`,
    less: 'Show fewer',
  },
  facts: {
    heading: 'This run',
    name: 'Name',
    organizer: 'Organizer',
    model: 'Model',
    parameters: (n: string) => `${n} parameters`,
    roundLength: 'Round',
    height: 'Certified rounds',
    root: 'Model fingerprint',
    run: 'Run id',
    adapter: 'My adapter',
    software: 'software, slow',
    noAdapter: 'Not opened',
    identity: 'My key',
    keptNot: 'ends with this tab',
    peer: 'My peer id',
    data: 'Training text',
    judges: 'Judged by',
    judgesText: (n: number) =>
      n === 1 ? 'one validator, named by the organizer' : `${n} validators, named by the organizer`,
  },
  leaderboard: {
    heading: 'Leaderboard',
    caption: 'Contributors by credits',
    rank: 'Rank',
    who: 'Contributor',
    credits: 'Credits',
    accepted: 'Accepted',
    empty: 'Nobody has earned a credit yet.',
    hint: 'Credits have no money value unless the organizer pays for them.',
  },
  boot: {
    failed: 'the page’s code could not be loaded; check your connection and reload',
  },
} as const;
