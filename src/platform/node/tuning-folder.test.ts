/** Tuning results in files: found again under their key, and damage is as good as nothing. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Tuning } from '../../kernels/tune.ts';
import { tuningFolder } from './tuning-folder.ts';

const tuning: Tuning = {
  key: '1 a gpu',
  matmul: { 'NN 64x64x64': 'tiled' },
  measured: { 'NN 64x64x64': { tiled: 900 } },
  storage: 'f32',
  attention: { plain64: 12 },
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tabswarm-tuning-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('finds again what was measured, under its key only', async () => {
  const folder = join(dir, 'new');
  await tuningFolder(folder).save('1 a gpu shapes', tuning);
  expect(await tuningFolder(folder).load('1 a gpu shapes')).toEqual(tuning);
  expect(await tuningFolder(folder).load('2 a gpu shapes')).toBeUndefined();
  expect(readdirSync(folder)).toHaveLength(1);
});

it.each(['', '{', '{}', JSON.stringify({ ...tuning, matmul: null })])(
  'takes %j for nothing',
  async (text) => {
    await tuningFolder(dir).save('key', tuning);
    for (const name of readdirSync(dir)) writeFileSync(join(dir, name), text);
    expect(await tuningFolder(dir).load('key')).toBeUndefined();
  },
);

it('does not fail where nothing can be kept', async () => {
  writeFileSync(join(dir, 'file'), '');
  await tuningFolder(join(dir, 'file', 'tuning')).save('key', tuning);
  expect(await tuningFolder(join(dir, 'file', 'tuning')).load('key')).toBeUndefined();
});
