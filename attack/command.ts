/**
 * The command itself, in Node (Dawn) or Deno (wgpu), as main.ts starts it: plays dishonest peers against the real
 * protocol and measures what they gain. Prints four figures for each attack and ends with status 1 when one misses its
 * target, 2 when it was asked something it cannot do. docs/threat-model.md explains attacks and figures.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Inspected } from '../src/gauntlet/inspect.ts';
import { adapterLine, type Gpu, openGpu } from '../src/kernels/gpu.ts';
import { openNodeGpu } from '../src/kernels/testing.ts';
import { toHex } from '../src/protocol/bytes.ts';
import { messageOf } from '../src/protocol/errors.ts';
import { type Behaviour, BehaviourError, loadBehaviour } from './behaviour.ts';
import { BEHAVIOURS } from './behaviours/index.ts';
import { type Figure, figuresOf } from './figures.ts';
import { Lab } from './lab.ts';
import { DEVICES } from './peers.ts';
import { gainsOf, stability } from './ranking.ts';
import { type Signals, signalsOf } from './signals.ts';
import { playRun, type RunOutcome } from './swarm.ts';

const USAGE = `usage: npm run attack -- [NAME|FILE.mjs] [--share 0.3] [--peers 20] [--rounds 10] [--audits 4] [--seed 1] [--json]

NAME: ranking (how many evaluation sequences make the order of gains stable), or an attack:
${BEHAVIOURS.map(({ name }) => name).join(', ')}; without one: all attacks.
FILE.mjs: a behaviour of your own (docs/threat-model.md).`;

/** Where prepared text is kept between runs. */
const FOLDER = join(tmpdir(), 'tabswarm-attack');
/** Sequences that the order of gains is measured on: half of them for each side of the comparison. */
const RANKING_SEQUENCES = 128;

interface Options {
  /** Instead of attacks: how many evaluation sequences make the ranking stable. */
  readonly ranking: boolean;
  readonly behaviours: readonly Behaviour[];
  readonly honest: number;
  readonly attackers: number;
  readonly share: number;
  readonly peers: number;
  readonly rounds: number;
  /** Audits a round. */
  readonly audits: number;
  readonly seed: number;
  readonly json: boolean;
}

/** Reads the command line. Throws BehaviourError or TypeError with what is wrong. */
async function optionsFrom(argv: readonly string[]): Promise<Options> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      share: { type: 'string', default: '0.3' },
      peers: { type: 'string', default: '20' },
      rounds: { type: 'string', default: '10' },
      audits: { type: 'string', default: '4' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const share = numberIn('share', values.share, 0, 0.9);
  const peers = wholeIn('peers', values.peers, 2, 64);
  const attackers = Math.round(share * peers);
  if (attackers < 1 || attackers >= peers)
    throw new TypeError(`--share ${share} of ${peers} peers leaves nobody on one side.`);
  const ranking = positionals[0] === 'ranking';
  return {
    ranking,
    behaviours: ranking ? [] : await behavioursFrom(positionals),
    honest: peers - attackers,
    attackers,
    share,
    peers,
    rounds: wholeIn('rounds', values.rounds, 1, 1000),
    audits: wholeIn('audits', values.audits, 0, 64),
    seed: wholeIn('seed', values.seed, 0, 2 ** 31),
    json: values.json,
  };
}

async function behavioursFrom(names: readonly string[]): Promise<readonly Behaviour[]> {
  const chosen: Behaviour[] = [];
  for (const name of names) {
    const known = BEHAVIOURS.find((behaviour) => behaviour.name === name);
    if (known !== undefined) chosen.push(known);
    else if (/\.m?[jt]s$/.test(name)) chosen.push(await loadBehaviour(name));
    else throw new BehaviourError(`There is no attack "${name}".\n${USAGE}`);
  }
  return chosen.length > 0 ? chosen : BEHAVIOURS;
}

function numberIn(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most))
    throw new TypeError(`--${name} must be a number from ${least} to ${most}, not "${text}".`);
  return value;
}

function wholeIn(name: string, text: string, least: number, most: number): number {
  const value = numberIn(name, text, least, most);
  if (!Number.isInteger(value)) throw new TypeError(`--${name} must be a whole number, not "${text}".`);
  return value;
}

/** Deno has WebGPU itself, Node by its package. */
const openAnyGpu = (): Promise<Gpu> => ('gpu' in navigator ? openGpu({ gpu: navigator.gpu }) : openNodeGpu());

