/** The engine against PyTorch's vectors, and its contract: accumulation, recomputation, reports, lost devices. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testGpu } from '../kernels/testing.ts';
import { checkReference } from './reference-check.ts';
import { parseReferenceFile } from './reference-file.ts';

const vectors = ['llama-gqa', 'llama-tied'].map((name) => ({
  name,
  file: parseReferenceFile(readFileSync(new URL(`../../test/vectors/${name}.safetensors`, import.meta.url))),
}));

describe('against PyTorch', () => {
  for (const { name, file } of vectors) {
    for (const recompute of [false, true]) {
      it(`${name}${recompute ? ', activations recomputed' : ''}`, async () => {
        const figures = await checkReference(await testGpu(), file, { recompute });
        for (const f of figures)
          expect(f.value, `${f.name} ${f.tensor ?? ''}`).toBeLessThanOrEqual(f.tolerance);
      });
    }
  }
});
