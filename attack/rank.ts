/**
 * `npm run attack -- ranking`: honest peers only. Prints how stable the order of gains is over the evaluation's
 * sequences (docs/gauntlet.md has the curve), and how near honest work comes to the limits of the cheap checks.
 */
import { adapterLine, type Gpu } from '../src/kernels/gpu.ts';
import type { Inspected } from '../src/gauntlet/inspect.ts';
import { toHex } from '../src/protocol/bytes.ts';
import { Lab } from './lab.ts';
import type { Options } from './options.ts';
import { DEVICES } from './peers.ts';
import { gainsOf, stability } from './ranking.ts';
import { type Signals, signalsOf } from './signals.ts';
import { playRun } from './swarm.ts';

/** Sequences that the order of gains is measured on: half of them for each side of the comparison. */
const RANKING_SEQUENCES = 128;
/** More than there are peers: nobody waits for an audit, so that everybody's work is looked at in every round. */
const NEVER = 64;

export async function rank(options: Options, gpu: Gpu, folder: string): Promise<void> {
  const { peers, rounds, seeds, json } = options;
  const [seed] = seeds;
  const adapter = adapterLine(gpu.adapter);
  const rules = { evaluationSequences: RANKING_SEQUENCES, trialFrom: NEVER };
  const lab = await Lab.open({ gpu, seed, rounds, folder, rules });
  const measured: Map<string, readonly number[]>[] = [];
  const signals: Signals[] = [];
  let last: readonly Inspected[] = [];
  await playRun({
    lab,
    honest: peers,
    attackers: 0,
    rounds,
    behaviour: null,
    onRound: ({ round, applied }) => {
      const inspected = applied.map((work) => lab.inspect(work, round));
      if (inspected.length > 1) signals.push(signalsOf(inspected, last));
      last = inspected;
    },
    onMeasured: (round, contributor, measurement) => {
      measured[round] ??= new Map();
      measured[round].set(toHex(contributor), gainsOf(measurement));
    },
  });
  const keys = await Promise.all(
    Array.from({ length: peers }, async (_, i) => toHex((await lab.identity(`honest ${i}`)).publicKey)),
  );
  const groups = {
    all: keys,
    'equal devices': keys.filter((_, i) => DEVICES[i % DEVICES.length] === 1),
  };
  const { sequence } = lab.manifest.training;
  // In the first round everybody joins and nothing is measured.
  const played = measured.filter((gains) => gains.size === peers);
  const context = { peers, rounds: played.length, seed, adapter };
  const print = (line: Record<string, unknown>, words: string) =>
    console.log(json ? JSON.stringify({ ...line, ...context }) : words);
  for (const [devices, group] of Object.entries(groups)) {
    for (let n = 2; n <= RANKING_SEQUENCES / 2; n *= 2) {
      const value = Number(stability(played, group, n).toPrecision(3));
      const tokens = n * sequence;
      print(
        { name: 'attack.ranking.tau', value, unit: 'kendall tau', sequences: n, tokens, devices },
        `${devices}: ${n} sequences (${tokens} tokens): tau ${value}`,
      );
    }
  }
  for (const name of ['overlap', 'overlapWithLast', 'mosaic', 'movedChunks', 'agreement'] as const) {
    const values = signals.map((signal) => signal[name]);
    const least = name === 'agreement';
    const value = Number((least ? Math.min(...values) : Math.max(...values)).toPrecision(3));
    print(
      { name: `attack.signal.${name}`, value, unit: 'share' },
      `honest ${name}: ${least ? 'least' : 'most'} ${value}`,
    );
  }
  await lab.close();
}
