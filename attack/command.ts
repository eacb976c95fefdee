/**
 * The command itself, in Node (Dawn) or Deno (wgpu), as main.ts starts it: plays dishonest peers against the real
 * protocol and measures what they gain. Prints four figures for each attack and ends with status 1 when one misses its
 * target, 2 when it was asked something it cannot do. docs/threat-model.md explains attacks and figures.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adapterLine, type Gpu, openGpu } from '../src/kernels/gpu.ts';
import { openNodeGpu } from '../src/kernels/node-gpu.ts';
import { messageOf } from '../src/protocol/errors.ts';
import { type Figure, figuresOf, overSeeds } from './figures.ts';
import { Lab } from './lab.ts';
import { type Options, optionsFrom } from './options.ts';
import { rank } from './rank.ts';
import { playRun, type RunOutcome } from './swarm.ts';

/** Where prepared text is kept between runs. */
const FOLDER = join(tmpdir(), 'tabswarm-attack');

/** Deno has WebGPU itself, Node by its package. */
const openAnyGpu = (): Promise<Gpu> => ('gpu' in navigator ? openGpu({ gpu: navigator.gpu }) : openNodeGpu());

/** Plays everything for every seed; true when all targets are met. */
async function attack(options: Options, gpu: Gpu): Promise<boolean> {
  const { honest, attackers, rounds, share, peers, audits, trialFrom, seeds, json } = options;
  const adapter = adapterLine(gpu.adapter);
  if (!json)
    console.log(`${honest} honest and ${attackers} dishonest peers, ${rounds} rounds, on ${adapter}`);
  /** By attack, in the order of seeds. */
  const played = new Map<string, Figure[][]>();
  const print = (name: string, figures: readonly Figure[], details: Record<string, unknown>) => {
    const context = { attack: name, share, peers, rounds, audits, trialFrom, adapter };
    if (json)
      for (const figure of figures)
        console.log(JSON.stringify({ ...rounded(figure), ...context, ...details }));
    else console.log(`${name}: ${figures.map(inWords).join(', ')}; ${describe(details)}`);
  };
  for (const seed of seeds) {
    const rules = { auditsPerRound: audits, trialFrom };
    const lab = await Lab.open({ gpu, seed, rounds, folder: FOLDER, rules });
    const clean = await playRun({ lab, honest, attackers: 0, rounds, behaviour: null });
    const own = figuresOf(clean, clean, false).filter(({ name }) => name !== 'attack.loss_increase');
    played.set('none', [...(played.get('none') ?? []), own]);
    print('none', own, { seed, ...detailsOf(clean) });
    for (const behaviour of options.behaviours) {
      const begun = performance.now();
      const outcome = await playRun({ lab, honest, attackers, rounds, behaviour });
      const figures = figuresOf(clean, outcome, behaviour.oneWorker === true);
      played.set(behaviour.name, [...(played.get(behaviour.name) ?? []), figures]);
      const seconds = Math.round((performance.now() - begun) / 1000);
      print(behaviour.name, figures, { seed, ...detailsOf(outcome), seconds });
    }
    await lab.close();
  }
  let met = true;
  for (const [name, runs] of played) {
    const means = overSeeds(runs);
    met &&= means.every((figure) => figure.met);
    if (seeds.length > 1) print(name, means, { seeds });
  }
  return met;
}

const detailsOf = (outcome: RunOutcome): Record<string, unknown> => ({
  heldOutLoss: outcome.heldOutLoss,
  attackers: Object.fromEntries(outcome.attackerOutcomes),
  honest: Object.fromEntries(outcome.honestRefused),
  honestOnTrial: outcome.honestOnTrial,
  attackersWait: outcome.attackersWait,
});

/** A figure with its numbers as they are printed. */
const rounded = (figure: Figure): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(figure).map(([key, value]) => [
      key,
      typeof value === 'number' ? Number(value.toPrecision(4)) : value,
    ]),
  );

function inWords({ name, value, least, most, met, target }: Figure): string {
  const range =
    least === undefined || most === undefined ? '' : ` [${least.toPrecision(3)} to ${most.toPrecision(3)}]`;
  return `${name.slice('attack.'.length)} ${value.toPrecision(3)}${range}${met ? '' : ` (over ${target})`}`;
}

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
const gpu = await openAnyGpu();
let met = true;
if (options.ranking) await rank(options, gpu, FOLDER);
else met = await attack(options, gpu);
process.exit(met ? 0 : 1);
