/** The exported graph against PyTorch's golden vectors (test/vectors/make_reference.py). */
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';
import { afterAll, describe, expect, it } from 'vitest';
import { parseReferenceFile } from '../training/reference-file.ts';
import { parameterLayout } from './layout.ts';
import { exportOnnx, ONNX_OUTPUT, ONNX_TOKENS } from './onnx.ts';
import { createOrtEvaluator, EvaluatorError, type OrtEvaluator } from './ort-evaluator.ts';
import { preset } from './presets.ts';

/** ‖a−b‖/‖b‖. */
function relativeError(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < a.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  expect(norm).toBeGreaterThan(0);
  return Math.sqrt(difference / norm);
}

describe.each(['llama-gqa', 'llama-tied'])('%s', (name) => {
  const vectors = new URL(`../../test/vectors/${name}.safetensors`, import.meta.url);
  const reference = parseReferenceFile(readFileSync(vectors));
  const { batchSize: batch, sequence } = reference;
  const { tokens, targets } = reference.batch;

  it.each(['stored', 'inputs'])('gives PyTorch its logits back, weights %s', async (where) => {
    const flat = reference.parameters;
    const model = exportOnnx(reference.config, {
      batch,
      sequence,
      output: 'logits',
      weights: where === 'stored' ? flat : undefined,
    });
    expect(model.inputs.length === 0).toBe(where === 'stored');
    const session = await ort.InferenceSession.create(model.bytes, { executionProviders: ['wasm'] });
    const feeds: Record<string, ort.Tensor> = {
      [ONNX_TOKENS]: new ort.Tensor('int32', tokens, [batch, sequence]),
    };
    for (const w of model.inputs)
      feeds[w.name] = new ort.Tensor('float32', flat.subarray(w.offset, w.offset + w.size), w.shape);
    const output = (await session.run(feeds))[ONNX_OUTPUT];
    expect(output.dims).toEqual([batch, sequence, reference.config.vocabSize]);
    expect(relativeError(output.data as Float32Array, reference.logits)).toBeLessThan(1e-5);
    await session.release();
  });

  it('one evaluator measures any state: PyTorch losses before the first and after the third step', async () => {
    const evaluator = await createOrtEvaluator(reference.config, { batch, sequence });
    const { losses } = reference;
    const [before, after] = await Promise.all([
      evaluator.evaluate(reference.parameters, tokens, targets),
      evaluator.evaluate(reference.after, tokens, targets),
    ]);
    expect(Math.abs(before / losses[0] - 1)).toBeLessThan(1e-5);
    expect(Math.abs(after / losses[3] - 1)).toBeLessThan(1e-5);
    expect(after).toBeLessThan(before - 0.05);
    await evaluator.close();
  });
});

describe('evaluator', () => {
  const { model } = preset('tiny');
  const sequence = 16;
  const { elements } = parameterLayout(model);
  const flat = Float32Array.from({ length: elements }, (_, i) => 0.05 * Math.sin(i * i));
  const tokens = Int32Array.from({ length: 5 * sequence }, (_, i) => (i * 37) % model.vocabSize);
  const targets = tokens.map((t, i) => (i % 3 === 0 ? -1 : (t + 11) % model.vocabSize));
  const open: OrtEvaluator[] = [];
  const create = async (batch: number) => {
    const evaluator = await createOrtEvaluator(model, { batch, sequence });
    open.push(evaluator);
    return evaluator;
  };
  afterAll(() => Promise.all(open.map((e) => e.close())));

  it('gives the same loss whatever the batch, also when sequences do not fill the last one', async () => {
    const alone = await (await create(1)).evaluate(flat, tokens, targets);
    const padded = await (await create(4)).evaluate(flat, tokens, targets);
    expect(alone).toBeGreaterThan(1);
    expect(Math.abs(padded / alone - 1)).toBeLessThan(1e-6);
  });

  it('answers wrong input with a typed error and goes on', async () => {
    const evaluator = await create(2);
    const refused: [Float32Array, Int32Array, Int32Array, RegExp][] = [
      [flat.subarray(1), tokens, targets, /parameters/],
      [flat, tokens.subarray(1), targets.subarray(1), /whole sequences/],
      [flat, tokens, targets.subarray(sequence), /whole sequences/],
      [flat, new Int32Array(0), new Int32Array(0), /whole sequences/],
      [flat, tokens.map((t, i) => (i === 7 ? model.vocabSize : t)), targets, /outside the vocabulary/],
      [flat, tokens, targets.map((t, i) => (i === 7 ? -2 : t)), /outside the vocabulary/],
      [flat, tokens, targets.map(() => -1), /no target counts/],
    ];
    for (const [p, t, y, message] of refused) {
      const attempt = evaluator.evaluate(p, t, y);
      await expect(attempt).rejects.toBeInstanceOf(EvaluatorError);
      await expect(attempt).rejects.toThrow(message);
    }
    expect(await evaluator.evaluate(flat, tokens, targets)).toBeGreaterThan(1);
  });

  it('says NaN when the parameters are not finite, rather than a number', async () => {
    const broken = flat.slice();
    broken[3] = Number.NaN;
    const all = Int32Array.from({ length: sequence }, () => 0);
    expect(await (await create(1)).evaluate(broken, all, all)).toBeNaN();
  });

  it('refuses work after close', async () => {
    const evaluator = await create(1);
    await evaluator.close();
    await expect(evaluator.evaluate(flat, tokens, targets)).rejects.toThrow(/closed/);
  });
});
