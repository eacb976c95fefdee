/** What a norm says of the steps behind it. */
import { expect, test } from 'vitest';
import { shortNormProblem } from './checks.ts';

/** Norms of honest devices in the attack lab: 4 to 16 inner steps of 128 tokens. */
const honest = [
  [0.57, 4],
  [1, 8],
  [1.34, 12],
  [1.65, 16],
  [1.71, 16],
].map(([norm, steps]) => ({ norm, tokens: 128 * steps }));

test('honest norms pass whatever the device, also straight ahead and as a random walk', () => {
  for (const power of [0.5, 0.75, 1, 2]) {
    const work = honest.map(({ tokens }) => ({ tokens, norm: tokens ** power }));
    for (const own of work)
      expect(
        shortNormProblem(
          own,
          work.filter((other) => other !== own),
          0.8,
        ),
      ).toBeNull();
  }
});

test('half the claimed steps are too few', () => {
  const lazy = { norm: 1, tokens: 128 * 16 };
  expect(shortNormProblem(lazy, honest, 0.8)).toEqual({
    reason: 'work',
    note: { code: 'norm-short', figures: { norm: 1, expected: expect.closeTo(1.547, 3), least: 0.8 } },
  });
  // With two more like it.
  expect(shortNormProblem(lazy, [...honest, lazy, lazy], 0.8)).toMatchObject({ reason: 'work' });
});

test('few others say nothing', () => {
  expect(shortNormProblem({ norm: 0.1, tokens: 2048 }, honest.slice(0, 3), 0.8)).toBeNull();
});
