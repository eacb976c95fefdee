/** The figures are worth something: they miss their targets when the shipped audits have a fault, and only then. */
import { beforeAll, expect, test } from 'vitest';
import { decodeUnchecked, type Route } from '../src/sim/memory-network.ts';
import lazyData from './behaviours/lazy-data.ts';
import silent from './behaviours/silent.ts';
import type { Behaviour } from './behaviour.ts';
import { figuresOf } from './figures.ts';
import type { Workshop } from './lab.ts';
import { playRun, type RunOptions, type RunOutcome } from './swarm.ts';
import { madeUpLab } from './testing.ts';

const SETUP = { honest: 8, attackers: 2, rounds: 7 };
type Fault = NonNullable<RunOptions['fault']>;

let lab: Workshop;
let clean: RunOutcome;
beforeAll(async () => {
  lab = await madeUpLab();
  clean = await playRun({ lab, ...SETUP, attackers: 0, behaviour: null });
});

/** Figures that miss their targets, by name. */
async function missed(behaviour: Behaviour, fault?: Fault): Promise<string[]> {
  const options = { lab, ...SETUP, behaviour };
  const attacked = await playRun(fault === undefined ? options : { ...options, fault });
  return figuresOf(clean, attacked, false)
    .filter(({ met }) => !met)
    .map(({ name }) => name);
}

/** Loses the first time that a round's audited contributors are asked, on its way to each peer. */
function losesFirstAsks(): Route {
  const asked = new Set<string>();
  return (_from, to, bytes, at) => {
    const message = decodeUnchecked(bytes);
    const name = message?.kind === 'audit' ? `${to} ${message.round}` : '';
    if (name === '' || asked.has(name)) return [{ at, bytes }];
    asked.add(name);
    return [];
  };
}

/** The validator's swarm for an auditor that believes it asks twice. */
const asksOnce: Fault['auditorSwarm'] = (swarm) => {
  const asked = new Set<number>();
  return {
    peerId: swarm.peerId,
    fetch: (...question) => swarm.fetch(...question),
    serve: (...blob) => swarm.serve(...blob),
    forget: (hash) => swarm.forget(hash),
    publish: async (bytes) => {
      const message = decodeUnchecked(bytes);
      if (message?.kind === 'audit') {
        if (asked.has(message.round)) return 0;
        asked.add(message.round);
      }
      return swarm.publish(bytes);
    },
  };
};

test('the same run plays to the same outcome', async () => {
  expect(await playRun({ lab, ...SETUP, attackers: 0, behaviour: null })).toEqual(clean);
});

test('where the first ask gets lost, an auditor that asks twice hurts nobody honest', async () => {
  expect(await missed(silent, { route: losesFirstAsks() })).toEqual([]);
});

test('one that asks once has honest contributors refused', async () => {
  const fault = { route: losesFirstAsks(), auditorSwarm: asksOnce };
  expect(await missed(silent, fault)).toContain('attack.honest_refused');
});

test('with bounds a hundred times too wide, work on other text is paid', async () => {
  expect(await missed(lazyData)).toEqual([]);
  expect(await missed(lazyData, { slack: 100 })).toContain('attack.credit_ratio');
});
