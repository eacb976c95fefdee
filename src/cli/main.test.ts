/** The command line without a host: help of each command, and checkpoints held against a manifest that was saved. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OpenedRun, openRun } from '../host/open-run.ts';
import { smallRun, temporaryFolder, writeCorpus } from '../host/testing/fixtures.ts';
import { toHex } from '../protocol/bytes.ts';
import { cli } from './testing.ts';

const folder = temporaryFolder();
let opened: OpenedRun;
/** The genesis checkpoint of a run whose model is no preset's, and what its host answers under /api/run. */
let checkpoint = '';
const manifest = join(folder.dir, 'run.json');

beforeAll(async () => {
  const wanted = smallRun(writeCorpus(folder.dir));
  const { preset } = wanted;
  const model = { ...preset.model, intermediateSize: 128 };
  opened = await openRun(join(folder.dir, 'data'), { ...wanted, preset: { ...preset, model } });
  checkpoint = opened.store.path(opened.run.manifest.genesis.checkpoint.hash);
  writeFileSync(
    manifest,
    JSON.stringify({ manifest: Buffer.from(opened.run.manifestBytes).toString('base64') }),
  );
});
afterAll(() => {
  opened.store.close();
  folder.remove();
});

test('help lists every command; a command’s own help has its options and no other’s', async () => {
  const all = await cli('help');
  expect(all.code).toBe(0);
  for (const word of [
    'tabswarm start',
    'tabswarm join',
    'tabswarm status',
    'tabswarm verify',
    '--preset',
    '--manifest',
  ])
    expect(all.out).toContain(word);
  expect(await cli()).toEqual(all);
  expect(await cli('--help')).toEqual(all);

  const options: Record<string, { own: string; foreign: string }> = {
    start: { own: '--preset', foreign: '--json' },
    join: { own: '--share', foreign: '--preset' },
    status: { own: '--json', foreign: '--manifest' },
    verify: { own: '--manifest', foreign: '--preset' },
  };
  for (const [command, { own, foreign }] of Object.entries(options)) {
    const { code, out } = await cli(command, '--help');
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^tabswarm ${command} `));
    expect(out).toContain(own);
    expect(out).not.toContain(foreign);
    expect((await cli('help', command)).out).toBe(out);
    expect((await cli(command, '--url', 'x', '-h')).out).toBe(out);
  }
  expect((await cli('verify')).err).toContain('tabswarm verify --help');
});

test('start: what a host without a seat would never use is refused', async () => {
  expect(await cli('start', '--validator', 'tab', '--evaluator', 'ort')).toMatchObject({
    code: 2,
    err: expect.stringMatching(/the tab measures losses/),
  });
  expect((await cli('start', '--validator', 'phone')).err).toContain('--validator is host or tab');
});

test.each([
  ['--public-url', 'https://user:word@example.org/', 'user name or password'],
  ['--public-url', 'https://example.org/?a=b', '"?" or "#"'],
  ['--public-url', 'https://example.org/?', '"?" or "#"'],
  ['--public-url', 'https://example.org/#x', '"?" or "#"'],
  ['--public-url', 'https://example.org/api/', 'name of the host'],
  ['--public-url', 'https://example.org/a b/', 'letters, digits'],
  ['--public-url', 'https://example.org//a', 'empty part'],
  ['--public-url', 'example.org', 'is no URL'],
  ['--trusted-proxy', 'example.org', 'CIDR block'],
  ['--trusted-proxy', '10.0.0.0/40', 'CIDR block'],
  ['--trusted-proxy', '', 'is empty'],
])('start %s "%s" is refused', async (option, value, why) => {
  const { code, err } = await cli('start', option, value);
  expect(code).toBe(2);
  expect(err).toContain(why);
  expect(err).not.toContain('user:word');
});

test('start --trusted-proxy none goes alone', async () => {
  const { code, err } = await cli('start', '--trusted-proxy', 'none', '--trusted-proxy', '10.0.0.1');
  expect(code).toBe(2);
  expect(err).toContain('none goes with no other');
});

test('verify: a model that is no preset needs the manifest, and says so', async () => {
  const alone = await cli('verify', checkpoint);
  expect(alone.code).toBe(1);
  expect(alone.err).toMatch(/another model.*--url HOST.*--manifest FILE/);
  const { code, out } = await cli('verify', checkpoint, '--manifest', manifest, '--json');
  expect(code).toBe(0);
  const root = toHex(opened.run.manifest.genesis.root);
  expect(JSON.parse(out)).toMatchObject({ ok: true, height: 0, root, certified: true });

  const changed = join(folder.dir, 'changed.bin');
  const bytes = readFileSync(checkpoint);
  bytes[5000] ^= 1;
  writeFileSync(changed, bytes);
  const refused = await cli('verify', changed, '--manifest', manifest, '--json');
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.out)).toMatchObject({ ok: false, certified: false });
  // Says that it is of a later height, and of another run.
  bytes.writeUInt32LE(1, 12);
  bytes.fill(7, 24, 56);
  writeFileSync(changed, bytes);
  expect((await cli('verify', changed, '--manifest', manifest)).err).toMatch(/of another run/);
});

test('verify: a manifest that is none is refused in plain words', async () => {
  expect(await cli('verify', checkpoint, '--manifest', join(folder.dir, 'absent'))).toMatchObject({
    code: 2,
    err: expect.stringContaining('does not exist'),
  });
  const other = join(folder.dir, 'other.json');
  for (const text of ['', '{"manifest": 7}', '[]']) {
    writeFileSync(other, text);
    expect((await cli('verify', checkpoint, '--manifest', other)).err).toMatch(/\/api\/run; save that/);
  }
  writeFileSync(other, '{"manifest": "AAAA"}');
  expect(await cli('verify', checkpoint, '--manifest', other)).toMatchObject({
    code: 1,
    err: expect.stringContaining('is not valid'),
  });
});
