/** What a validator reads off a submission: norms, matrix positions and signs, against the entries one by one. */
import { expect, test } from 'vitest';
import { compressCpu } from './compress-cpu.ts';
import { signedLevelValue } from './levels.ts';
import { submissionStats } from './stats.ts';
import { randomDelta, smallLayout, testHeader, testSettings } from './testing.ts';
import { SubmissionError } from './types.ts';
import { CODES, tensorNorms } from './update.ts';
import { encodeSubmission } from './wire.ts';

const layout = smallLayout();

test.each(['sign1', 'sign2', 'tensor4'] as const)('%s', (quantiser) => {
  const settings = testSettings({ quantiser, topK: 16 });
  const zeros = { theta: new Int32Array(layout.elements), error: new Float32Array(layout.elements) };
  const { update } = compressCpu({ ...zeros, parameters: randomDelta(layout, 4) }, layout, settings);
  const bytes = encodeSubmission(update, testHeader(), layout, settings);
  const stats = submissionStats(bytes, layout, settings, testHeader());
  const positions: number[] = [];
  const negative: number[] = [];
  for (let c = 0; c < layout.matrixChunks; c++)
    for (const entry of update.entries.subarray(update.starts[c], update.starts[c + 1])) {
      positions.push(c * 4096 + (entry & 0xfff));
      negative.push(signedLevelValue(update.tables[c * CODES + (entry >> 12)]) < 0 ? 1 : 0);
    }
  expect([...stats.positions]).toEqual(positions);
  expect([...stats.negative]).toEqual(negative);
  expect(new Set(negative)).toEqual(new Set([0, 1]));
  expect(stats.header.round).toBe(testHeader().round);
  const norms = tensorNorms(update, layout);
  expect(stats.tensorNorms).toEqual(norms);
  expect(stats.norm).toBeCloseTo(Math.hypot(...norms), 10);
  expect(stats.finite).toBe(true);
  // The header that it must have is compared.
  expect(() => submissionStats(bytes, layout, settings, testHeader(8))).toThrow(SubmissionError);
});
