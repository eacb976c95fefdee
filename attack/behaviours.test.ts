/** Every behaviour against the real protocol with made-up training: what it is refused for, and what it is left with. */
import { beforeAll, describe, expect, test } from 'vitest';
import { BEHAVIOURS } from './behaviours/index.ts';
import { figuresOf } from './figures.ts';
import type { Workshop } from './lab.ts';
import { playRun, type RunOutcome } from './swarm.ts';
import { madeUpLab } from './testing.ts';

const SETUP = { honest: 12, attackers: 2, rounds: 6 };

/** What an attack's submissions may come to. 'accepted' where only an audit tells. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  copy: ['copy'],
  'copy-noise': ['copy'],
  'copy-permuted': ['copy'],
  'copy-scaled': ['copy'],
  'copy-mosaic': ['copy', 'work'],
  replay: ['copy', 'not heard'],
  'random-topk': ['direction', 'loss'],
  'sign-flip': ['direction', 'work'],
  'slow-poison': ['accepted'],
  'targeted-poison': ['accepted'],
  // Whether a validator hears what comes after the deadline depends on whether it waits for anybody.
  launder: ['late', 'not-revealed'],
  'lazy-half': ['work', 'accepted'],
  'lazy-scaled': ['accepted'],
  'lazy-data': ['accepted'],
  sybil: ['work', 'loss', 'accepted'],
  'sybil-copies': ['loss', 'accepted', 'copy', 'direction'],
  late: ['late', 'wrong-round', 'not-revealed', 'not heard'],
  silent: ['not-revealed'],
  huge: ['norm', 'too-large'],
  malformed: ['malformed'],
  flooder: ['duplicate', 'malformed', 'late'],
  eclipse: ['not heard'],
  'wrong-root': ['state'],
};
const AFTER_A_LIE = ['joined', 'carry', 'on-trial'];

let lab: Workshop;
let clean: RunOutcome;
beforeAll(async () => {
  lab = await madeUpLab();
  clean = await playRun({ lab, ...SETUP, attackers: 0, behaviour: null });
});

test('honest peers alone: all accepted, all audits passed, no round lost', () => {
  expect(clean.honestRefused).toEqual(new Map());
  expect(clean.honestSubmissions).toBe(SETUP.honest * (SETUP.rounds - 1));
  expect(clean.roundsLost).toBe(0);
  for (const credits of clean.honestCredits) expect(credits).toBeGreaterThan(0);
});

test('the table below knows every behaviour', () => {
  expect(Object.keys(EXPECTED)).toEqual(BEHAVIOURS.map(({ name }) => name));
});

describe('with attackers no honest peer is refused, no round is lost, and lies are worth little', () => {
  test.each(BEHAVIOURS.map((behaviour) => [behaviour.name, behaviour] as const))(
    '%s',
    async (name, behaviour) => {
      const attacked = await playRun({ lab, ...SETUP, behaviour });
      expect(Object.fromEntries(attacked.honestRefused)).toEqual({});
      expect(attacked.roundsLost).toBe(0);
      const allowed = [...(EXPECTED[name] ?? []), ...AFTER_A_LIE];
      for (const outcome of attacked.attackerOutcomes.keys()) expect(allowed).toContain(outcome);
      const ratio = figuresOf(clean, attacked, behaviour.oneWorker === true)[1];
      expect(ratio).toMatchObject({ name: 'attack.credit_ratio', met: true });
    },
  );
});
