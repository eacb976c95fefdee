/** The four figures of an attack against their targets. */
import { expect, test } from 'vitest';
import { figuresOf, overSeeds } from './figures.ts';
import type { RunOutcome } from './swarm.ts';

const outcome = (change: Partial<RunOutcome> = {}): RunOutcome => ({
  heldOutLoss: 5,
  roundsLost: 0,
  honestCredits: [100, 300],
  attackerCredits: [],
  attackersWait: 0,
  honestSubmissions: 200,
  honestRefused: new Map(),
  honestOnTrial: 0,
  attackerOutcomes: new Map(),
  ...change,
});

const of = (attacked: RunOutcome, oneWorker = false) =>
  Object.fromEntries(figuresOf(outcome(), attacked, oneWorker).map((f) => [f.name, [f.value, f.met]]));

test('an attack that changes nothing meets every target', () => {
  expect(of(outcome({ attackerCredits: [0, 0] }))).toEqual({
    'attack.loss_increase': [0, true],
    'attack.credit_ratio': [0, true],
    'attack.honest_refused': [0, true],
    'attack.rounds_lost': [0, true],
  });
});

test('credits compare one attacker with one honest peer, or all identities of one worker with it', () => {
  const attacked = outcome({ attackerCredits: [20, 10, 0] });
  expect(of(attacked)['attack.credit_ratio']).toEqual([0.05, true]);
  expect(of(attacked, true)['attack.credit_ratio']).toEqual([0.1, true]);
  expect(of(outcome({ attackerCredits: [310, 0] }), true)['attack.credit_ratio'][1]).toBe(false);
  expect(of(outcome({ attackerCredits: [20, 1] }))['attack.credit_ratio'][1]).toBe(false);
});

test('a higher loss, refused honest work and lost rounds miss their targets', () => {
  const figures = of(
    outcome({
      heldOutLoss: 5.06,
      roundsLost: 1,
      honestRefused: new Map([
        ['loss', 2],
        ['copy', 1],
      ]),
    }),
  );
  expect(figures['attack.loss_increase'][1]).toBe(false);
  expect(figures['attack.honest_refused']).toEqual([0.015, false]);
  expect(figures['attack.rounds_lost']).toEqual([1, false]);
});

test('nothing is met by a loss that is no number, or when no honest peer has credits', () => {
  expect(of(outcome({ heldOutLoss: Number.NaN }))['attack.loss_increase'][1]).toBe(false);
  expect(of(outcome({ honestCredits: [0, 0], attackerCredits: [0] }))['attack.credit_ratio'][1]).toBe(false);
});

test('over several seeds the mean has to meet the target, and the spread is told', () => {
  const runs = [5.1, 4.95, 5].map((heldOutLoss) => figuresOf(outcome(), outcome({ heldOutLoss }), false));
  const [loss, , , lost] = overSeeds(runs);
  expect(loss.value).toBeCloseTo(0.01 / 3, 10);
  expect(loss).toMatchObject({ met: true, least: runs[1][0].value, most: runs[0][0].value });
  expect(lost).toMatchObject({ value: 0, met: true });
  const bad = figuresOf(outcome(), outcome({ heldOutLoss: 5.6 }), false);
  expect(overSeeds([...runs, bad])[0].met).toBe(false);
  expect(overSeeds([bad])).toEqual(bad);
});
