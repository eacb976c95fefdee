/** The wire format's published vectors: what another implementation is checked against must not change unnoticed. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ModelConfig } from '../model/config.ts';
import { parameterLayout } from '../model/layout.ts';
import { fromHex, toHex } from '../protocol/bytes.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { testSettings } from './testing.ts';
import { CODES } from './update.ts';
import { decodeSubmission, encodeSubmission } from './wire.ts';

interface Vector {
  readonly model: ModelConfig;
  readonly topK: number;
  readonly quantiser: SparseLoco['quantiser'];
  readonly header: { readonly run: string; readonly round: number; readonly contributor: string };
  readonly chunks: readonly { positions: number[]; codes: number[]; levels: number[] }[];
  readonly bytes: string;
}

const folder = new URL('../../test/vectors/wire/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));

test('all six vectors are there', () => expect(names.length).toBe(6));

test.each(names)('%s', (name) => {
  const vector = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Vector;
  const layout = parameterLayout(vector.model);
  const settings = testSettings({ topK: vector.topK, quantiser: vector.quantiser });
  const { run, round, contributor } = vector.header;
  const header = { run: fromHex(run), round, contributor: fromHex(contributor) };
  const { update } = decodeSubmission(fromHex(vector.bytes), layout, settings, header);
  vector.chunks.forEach(({ positions, codes, levels }, c) => {
    const own = update.entries.subarray(update.starts[c], update.starts[c + 1]);
    expect([...own]).toEqual(positions.map((p, i) => p | (codes[i] << 12)));
    if (positions.length > 0) expect([...update.tables.subarray(c * CODES, (c + 1) * CODES)]).toEqual(levels);
  });
  expect(vector.chunks.length).toBe(layout.chunks);
  expect(toHex(encodeSubmission(update, header, layout, settings))).toBe(vector.bytes);
});
