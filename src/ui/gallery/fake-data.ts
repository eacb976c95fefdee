/** Made-up but plausible states, the same at every load. */
import type { AppState, PeerView, Phase, RoundRecord, RunInfo } from '../../app/state.ts';
import { note } from '../../gauntlet/notes.ts';
import type { AdapterReport } from '../../kernels/gpu.ts';
import type { Note } from '../../protocol/messages.ts';
import type { LinkPath } from '../../swarm/types.ts';
import { picture } from './fake-picture.ts';
import { hex, peerId, random } from './seeded.ts';

export { hex, random };

export const PHASE_MS: Readonly<Record<Phase, number>> = {
  train: 20_000,
  commit: 2_500,
  reveal: 3_500,
  judge: 4_000,
};

export const run: RunInfo = {
  id: hex(1),
  name: 'Union 1M',
  description: 'A small model of presidential English, trained as a demonstration of browser training.',
  organizer: 'Lakeside Library',
  parameters: 1_081_472,
  dataSource: 'State of the Union addresses, 1790 to 2021',
  validators: 1,
  dataLicence: 'public domain',
  roundMs: 30_000,
  phaseMs: PHASE_MS,
  gpuBytes: 96_000_000,
  downloadBytes: 7_400_000,
  bytesPerRound: 98_000,
};

export const longRun: RunInfo = {
  ...run,
  name: 'A-very-long-run-name-without-any-spaces-that-somebody-will-surely-choose-one-day-2026',
  organizer:
    'The International Cooperative for Wonderfully Slow but Thoroughly Democratic Language Models e.V.',
  description:
    'This description takes its time. It explains in several sentences what the model is for, who pays for the server, where the results will be published and under which licence, and thanks everybody who has lent a graphics card since the first attempt. '.repeat(
      2,
    ),
  dataSource:
    'https://example.org/datasets/an-address-that-has-no-natural-place-to-break/and-goes-on/and-on.tar.zst',
  parameters: 124_000_000,
  gpuBytes: 2_480_000_000,
  downloadBytes: 512_000_000,
  bytesPerRound: 11_500_000,
  roundMs: 600_000,
};

export const adapter: AdapterReport = {
  vendor: 'apple',
  architecture: 'metal-3',
  description: 'Apple M2',
  software: false,
  shaderF16: true,
  subgroups: true,
  subgroupMinSize: 32,
  subgroupMaxSize: 32,
  timestampQuery: true,
  workgroupBytes: 32_768,
  maxBufferSize: 2 ** 32,
  maxStorageBufferBindingSize: 2 ** 31,
};

export const softwareAdapter: AdapterReport = {
  ...adapter,
  vendor: 'google',
  architecture: 'swiftshader',
  description: 'SwiftShader Device (LLVM 16.0.0)',
  software: true,
};

const ADAPTERS = [
  'Apple M2',
  'NVIDIA GeForce RTX 4070',
  'Intel Iris Xe Graphics',
  'AMD Radeon 780M',
  'Adreno 740',
];
/** Names that volunteers show; most show none. */
const NAMES: readonly string[] = ['Ada', '', 'Grace Hopper', '', 'मधु', '北京大学 #7'];
const STATES = ['training', 'training', 'training', 'waiting', 'compressing'];

export function peers(n: number, path?: LinkPath): PeerView[] {
  const next = random(n);
  const host: PeerView = {
    peer: peerId(900),
    name: '',
    role: 'validator',
    adapter: 'wasm',
    state: 'judging',
    path: 'host',
    rttMs: 9,
    bytesIn: 4_120_300,
    bytesOut: 212_900,
    tokensPerSecond: 0,
    inSync: true,
  };
  const others = Array.from({ length: Math.max(0, n - 1) }, (_, i): PeerView => {
    const watcher = i % 7 === 5;
    return {
      peer: peerId(100 + i),
      name: NAMES[i] ?? '',
      role: watcher ? 'watcher' : 'contributor',
      adapter: watcher ? '' : ADAPTERS[i % ADAPTERS.length],
      state: watcher ? 'watching' : STATES[i % STATES.length],
      path: path ?? (i % 4 === 3 ? 'relayed' : 'direct'),
      rttMs: i % 6 === 4 ? null : Math.round(8 + 120 * next()),
      bytesIn: Math.round(900_000 * next()),
      bytesOut: Math.round(700_000 * next()),
      tokensPerSecond: watcher ? 0 : 800 + 5200 * next(),
      inSync: i % 9 !== 6,
    };
  });
  return n === 0 ? [] : [host, ...others];
}

