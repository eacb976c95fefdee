/** Compression on the CPU: a = βe + Δ is split exactly into what is sent and what is kept, and bad models are refused. */
import { describe, expect, test } from 'vitest';
import { thetaToFloat } from '../model/init.ts';
import { compressCpu } from './compress-cpu.ts';
import { CpuReplica, decodeAll, l2 } from './cpu-replica.ts';
import { quantiseUpdate } from './quantise-update.ts';
import { stateRoot } from './state.ts';
import { submissionStats } from './stats.ts';
import { randomDelta, randomTheta, smallLayout, testHeader, testSettings } from './testing.ts';
import { NotFiniteError, SubmissionError } from './types.ts';
import { CODES, chunkPlaces, dequantise, flatIndex } from './update.ts';

const layout = smallLayout();
const settings = testSettings({ quantiser: 'sign2', topK: 32 });
const theta = randomTheta(layout, 1);
const error = randomDelta(layout, 2);

/** The model whose pseudo-gradient against θ is `delta`. */
const parametersOf = (delta: Float32Array) =>
  thetaToFloat(theta, settings.fractionBits).map((x, i) => x - delta[i]);

describe('compressCpu', () => {
  const parameters = parametersOf(randomDelta(layout, 3));
  const start = thetaToFloat(theta, settings.fractionBits);
  const accumulated = Float32Array.from(start, (x, i) => settings.beta * error[i] + (x - parameters[i]));

  test('what is sent and what is kept add up, and the greatest of each tile are sent', () => {
    const before = error.slice();
    const out = compressCpu({ theta, parameters, error }, layout, settings);
    expect(error).toEqual(before);
    const sent = dequantise(out.update, layout);
    const both = sent.map((x, i) => x + out.error[i]);
    both.forEach((x, i) => {
      expect(Math.abs(x - accumulated[i])).toBeLessThan(1e-6);
    });
    // The values that are quantised are those at the kept positions.
    const values = chunkPlaces(layout).flatMap((place, c) =>
      [...out.update.entries.subarray(out.update.starts[c], out.update.starts[c + 1])].map(
        (entry) => accumulated[flatIndex(place, entry & 0xfff)],
      ),
    );
    const { starts, entries } = out.update;
    const bare = {
      starts,
      entries: entries.map((entry) => entry & 0xfff),
      values: Float32Array.from(values),
    };
    expect(quantiseUpdate(bare, layout, settings)).toEqual(out.update);
    chunkPlaces(layout).forEach((place, c) => {
      const kept = [...out.update.entries.subarray(out.update.starts[c], out.update.starts[c + 1])];
      const magnitudes = Array.from({ length: place.length }, (_, p) =>
        Math.abs(accumulated[flatIndex(place, p)]),
      );
      if (c >= layout.matrixChunks) expect(kept.length).toBe(place.length);
      else {
        const least = Math.min(...kept.map((entry) => magnitudes[entry & 0xfff]));
        expect(kept.length).toBe(32);
        expect(magnitudes.filter((m) => m > least).length).toBeLessThan(32);
      }
    });
  });

  test('a vector is sent whole, or not at all when it is all zero', () => {
    const delta = new Float32Array(layout.elements);
    const [first, second] = chunkPlaces(layout).slice(layout.matrixChunks);
    delta[flatIndex(second, second.length - 1)] = 1;
    const flat = { theta: new Int32Array(layout.elements), error: new Float32Array(layout.elements) };
    const { update } = compressCpu({ ...flat, parameters: delta }, layout, settings);
    const counts = chunkPlaces(layout).map((_, c) => update.starts[c + 1] - update.starts[c]);
    expect(counts).toEqual(counts.map((_, c) => (c === layout.matrixChunks + 1 ? second.length : 0)));
    expect([...update.entries].map((entry) => entry & 0xfff)).toEqual(
      Array.from({ length: second.length }, (_, p) => p),
    );
    expect(first.length).toBeGreaterThan(0);
  });

  test('a NaN, an infinity or a value past 2^64 is refused by its tensor’s name', () => {
    for (const { name, offset, size } of [layout.tensors[0], layout.tensors[2], layout.tensors.at(-1)!])
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, -(2 ** 64), 2 ** 64])
        for (const at of [offset, offset + size - 1]) {
          const broken = parameters.slice();
          broken[at] = bad;
          const compress = () => compressCpu({ theta, parameters: broken, error }, layout, settings);
          expect(compress).toThrow(NotFiniteError);
          expect(compress).toThrow(name);
        }
    const large = parameters.slice();
    large[5] = 2 ** 63;
    expect(() => compressCpu({ theta, parameters: large, error }, layout, settings)).not.toThrow();
  });
});

