/** What the page says about credits, paths, the picture of the swarm, use, names, teams and milestones. */
import type { MilestoneKind } from '../../app/picture-state.ts';
import type { Use } from '../../peer/time-use.ts';

const plural = (n: number, one: string, many: string) => (n === 1 ? one : many);

export const creditStrings = {
  how: 'How',
  hide: 'Hide',
  /** Read out after “How” or “Hide”. */
  howOf: (round: number, open: boolean) => `${open ? ' how' : ''} the credits of round ${round} came about`,
  rank: 'Rank in the round',
  rankText: (rank: string, of: string) => `${rank} of ${of} by weight`,
  tokens: 'Tokens',
  weight: 'Weight',
  weightText: (own: string, all: string) => `${own} of ${all}`,
  emission: 'Issued to all',
  emissionText: (credits: string, halvings: number) =>
    halvings === 0 ? credits : `${credits}, after ${halvings} ${plural(halvings, 'halving', 'halvings')}`,
  share: 'Your share',
  shareText: (share: string, credits: string) => `${share} = ${credits}`,
  state: 'State',
  weightWhy:
    'Weight follows the tokens you trained on; it rises over a newcomer’s first rounds and is capped, so that nobody takes a round alone.',
  source: 'From the round’s certificate, whose signatures this tab has checked.',
  states: {
    vested: { title: 'Final', text: 'Nothing can take it back.' },
    provisional: {
      title: 'Pending',
      text: 'It is final at once when an audit passes, or after some more certified rounds; not before your first audit where the run holds them. A failed audit takes it back.',
    },
    forfeited: {
      title: 'Forfeited',
      text: 'An audit of your work failed, which took back what was pending.',
    },
  },
  vested: (credits: string) => `${credits} final`,
  /** `rounds` null: by nothing but a passed audit. */
  provisional: (credits: string, rounds: number | null) =>
    rounds === null
      ? `${credits} pending until your first audit`
      : `${credits} pending for up to ${rounds} ${plural(rounds, 'round', 'rounds')}`,
  forfeited: (credits: string) => `${credits} forfeited`,
  audits: (passed: string, failed: string) =>
    failed === '0' ? `${passed} audits passed` : `${passed} audits passed, ${failed} failed`,
  failedAudit: (round: number) =>
    `The audit of your work of round ${round} failed, so all pending credits were taken back. A faulty graphics driver or memory can cause that; update the driver before you go on.`,
  admitted: 'This round admitted your key to the run; work counts from the next one.',
  place: (rank: string, of: string) => `Place ${rank} of ${of}`,
  checked: (height: string) => `Added up from ${height} certificates that this tab has checked itself.`,
  estimate: (credits: string, round: number) => `Round ${round} may bring about ${credits}`,
  estimateWhy: 'your mean share of recent rounds, if the work is accepted',
};

export const pathStrings = {
  /** Nobody else is there. */
  alone: 'No other peer yet, so there is no path to judge. Rounds are certified all the same.',
  allDirect: 'Every peer is reached directly.',
  some: (n: number) =>
    n === 1
      ? 'One peer is reached through the organizer’s relay: its work comes late or by way of the host. Others go directly, so your own line is fine.'
      : `${n} peers are reached through the organizer’s relay: their work comes late or by way of the host. Others go directly, so your own line is fine.`,
  none: 'No peer can be reached directly. Your work still counts: the host fetches it over its own connection. But everything takes the long way.',
  noneTitle: 'What usually helps',
  todo: [
    'Turn off a VPN or proxy for this site, or allow it to use UDP.',
    'Allow WebRTC in privacy extensions and in the browser’s settings.',
    'Try another network: office and mobile networks often block UDP; a phone’s hotspot shows whether that is it.',
    'At home: turn on UPnP in the router, or IPv6.',
    'Organizers: name a TURN server with --ice, --ice-user and --ice-password-file; tabs then use it by themselves.',
  ],
  hostless: 'The organizer’s server cannot be reached, so new peers cannot be found. Links that exist go on.',
};

