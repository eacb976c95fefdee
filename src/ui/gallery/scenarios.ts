/** The states of the gallery by name. Each is a function, so that its times are fresh at every load. */
import type { AppState, Problem } from '../../app/state.ts';
import { linksOf, membersAround } from './fake-picture.ts';
import { controlScenarios } from './control-scenarios.ts';
import { adapter, hex, longRun, peers, refusedRound, run, softwareAdapter, training } from './fake-data.ts';
import { truthScenarios } from './truth-scenarios.ts';

const MESSAGES: Readonly<Record<Problem['code'], readonly [message: string, recovering: boolean]>> = {
  'no-webgpu': ['', false],
  'insecure-page': ['This page was opened at http://192.168.1.20:8443.', false],
  framed: [
    'Another site shows this page inside its own. Open https://example.org in a tab of its own.',
    false,
  ],
  'no-adapter': ['The browser answered a request for a graphics card with none.', false],
  'adapter-too-small': [
    'The run needs 2.48 GB in one graphics card; this one (Intel HD Graphics 520) offers 1.07 GB.',
    false,
  ],
  'device-lost': ['The driver said: “Device was lost during execution (TDR)”.', true],
  'host-unreachable': ['No answer from 192.168.1.20; the next try is in 8 s.', true],
  'bad-manifest': ['The field “schedule” is missing.', false],
  'protocol-version': ['This tab speaks version 1, the host version 2.', false],
  'corrupt-data': ['Shard 12 (3f9ac0…) from peer …k7Qw2e9x.', true],
  'no-validator': ['', true],
  'out-of-sync': ['At round 42 this tab had fingerprint 91bc…, the certificate 3d20….', true],
  internal: ['Cannot read properties of undefined (reading “layers”).', false],
};

const firstVisit = (): Partial<AppState> => ({ run });
const waiting = (waitingFor: string) => (): Partial<AppState> => ({
  ...training(),
  activity: 'waiting',
  waitingFor,
  phase: 'judge',
  phaseEndsAt: Date.now() + 3_000,
});

const idleCodes: readonly Problem['code'][] = [
  'no-webgpu',
  'insecure-page',
  'framed',
  'no-adapter',
  'adapter-too-small',
  'bad-manifest',
  'protocol-version',
];

/** A problem as it shows where it usually strikes: before Start or during training. */
const problem = (code: Problem['code']) => (): Partial<AppState> => {
  const [message, recovering] = MESSAGES[code];
  const problems = [{ code, message, recovering }];
  if (code === 'bad-manifest') return { run: null, problems };
  if (idleCodes.includes(code)) return { ...firstVisit(), problems };
  const base = training();
  if (code === 'host-unreachable') return { ...base, host: 'unreachable', problems };
  if (code === 'internal') return { ...base, activity: 'failed', problems };
  return { ...base, activity: 'syncing', problems };
};

/** Peers with the links and the hearsay that go with them. */
const around = (all: AppState['peers']): Partial<AppState> => ({
  peers: all,
  members: membersAround(all, 4),
  links: linksOf(all),
});

const REASONS = [
  'norm',
  'copy',
  'loss',
  'state',
  'capacity',
  'not-revealed',
  'hash-mismatch',
  'not-finite',
] as const;

export const scenarios: Readonly<Record<string, () => Partial<AppState>>> = {
  ...truthScenarios,
  loading: () => ({}),
  'first-visit': firstVisit,
  returning: () => ({ ...firstVisit(), totals: training().totals! }),
  connecting: () => ({ run, intent: 'running', activity: 'connecting' }),
  syncing: () => ({
    ...training(),
    activity: 'syncing',
    rounds: [],
    trainLoss: [],
    heldOutLoss: [],
    totals: { innerSteps: 0, tokens: 0, accepted: 0, refused: 0, credits: 0 },
    tokensPerSecond: 0,
    waitingFor: 'Fetching the checkpoint of round 40 from 3 peers: 2.1 of 4.3 MB.',
  }),
  training,
  'software-adapter': () => ({ ...training(), adapter: softwareAdapter, tokensPerSecond: 61.4 }),
  'waiting-certificate': waiting(
    'The validators are testing this round’s work; the certificate is due in 3 s.',
  ),
  'waiting-round': waiting('You joined in mid-round; the next round starts in 18 s.'),
  'waiting-peers': waiting('Nobody else is connected; the host alone certifies your work.'),
  paused: () => ({ ...training(), intent: 'paused', activity: 'paused', tokensPerSecond: 0 }),
  watching: () => ({
    ...training(),
    intent: 'watching',
    activity: 'waiting',
    adapter: null,
    trainLoss: [],
    rounds: training().rounds!.map((r) => ({ ...r, own: null })),
  }),
  'watching-no-webgpu': () => ({
    ...training(),
    intent: 'watching',
    activity: 'idle',
    adapter: null,
    trainLoss: [],
    problems: [{ code: 'no-webgpu', message: '', recovering: false }],
  }),
  refused: () => ({
    ...training(),
    totals: { innerSteps: 96, tokens: 393_216, accepted: 0, refused: 8, credits: 0 },
    rounds: REASONS.map((reason, i) =>
      refusedRound(
        i + 1,
        Date.now() - (8 - i) * 30_000,
        reason,
        reason === 'norm' ? 'norm 41.2, median 0.9, limit 10x' : '',
      ),
    ),
  }),
  empty: () => ({
    run,
    adapter,
    intent: 'running',
    activity: 'training',
    identity: hex(77),
    host: 'connected',
    round: 1,
    phaseEndsAt: Date.now() + 18_000,
  }),
  'many-peers': () => ({ ...training(), ...around(peers(64)) }),
  'all-relayed': () => ({ ...training(), ...around(peers(5, 'relayed')) }),
  'long-names': () => ({
    ...training(),
    run: longRun,
    adapter: {
      ...adapter,
      description: 'ANGLE (NVIDIA, NVIDIA GeForce RTX 4090 Laptop GPU (0x00002757) Direct3D12 vs_5_1)',
    },
    peers: peers(7).map((p) => ({
      ...p,
      adapter: `${p.adapter} with an unusually long driver description 31.0.15.4601`,
    })),
    totals: {
      innerSteps: 12_345_678,
      tokens: 50_567_900_000,
      accepted: 123_456,
      refused: 4_321,
      credits: 98_765_432_100_000,
    },
  }),
  // What differs is in fake-model.ts and fake-device.ts, under the same names.
  ...Object.fromEntries(
    [
      'chat-loading',
      'chat-ready',
      'chat-writing',
      'chat-fell-back',
      'chat-problem',
      'new-version',
      'notifications-denied',
    ].map((name) => [name, training]),
  ),
  'long-names-landing': () => ({ run: longRun }),
  ...controlScenarios,
  ...Object.fromEntries(
    (Object.keys(MESSAGES) as Problem['code'][]).map((code) => [`problem-${code}`, problem(code)]),
  ),
  'problem-several': () => ({
    ...training(),
    host: 'unreachable',
    activity: 'syncing',
    problems: (['host-unreachable', 'corrupt-data', 'protocol-version'] as const).map((code) => ({
      code,
      message: MESSAGES[code][0],
      recovering: MESSAGES[code][1],
    })),
  }),
};