test('errors say what they are, by name too, where only a name crosses to another thread', () => {
  const notFinite = new NotFiniteError('lm_head.weight');
  expect(notFinite).toMatchObject({ name: 'NotFiniteError', tensor: 'lm_head.weight' });
  expect(notFinite.message).toMatch(/^lm_head\.weight has a NaN or infinity after the inner steps/);
  expect(new SubmissionError('cut short')).toMatchObject({ name: 'SubmissionError', message: 'cut short' });
  expect([NotFiniteError.name, SubmissionError.name]).toEqual(['NotFiniteError', 'SubmissionError']);
});

describe('CpuReplica', () => {
  const opened = async () => {
    const replica = new CpuReplica(layout, settings);
    await replica.load(theta);
    return replica;
  };

  test('holds a copy of the state it was given, and gives copies', async () => {
    const own = theta.slice();
    const replica = new CpuReplica(layout, settings);
    expect(await replica.read()).toEqual(new Int32Array(layout.elements));
    await replica.load(own);
    own.fill(0);
    (await replica.read()).fill(1);
    expect(await replica.read()).toEqual(theta);
    expect(await replica.root()).toEqual(await stateRoot(theta, layout));
    expect(replica.parameters()).toEqual(thetaToFloat(theta, settings.fractionBits));
    for (const length of [layout.elements - 1, layout.elements + 1])
      await expect(replica.load(new Int32Array(length))).rejects.toThrow(
        new RangeError(`a state of ${length} scalars, but the model has ${layout.elements}`),
      );
    expect(await replica.read()).toEqual(theta);
  });

  test('error feedback starts at zero, is kept between rounds, restored once and forgotten on demand', async () => {
    const replica = await opened();
    const zeros = new Float32Array(layout.elements);
    expect(replica.errorFeedback()).toEqual(zeros);
    await replica.restoreError();
    expect(replica.errorFeedback()).toEqual(zeros);

    const parameters = parametersOf(randomDelta(layout, 3));
    const report = await replica.compress(parameters, testHeader());
    const first = compressCpu({ theta, parameters, error: zeros }, layout, settings);
    expect(replica.errorFeedback()).toEqual(first.error);
    replica.errorFeedback().fill(7);
    const { update, norm } = submissionStats(report.bytes, layout, settings, testHeader());
    expect(dequantise(update, layout)).toEqual(dequantise(first.update, layout));
    expect(report.sentNorm).toBeCloseTo(norm, 10);
    expect(report.errorNorm).toBe(l2(first.error));

    const next = await replica.compress(parameters, testHeader(8));
    const second = compressCpu({ theta, parameters, error: first.error }, layout, settings);
    expect(replica.errorFeedback()).toEqual(second.error);
    expect(next.errorNorm).toBe(l2(second.error));

    await replica.restoreError();
    const restored = replica.errorFeedback();
    const sent = dequantise(second.update, layout);
    expect(restored).toEqual(second.error.map((x, i) => x + sent[i]));
    await replica.restoreError();
    expect(replica.errorFeedback()).toEqual(restored);

    await replica.clearError();
    await replica.restoreError();
    expect(replica.errorFeedback()).toEqual(zeros);
  });

  test('a model that is no number leaves error feedback and state as they were', async () => {
    const replica = await opened();
    await replica.compress(parametersOf(randomDelta(layout, 3)), testHeader());
    const kept = replica.errorFeedback();
    const broken = new Float32Array(layout.elements).fill(Number.NaN);
    await expect(replica.compress(broken, testHeader(8))).rejects.toThrow(NotFiniteError);
    expect(replica.errorFeedback()).toEqual(kept);
    expect(await replica.read()).toEqual(theta);
  });

  test('what an outer step cut to its range is counted: values and coordinates', async () => {
    const coarse = testSettings({ fractionBits: 30, alpha: 8, topK: 8 });
    const replica = new CpuReplica(layout, coarse);
    const delta = new Float32Array(layout.elements);
    delta[0] = 1;
    const { bytes } = await replica.compress(delta, testHeader());
    expect(replica.saturatedCount).toBe(0);
    await replica.load(new Int32Array(layout.elements).fill(2 ** 31 - 10));
    // Δ is negative, so the step adds 2^30 (cut from 2^33) to a coordinate that has room for 9. Both codes are cut.
    await replica.apply([{ bytes, weight: 1 }]);
    expect((await replica.read())[0]).toBe(2 ** 31 - 1);
    const [{ update }] = decodeAll([{ bytes, weight: 1 }], layout, coarse);
    const cut = [...update.tables.subarray(0, CODES)].filter((level) => level !== 0).length;
    expect(replica.saturatedCount).toBe(cut + 1);
  });
});
