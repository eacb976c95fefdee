/** The outer step against docs/state.md written out one coordinate at a time, in big integers. */
import { describe, expect, test } from 'vitest';
import { signedLevelValue } from './levels.ts';
import { mergeStep, positiveMedian, prepareStep, subtractStep } from './outer-step.ts';
import { randomTheta, randomUpdate, testSettings, wideLayout } from './testing.ts';
import { CODES, chunkPlaces, flatIndex, tensorNorms } from './update.ts';

const layout = wideLayout();
const places = chunkPlaces(layout);

/** Three quiet submissions and one that is eight times as loud, with unlike weights. */
const accepted = [
  { update: randomUpdate(layout, 1), weight: 1 },
  { update: randomUpdate(layout, 2), weight: 3 },
  { update: randomUpdate(layout, 3, 8), weight: 1024 },
  { update: randomUpdate(layout, 4), weight: 7 },
];

/** θ after the step, as the document defines it. */
function definition(theta: Int32Array, settings: ReturnType<typeof testSettings>): Int32Array {
  const total = accepted.reduce((sum, { weight }) => sum + BigInt(weight), 0n);
  const numerators = new Map<number, bigint>();
  const senders = new Map<number, bigint>();
  const norms = accepted.map(({ update }) => tensorNorms(update, layout));
  for (const [s, { update, weight }] of accepted.entries())
    places.forEach((place, c) => {
      const t = layout.tensors.indexOf(place.tensor);
      const median = positiveMedian(norms.map((norm) => norm[t]));
      const clip = Math.min(1, median / norms[s][t]);
      for (const entry of update.entries.subarray(update.starts[c], update.starts[c + 1])) {
        const exact =
          settings.alpha *
          clip *
          2 ** settings.fractionBits *
          signedLevelValue(update.tables[c * CODES + (entry >> 12)]);
        const value = BigInt(Math.sign(exact) * Math.floor(Math.abs(exact) + 0.5));
        const at = flatIndex(place, entry & 0xfff);
        numerators.set(at, (numerators.get(at) ?? 0n) + BigInt(weight) * value);
        senders.set(at, (senders.get(at) ?? 0n) + BigInt(weight));
      }
    });
  const out = theta.slice();
  for (const [at, numerator] of numerators) {
    const by = settings.average === 'all' ? total : (senders.get(at) ?? 1n);
    const magnitude = ((numerator < 0n ? -numerator : numerator) + by / 2n) / by;
    out[at] = Number(BigInt(theta[at]) - (numerator < 0n ? -magnitude : magnitude));
  }
  return out;
}

describe.each(['senders', 'all'] as const)('averaged over %s', (average) => {
  test.each([1, 0.75])('α = %f', (alpha) => {
    const settings = testSettings({ average, alpha, fractionBits: 20 });
    const theta = randomTheta(layout, 5, 20);
    const expected = definition(theta, settings);
    const step = prepareStep(accepted, layout, settings);
    expect(step.saturated).toBe(0);
    expect(step.totalWeight).toBe(1035);
    expect(step.weights).toEqual([1, 3, 1024, 7]);
    const change = mergeStep(accepted, step, layout, settings);
    expect(change.starts.length).toBe(layout.chunks + 1);
    expect(change.starts[layout.chunks]).toBe(change.positions.length);
    const applied = theta.slice();
    expect(subtractStep(applied, change, layout)).toBe(0);
    expect(applied).toEqual(expected);
    // Positions ascend within each chunk.
    for (let c = 0; c < layout.chunks; c++) {
      const positions = [...change.positions.subarray(change.starts[c], change.starts[c + 1])];
      expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    }
  });
});

test('a coordinate at either end of i32 is at its end, and not past it', () => {
  const theta = Int32Array.of(2 ** 31 - 2, -(2 ** 31) + 1, 2 ** 31 - 2, -(2 ** 31) + 1);
  const line = wideLayout();
  const change = {
    starts: Uint32Array.of(0, ...new Array<number>(line.chunks).fill(4)),
    positions: Uint16Array.of(0, 1, 2, 3),
    changes: Int32Array.of(-1, 1, -2, 2),
  };
  expect(subtractStep(theta, change, line)).toBe(2);
  expect([...theta]).toEqual([2 ** 31 - 1, -(2 ** 31), 2 ** 31 - 1, -(2 ** 31)]);
});

test('a value of exactly 2^30 is not cut; the next is, and a weight says its bounds', () => {
  const update = randomUpdate(layout, 1);
  update.tables.fill(0);
  update.tables[0] = 8 * 40; // level of 1
  const settings = testSettings({ fractionBits: 30 });
  expect(prepareStep([{ update, weight: 1 }], layout, settings).saturated).toBe(0);
  update.tables[0]++;
  expect(prepareStep([{ update, weight: 1 }], layout, settings).saturated).toBe(1);
  expect(() => prepareStep([{ update, weight: 0 }], layout, settings)).toThrow(
    new RangeError('weight 0 is not an integer in 1..1024'),
  );
});
