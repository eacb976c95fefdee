/**
 * `npm run attack -- ranking`: honest peers only. Prints how stable the order of gains is over the evaluation's
 * sequences, and how near honest work comes to the limits of the cheap checks: where all of it is applied, and where
 * newcomers wait for one audit a round, so that what they may not apply adds up in their error feedback.
 * Decisions 3 and 6 have both.
 */
import { adapterLine, type Gpu } from '../src/kernels/gpu.ts';
import type { Inspected } from '../src/gauntlet/inspect.ts';
import type { GauntletRules } from '../src/protocol/manifest.ts';
import { toHex } from '../src/protocol/bytes.ts';
import { Lab } from './lab.ts';
import type { Options } from './options.ts';
import { DEVICES } from './peers.ts';
import { gainsOf, type RoundGains, stability } from './ranking.ts';
import { type Signals, signalsOf } from './signals.ts';
import { playRun } from './swarm.ts';

/** Sequences that the order of gains is measured on: half of them for each side of the comparison. */
const RANKING_SEQUENCES = 128;
/** More than there are peers: nobody waits for an audit. */
const NEVER = 64;

export async function rank(options: Options, gpu: Gpu, folder: string): Promise<void> {
  const { peers, rounds, seeds, json } = options;
  const [seed] = seeds;
  const adapter = adapterLine(gpu.adapter);
  const print = (line: Record<string, unknown>, words: string) =>
    console.log(json ? JSON.stringify({ ...line, peers, rounds, seed, adapter }) : words);
  const play = (rules: Partial<GauntletRules>) => honestRun(options, gpu, folder, rules);

  const applied = await play({ evaluationSequences: RANKING_SEQUENCES, trialFrom: NEVER });
  const groups = {
    all: applied.keys,
    'equal devices': applied.keys.filter((_, i) => DEVICES[i % DEVICES.length] === 1),
  };
  for (const [devices, group] of Object.entries(groups)) {
    for (let n = 2; n <= RANKING_SEQUENCES / 2; n *= 2) {
      const value = Number(stability(applied.gains, group, n).toPrecision(3));
      const tokens = n * applied.sequence;
      print(
        { name: 'attack.ranking.tau', value, unit: 'kendall tau', sequences: n, tokens, devices },
        `${devices}: ${n} sequences (${tokens} tokens): tau ${value}`,
      );
    }
  }
  const waiting = await play({ auditsPerRound: 1, trialFrom: 1 });
  for (const [work, { signals }] of Object.entries({ applied, waiting })) {
    for (const name of ['overlap', 'overlapWithLast', 'mosaic', 'movedChunks', 'agreement'] as const) {
      const values = signals.map((signal) => signal[name]);
      const least = name === 'agreement';
      const value = Number((least ? Math.min(...values) : Math.max(...values)).toPrecision(3));
      print(
        { name: `attack.signal.${name}`, value, unit: 'share', work },
        `honest ${name}, ${work}: ${least ? 'least' : 'most'} ${value}`,
      );
    }
  }
}

/** What a run of honest peers shows in the rounds in which all of them hand in. */
async function honestRun(
  { peers, rounds, seeds }: Options,
  gpu: Gpu,
  folder: string,
  rules: Partial<GauntletRules>,
) {
  // Nothing is refused as a copy: what is measured here is what that limit has to allow.
  const lab = await Lab.open({ gpu, seed: seeds[0], rounds, folder, rules: { maxOverlap: 1, ...rules } });
  const gains: RoundGains[] = [];
  const signals: Signals[] = [];
  let measured = new Map<string, readonly number[]>();
  let inspected = new Map<string, Inspected>();
  let last: readonly Inspected[] = [];
  await playRun({
    lab,
    honest: peers,
    attackers: 0,
    rounds,
    behaviour: null,
    onInspected: (_, contributor, one) => inspected.set(toHex(contributor), one),
    onMeasured: (_, contributor, one) => measured.set(toHex(contributor), gainsOf(one)),
    onRound: ({ applied }) => {
      // In the first round everybody joins and nothing is measured.
      if (measured.size === peers) gains.push(measured);
      if (inspected.size > 1) signals.push(signalsOf([...inspected.values()], last));
      last = applied.map(({ contributor }) => inspected.get(toHex(contributor))).filter((one) => one != null);
      measured = new Map();
      inspected = new Map();
    },
  });
  const keys = await Promise.all(
    Array.from({ length: peers }, async (_, i) => toHex((await lab.identity(`honest ${i}`)).publicKey)),
  );
  await lab.close();
  return { keys, gains, signals, sequence: lab.run.manifest.task.training.sequence };
}