export const graphStrings = {
  heading: 'The swarm',
  hint: 'Lines are links, dots on them are bytes. Dashed lines go through the relay.',
  alone: 'This tab and the host, so far. Open this page on another computer and watch it appear.',
  summary: (peers: string, links: string, direct: string, relayed: string) =>
    `Graph of the swarm: this tab, ${peers === '1' ? 'one other' : `${peers} others`} and ${links === '1' ? 'one link' : `${links} links`} among them. This tab’s own links: ${direct} direct, ${relayed} through the relay.`,
  table: 'Show the links as a table',
  caption: 'Links of the swarm as far as this tab has heard',
  from: 'From',
  to: 'To',
  path: 'Path',
  rate: 'Flow',
  you: 'this tab',
  host: 'host',
  key: { me: 'This tab', linked: 'Linked to you', heard: 'Heard of', host: 'Host' },
};

const uses: Readonly<Record<Use, string>> = {
  steps: 'Training steps',
  rest: 'Rests you asked for',
  fetch: 'Fetching',
  compress: 'Packing',
  commit: 'Announcing',
  wait: 'Waiting for others',
  apply: 'Updating the model',
};

export const usageStrings = {
  timeHeading: 'Where the time went',
  uses,
  sinceStart: 'Since Start',
  lastRound: 'Last round',
  timeCaption: 'Time of this tab since Start and in the last whole round, by what it was spent on',
  idle: (share: string) => `Idle ${share} of the time that you offered.`,
  heading: 'Use over time',
  hint: 'Since Start in this tab.',
  empty: 'The curves start a few seconds after Start.',
  bandwidth: 'Bandwidth',
  down: 'Down',
  up: 'Up',
  speed: 'Tokens per second',
  busy: 'Time in training steps',
  busyWhy:
    'Share of the time this tab spent in training steps. A browser is not told how busy the graphics card really is, nor what it draws.',
  bandwidthSummary: (down: string, up: string) =>
    `Line chart of bandwidth over time. Down now ${down}, up now ${up}.`,
  speedSummary: (speed: string) => `Line chart of tokens per second over time, now ${speed}.`,
  busySummary: (busy: string) => `Line chart of the share of time in training steps, now ${busy}.`,
  table: 'Show the numbers as a table',
  caption: 'Use of line and graphics card, newest first',
  time: 'Time',
  watts: 'Measured power',
  wattsUnit: 'watts',
  wattsHint: 'If you have a plug meter: what this computer draws more while training. Nothing is guessed.',
  energy: (energy: string, hours: string) => `By your figure about ${energy} in ${hours} of training steps.`,
};

export const boardStrings = {
  people: 'People',
  teams: 'Teams',
  view: 'Show',
  team: 'Team',
  members: 'Members',
  teamsCaption: 'Teams by credits of their members',
  noTeams: 'No contributor names a team yet.',
  noName: 'no name',
};

export const profileStrings = {
  heading: 'Your name here',
  hint: 'Optional. Everybody in this run sees both, signed with your key, and the host keeps them. Names are not unique; the key is what counts.',
  name: 'Name',
  team: 'Team',
  save: 'Show this',
  saved: 'Saved. It is shown as soon as others hear of it.',
  cleaned: (max: number) => `At most ${max} characters; hidden ones are taken out.`,
};

const reached: Readonly<Record<MilestoneKind, (n: string) => string>> = {
  accepted: (n) => (n === '1' ? 'First accepted submission' : `${n} accepted submissions`),
  tokens: (n) => `${n} tokens of accepted work`,
  credits: (n) => (n === '1' ? 'First whole credit' : `${n} credits`),
};

export const milestoneStrings = {
  heading: 'Milestones',
  hint: 'Read from the run’s certificates; nobody can claim one.',
  reached,
  inRound: (round: string) => `round ${round}`,
  next: 'Next',
  progress: (share: string) => `${share} of the way`,
  empty: 'The first accepted submission is the first milestone.',
};

export const roundShareStrings = {
  key: 'My share of the round',
  summary: (share: string) =>
    ` Bars show this tab’s share of each round’s credits, in the last one ${share}.`,
  column: 'My share',
  caption: 'My share of each round with accepted work, newest first',
};
