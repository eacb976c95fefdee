/** The states of the gallery by name. Each is a function, so that its times are fresh at every load. */
import type { AppState, Problem } from '../../app/state.ts';
import { note } from '../../gauntlet/notes.ts';
import type { Waiting } from '../../peer/reasons.ts';
import { linksOf, membersAround } from './fake-picture.ts';
import { controlScenarios } from './control-scenarios.ts';
import { adapter, hex, longRun, peers, refusedRound, run, softwareAdapter, training } from './fake-data.ts';
import { truthScenarios } from './truth-scenarios.ts';
import { PROBLEM_EXAMPLES } from '../strings/examples.ts';

/** One problem of each code. */
const PROBLEMS = Object.fromEntries(
  Object.values(PROBLEM_EXAMPLES).map(([first]) => [first.code, first]),
) as unknown as { readonly [C in Problem['code']]: Problem & { readonly code: C } };

const firstVisit = (): Partial<AppState> => ({ run, keeping: { notKept: null, promised: false } });
const waiting = (waitingFor: Waiting) => (): Partial<AppState> => ({
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
  'other-run',
  'key-not-kept',
];

/** A problem as it shows where it usually strikes: before Start or during training. */
const problem = (code: Problem['code']) => (): Partial<AppState> => {
  const problems = [PROBLEMS[code]];
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
  returning: () => ({ ...firstVisit(), totals: training().totals!, standing: training().standing! }),
  connecting: () => ({ run, intent: 'running', activity: 'connecting' }),
  syncing: () => ({
    ...training(),
    activity: 'syncing',
    rounds: [],
    trainLoss: [],
    heldOutLoss: [],
    totals: { innerSteps: 0, tokens: 0, accepted: 0, refused: 0, credits: 0 },
    tokensPerSecond: 0,
    waitingFor: { why: 'model' },
  }),
  training,
  'software-adapter': () => ({ ...training(), adapter: softwareAdapter, tokensPerSecond: 61.4 }),
  'waiting-certificate': waiting({ why: 'verdict' }),
  'waiting-round': waiting({ why: 'no-step' }),
  'waiting-admission': waiting({ why: 'admission', inMs: 18_400 }),
  'waiting-audit': waiting({ why: 'audit' }),
  'waiting-trouble': waiting({ why: 'trouble', trouble: PROBLEMS['blob-missing'] }),
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
    problems: [PROBLEMS['no-webgpu']],
  }),
  refused: () => ({
    ...training(),
    totals: { innerSteps: 96, tokens: 393_216, accepted: 0, refused: 8, credits: 0 },
    rounds: REASONS.map((reason, i) =>
      refusedRound(
        i + 1,
        Date.now() - (8 - i) * 30_000,
        reason,
        reason === 'norm' ? note('norm-far', { norm: 41.2, median: 0.9, limit: 10 }) : null,
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
  'long-names-landing': () => ({ ...firstVisit(), run: longRun }),
  ...controlScenarios,
  ...Object.fromEntries(
    (Object.keys(PROBLEMS) as Problem['code'][]).map((code) => [`problem-${code}`, problem(code)]),
  ),
  'problem-several': () => ({
    ...training(),
    host: 'unreachable',
    activity: 'syncing',
    problems: [PROBLEMS['host-unreachable'], PROBLEMS['corrupt-data'], PROBLEMS['protocol-version']],
  }),
};
