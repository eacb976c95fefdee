/** The command line of `npm run attack`. */
import { parseArgs } from 'node:util';
import { numberFrom, wholeFrom } from '../src/cli/arguments.ts';
import { type Behaviour, BehaviourError, loadBehaviour } from './behaviour.ts';
import { BEHAVIOURS } from './behaviours/index.ts';

const USAGE = `usage: npm run attack -- [NAME|FILE.mjs] [--share 0.3] [--peers 20] [--rounds 10] [--audits 4] [--trial-from 6]
         [--seed 1 | --seeds 1,2,3] [--json]

NAME: ranking (how many evaluation sequences make the order of gains stable), or an attack:
${BEHAVIOURS.map(({ name }) => name).join(', ')}; without one: all attacks.
FILE.mjs: a behaviour of your own (docs/threat-model.md).`;

export interface Options {
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
  /** Audited contributors from which on newcomers wait for their first audit; above `peers`: never. */
  readonly trialFrom: number;
  /** At least one; with several the targets hold for the mean. */
  readonly seeds: readonly number[];
  readonly json: boolean;
}

/** Reads the command line. Throws BehaviourError, UsageError or TypeError with what is wrong. */
export async function optionsFrom(argv: readonly string[]): Promise<Options> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      share: { type: 'string', default: '0.3' },
      peers: { type: 'string', default: '20' },
      rounds: { type: 'string', default: '10' },
      audits: { type: 'string', default: '4' },
      'trial-from': { type: 'string', default: '6' },
      seed: { type: 'string' },
      seeds: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const share = numberFrom('share', values.share, 0, 0.9);
  const peers = wholeFrom('peers', values.peers, 2, 64);
  const attackers = Math.round(share * peers);
  if (attackers < 1 || attackers >= peers)
    throw new TypeError(`--share ${share} of ${peers} peers leaves nobody on one side.`);
  const ranking = positionals[0] === 'ranking';
  const seeds = seedsFrom(values.seed, values.seeds);
  if (ranking && seeds.length > 1) throw new TypeError('ranking takes one --seed.');
  return {
    ranking,
    behaviours: ranking ? [] : await behavioursFrom(positionals),
    honest: peers - attackers,
    attackers,
    share,
    peers,
    rounds: wholeFrom('rounds', values.rounds, 1, 1000),
    audits: wholeFrom('audits', values.audits, 0, 64),
    trialFrom: wholeFrom('trial-from', values['trial-from'], 1, 64),
    seeds,
    json: values.json,
  };
}

function seedsFrom(seed: string | undefined, seeds: string | undefined): number[] {
  if (seed !== undefined && seeds !== undefined) throw new TypeError('Give --seed or --seeds, not both.');
  const list = (seeds ?? seed ?? '1').split(',');
  if (seed !== undefined && list.length > 1)
    throw new TypeError('--seed takes one number; --seeds takes several.');
  const read = list.map((text) => wholeFrom(seeds === undefined ? 'seed' : 'seeds', text, 0, 2 ** 31));
  if (new Set(read).size < read.length) throw new TypeError('--seeds names a seed twice.');
  return read;
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