/** An accepted round of one's own. */
export const ownRound = (round: number, at: number, heldOutLoss: number): RoundRecord => ({
  round,
  height: round,
  root: hex(round),
  contributors: 5,
  heldOutLoss,
  own: {
    outcome: 'accepted',
    reason: null,
    note: null,
    innerSteps: 14 + (round % 5),
    tokens: 57_344 + 4096 * (round % 5),
    credits: 181_250 + 1_337 * (round % 7),
    submissionBytes: 19_400 + 13 * round,
    share: {
      rank: 1 + (round % 3),
      of: 5,
      weight: 181 + (round % 7),
      totalWeight: 1000,
      emission: 1_000_000,
      halvings: 0,
    },
  },
  at,
});

export const refusedRound = (
  round: number,
  at: number,
  reason: NonNullable<RoundRecord['own']>['reason'],
  found: Note | null = null,
): RoundRecord => {
  const accepted = ownRound(round, at, heldOutAt(round));
  return {
    ...accepted,
    ...(reason === 'no-certificate' ? { height: null, root: null, contributors: 0, heldOutLoss: null } : {}),
    own: {
      ...accepted.own!,
      outcome: reason === 'no-certificate' ? 'lost' : 'refused',
      reason,
      note: found,
      credits: 0,
      share: null,
    },
  };
};

const heldOutAt = (round: number) => 3.9 + 3.75 * Math.exp(-round / 14);

/** A run that has been going for a while, seen from a tab that takes part. */
export function training(): Partial<AppState> {
  const now = Date.now();
  const next = random(3);
  const rounds = 42;
  const start = now - rounds * run.roundMs;
  return {
    intent: 'running',
    activity: 'training',
    run,
    adapter,
    identity: hex(77),
    peerId: peerId(42),
    host: 'connected',
    round: rounds + 1,
    phase: 'train',
    phaseEndsAt: now + 12_400,
    height: rounds,
    root: hex(5),
    trainedTokens: 12_304_128,
    tokensPerSecond: 3_214,
    totals: { innerSteps: 611, tokens: 2_502_656, accepted: 40, refused: 1, credits: 7_384_201 },
    traffic: {
      bytesIn: { direct: 3_140_220, relayed: 41_000, host: 7_612_400 },
      bytesOut: { direct: 2_811_930, relayed: 38_200, host: 212_900 },
      rateIn: 31_400,
      rateOut: 22_750,
    },
    peers: peers(7),
    rounds: Array.from({ length: rounds }, (_, i) => {
      const round = i + 1;
      const at = start + round * run.roundMs;
      if (round === 38) return refusedRound(round, at, 'late', note('late-commit', { ms: 412 }));
      if (round === 40) return refusedRound(round, at, 'no-certificate');
      if (round === 36) return { ...ownRound(round, at, heldOutAt(round)), own: null };
      return ownRound(round, at, heldOutAt(round));
    }),
    trainLoss: Array.from({ length: 400 }, (_, i) => {
      const round = (i / 400) * rounds;
      return [start + round * run.roundMs, heldOutAt(round) - 0.12 + 0.35 * (next() - 0.5)] as const;
    }),
    heldOutLoss: Array.from(
      { length: rounds },
      (_, i) => [start + (i + 1) * run.roundMs, heldOutAt(i + 1)] as const,
    ),
    ...picture(now, peers(7)),
  };
}
