/** `node --import ./scripts/register.mjs test/vectors/wire/make.ts`: writes the test vectors of docs/wire.md anew. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ParameterLayout, parameterLayout } from '../../../src/model/layout.ts';
import { toHex } from '../../../src/protocol/bytes.ts';
import type { SparseLoco } from '../../../src/protocol/manifest.ts';
import { compressCpu } from '../../../src/sparseloco/compress-cpu.ts';
import { randomDelta, smallConfig, testHeader, testSettings } from '../../../src/sparseloco/testing.ts';
import { CODES, chunkPlaces, type SparseUpdate } from '../../../src/sparseloco/update.ts';
import { encodeSubmission } from '../../../src/sparseloco/wire.ts';

const config = { ...smallConfig, vocabSize: 64, intermediateSize: 64, layers: 1 };
const layout: ParameterLayout = parameterLayout(config);

function chunksOf({ starts, entries, tables }: SparseUpdate) {
  return Array.from({ length: layout.chunks }, (_, c) => {
    const own = [...entries.subarray(starts[c], starts[c + 1])];
    return {
      positions: own.map((e) => e & 0xfff),
      codes: own.map((e) => e >> 12),
      levels: [...tables.subarray(c * CODES, (c + 1) * CODES)],
    };
  });
}

function write(name: string, change: Partial<SparseLoco>, keep: (i: number) => boolean): void {
  const settings = testSettings(change);
  const delta = randomDelta(layout, 1);
  const parameters = delta.map((x, i) => (keep(i) ? -x : 0));
  const zeros = new Float32Array(layout.elements);
  const theta = new Int32Array(layout.elements);
  const { update } = compressCpu({ theta, parameters, error: zeros }, layout, settings);
  const header = testHeader();
  const vector = {
    about: 'docs/wire.md; positions and codes of each chunk in order, levels of codes 0..3',
    model: config,
    topK: settings.topK,
    quantiser: settings.quantiser,
    header: { run: toHex(header.run), round: header.round, contributor: toHex(header.contributor) },
    chunks: chunksOf(update),
    bytes: toHex(encodeSubmission(update, header, layout, settings)),
  };
  writeFileSync(join(import.meta.dirname, `${name}.json`), `${JSON.stringify(vector)}\n`);
}

const places = chunkPlaces(layout);
const second = places[1]?.base ?? 0;
write('sign1', { quantiser: 'sign1', topK: 8 }, () => true);
write('sign2', { quantiser: 'sign2', topK: 16 }, () => true);
write('tensor4', { quantiser: 'tensor4', topK: 8 }, () => true);
write('dense', { quantiser: 'sign2', topK: 512 }, () => true);
// Chunk 1 has five values, the others and all vectors none.
write('sparse', { quantiser: 'sign1', topK: 64 }, (i) => i >= second && i < second + 5);
write('empty', { quantiser: 'sign1', topK: 64 }, () => false);
