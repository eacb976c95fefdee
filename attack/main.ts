/**
 * `npm run attack -- [NAME|FILE.mjs] [options]`: plays dishonest peers against the real protocol and measures what
 * they gain. Prints four figures for each attack and ends with status 1 when one misses its target, 2 when it was
 * asked something it cannot do. docs/threat-model.md explains attacks and figures.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { adapterLine } from '../src/kernels/gpu.ts';
import { openNodeGpu } from '../src/kernels/testing.ts';
import { messageOf } from '../src/protocol/errors.ts';
import { type Behaviour, BehaviourError, loadBehaviour } from './behaviour.ts';
import { BEHAVIOURS } from './behaviours/index.ts';
import { type Figure, figuresOf } from './figures.ts';
import { Lab } from './lab.ts';
import { playRun, type RunOutcome } from './swarm.ts';

const USAGE = `usage: npm run attack -- [NAME|FILE.mjs] [--share 0.3] [--peers 20] [--rounds 12] [--seed 1] [--json]

NAME: ${BEHAVIOURS.map(({ name }) => name).join(', ')}; without one: all of them.
FILE.mjs: a behaviour of your own (docs/threat-model.md).`;

interface Options {
  readonly behaviours: readonly Behaviour[];
  readonly honest: number;
  readonly attackers: number;
  readonly share: number;
  readonly peers: number;
  readonly rounds: number;
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
      rounds: { type: 'string', default: '12' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const share = numberIn('share', values.share, 0, 0.9);
  const peers = wholeIn('peers', values.peers, 2, 64);
  const attackers = Math.round(share * peers);
  if (attackers < 1 || attackers >= peers)
    throw new TypeError(`--share ${share} of ${peers} peers leaves nobody on one side.`);
  return {
    behaviours: await behavioursFrom(positionals),
    honest: peers - attackers,
    attackers,
    share,
    peers,
    rounds: wholeIn('rounds', values.rounds, 1, 1000),
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

async function main(options: Options): Promise<boolean> {
  const { honest, attackers, rounds, share, peers, seed, json } = options;
  const gpu = await openNodeGpu();
  const adapter = adapterLine(gpu.adapter);
  const folder = join(tmpdir(), 'tabswarm-attack');
  const lab = await Lab.open({ gpu, seed, folder });
  if (!json)
    console.log(`${honest} honest and ${attackers} dishonest peers, ${rounds} rounds, on ${adapter}`);
  const clean = await playRun({ lab, honest, attackers: 0, rounds, behaviour: null });
  let met = true;
  const print = (attack: string, figures: readonly Figure[], details: Record<string, unknown>) => {
    met &&= figures.every((figure) => figure.met);
    const context = { attack, share, peers, rounds, seed, adapter };
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
process.exit((await main(options)) ? 0 : 1);
