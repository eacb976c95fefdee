/** The f64 reference itself: its gradients against central differences, its loss against PyTorch's. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { noise, relativeError } from '../../kernels/testing-buffers.ts';
import type { ModelConfig } from '../../model/config.ts';
import { parameterLayout } from '../../model/layout.ts';
import { parseReferenceFile } from '../reference-file.ts';
import { llamaReference } from './llama.ts';

const base: ModelConfig = {
  vocabSize: 12,
  hiddenSize: 8,
  intermediateSize: 12,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  tiedEmbeddings: true,
  ropeTheta: 100,
  rmsNormEps: 1e-5,
};

it.each([true, false])('gradients equal finite differences (tied embeddings: %s)', (tiedEmbeddings) => {
  const config = { ...base, tiedEmbeddings };
  const layout = parameterLayout(config);
  const parameters = Float64Array.from(noise(layout.elements, 3), (x, i) =>
    i < layout.matrixElements ? 0.5 * x : 1 + 0.2 * x,
  );
  const batch = {
    tokens: Int32Array.from([1, 5, 5, 11, 0, 3, 7, 2]),
    targets: Int32Array.from([5, 5, 11, -1, 3, 7, 2, 9]),
  };
  const loss = (p: Float64Array) => llamaReference(config, p, batch, 2).loss;
  const { gradients } = llamaReference(config, parameters, batch, 2);
  let largest = 0;
  for (const tensor of layout.tensors) {
    // Every 7th scalar of each tensor: 7 divides none of the row lengths, so all rows and columns come up.
    for (let i = tensor.offset; i < tensor.offset + tensor.size; i += 7) {
      const h = 1e-5;
      const moved = parameters.slice();
      moved[i] = parameters[i] + h;
      const up = loss(moved);
      moved[i] = parameters[i] - h;
      const difference = (up - loss(moved)) / (2 * h);
      const error = Math.abs(difference - gradients[i]) / (Math.abs(difference) + 1e-3);
      largest = Math.max(largest, error);
      expect(error, `${tensor.name}[${i - tensor.offset}]`).toBeLessThan(1e-5);
    }
  }
  expect(largest).toBeGreaterThan(0);
});

it("loss and gradients equal PyTorch's", () => {
  const file = parseReferenceFile(
    readFileSync(new URL('../../../test/vectors/llama-gqa.safetensors', import.meta.url)),
  );
  const result = llamaReference(file.config, Float64Array.from(file.parameters), file.batch, file.batchSize);
  expect(Math.abs(result.loss / file.losses[0] - 1)).toBeLessThan(1e-6);
  expect(relativeError(result.gradients, file.gradients)).toBeLessThan(1e-5);
  expect(relativeError(result.logits, file.logits)).toBeLessThan(1e-5);
});