/** Prints the curve of stability over sequences, over all honest devices and over those of full speed. */
async function rank({ peers, rounds, seed, json }: Options): Promise<boolean> {
  const gpu = await openAnyGpu();
  const adapter = adapterLine(gpu.adapter);
  const rules = { evaluationSequences: RANKING_SEQUENCES };
  const lab = await Lab.open({ gpu, seed, rounds, folder: FOLDER, rules });
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
  for (const [devices, group] of Object.entries(groups)) {
    for (let n = 2; n <= RANKING_SEQUENCES / 2; n *= 2) {
      const value = Number(stability(played, group, n).toPrecision(3));
      const line = {
        name: 'attack.ranking.tau',
        value,
        unit: 'kendall tau',
        sequences: n,
        tokens: n * sequence,
        devices,
      };
      const context = { peers, rounds: played.length, seed, adapter };
      if (json) console.log(JSON.stringify({ ...line, ...context }));
      else console.log(`${devices}: ${n} sequences (${n * sequence} tokens): tau ${value}`);
    }
  }
  for (const name of ['overlap', 'overlapWithLast', 'mosaic', 'movedChunks', 'agreement'] as const) {
    const values = signals.map((signal) => signal[name]);
    const value = Number((name === 'agreement' ? Math.min(...values) : Math.max(...values)).toPrecision(3));
    if (json)
      console.log(
        JSON.stringify({ name: `attack.signal.${name}`, value, unit: 'share', peers, seed, adapter }),
      );
    else console.log(`honest ${name}: ${name === 'agreement' ? 'least' : 'most'} ${value}`);
  }
  await lab.close();
  return true;
}

async function main(options: Options): Promise<boolean> {
  const { honest, attackers, rounds, share, peers, audits, seed, json } = options;
  const gpu = await openAnyGpu();
  const adapter = adapterLine(gpu.adapter);
  const lab = await Lab.open({ gpu, seed, rounds, folder: FOLDER, rules: { auditsPerRound: audits } });
  if (!json)
    console.log(`${honest} honest and ${attackers} dishonest peers, ${rounds} rounds, on ${adapter}`);
  const clean = await playRun({ lab, honest, attackers: 0, rounds, behaviour: null });
  let met = true;
  const print = (attack: string, figures: readonly Figure[], details: Record<string, unknown>) => {
    met &&= figures.every((figure) => figure.met);
    const context = { attack, share, peers, rounds, audits, seed, adapter };
    if (json) {
      for (const { value, ...figure } of figures)
        console.log(
          JSON.stringify({ ...figure, value: Number(value.toPrecision(4)), ...context, ...details }),
        );
      return;
    }
    const words = figures.map(
      (f) =>
        `${f.name.slice('attack.'.length)} ${f.value.toPrecision(3)}${f.met ? '' : ` (over ${f.target})`}`,
    );
    console.log(`${attack}: ${words.join(', ')}; ${describe(details)}`);
  };
  print(
    'none',
    figuresOf(clean, clean, false).filter(({ name }) => name !== 'attack.loss_increase'),
    {
      heldOutLoss: clean.heldOutLoss,
      honest: Object.fromEntries(clean.honestRefused),
    },
  );
  for (const behaviour of options.behaviours) {
    const begun = performance.now();
    const outcome = await playRun({ lab, honest, attackers, rounds, behaviour });
    print(behaviour.name, figuresOf(clean, outcome, behaviour.oneWorker === true), {
      ...detailsOf(outcome),
      seconds: Math.round((performance.now() - begun) / 1000),
    });
  }
  await lab.close();
  return met;
}

const detailsOf = (outcome: RunOutcome): Record<string, unknown> => ({
  heldOutLoss: outcome.heldOutLoss,
  attackers: Object.fromEntries(outcome.attackerOutcomes),
  honest: Object.fromEntries(outcome.honestRefused),
  honestOnTrial: outcome.honestOnTrial,
});

const describe = (details: Record<string, unknown>): string =>
  Object.entries(details)
    .map(([key, value]) => `${key} ${JSON.stringify(value)}`)
    .join(', ');

let options: Options;
try {
  options = await optionsFrom(process.argv.slice(2));
} catch (error) {
  console.error(messageOf(error));
  process.exit(2);
}
process.exit((await (options.ranking ? rank(options) : main(options))) ? 0 : 1);
