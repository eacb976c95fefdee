/** The key file: made once, only for its owner, locked; each fault with its own code. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { openKeyFile } from './key-file.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tabswarm-key-'));
  path = join(dir, 'own', 'key');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A key file with this text. */
function keyOf(text: string): void {
  mkdirSync(join(dir, 'own'));
  writeFileSync(path, text, { mode: 0o600 });
}

it('makes a key that only its owner may read, and takes the same one the next time', async () => {
  const first = await openKeyFile(path);
  expect(first).toMatchObject({ created: true, exposed: false });
  expect(readFileSync(path, 'utf8')).toBe(`${toHex(first.identity.exportSeed())}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  first.release();
  const second = await openKeyFile(path);
  expect(second.created).toBe(false);
  expect(second.identity.publicKey).toEqual(first.identity.publicKey);
  second.release();
  expect(existsSync(`${path}.lock`)).toBe(false);
});

it('tells when others may read the key', async () => {
  keyOf('ab'.repeat(32));
  chmodSync(path, 0o644);
  expect(await openKeyFile(path)).toMatchObject({ created: false, exposed: true });
});

it.each([
  ['key-empty', ''],
  ['key-empty', '\n'],
  ['key-malformed', 'ab'.repeat(31)],
  ['key-malformed', `${'ab'.repeat(32)}\n${'cd'.repeat(32)}\n`],
  ['key-malformed', 'xy'.repeat(32)],
])('refuses with %s and leaves the file as it is: %j', async (code, text) => {
  keyOf(text);
  await expect(openKeyFile(path)).rejects.toMatchObject({ code, facts: { path } });
  expect(readFileSync(path, 'utf8')).toBe(text);
  expect(existsSync(`${path}.lock`)).toBe(false);
});

it('says that it cannot read, or cannot make, the file', async () => {
  mkdirSync(path, { recursive: true }); // a folder in the file's place cannot be read, by whatever user
  await expect(openKeyFile(path)).rejects.toMatchObject({ code: 'key-unreadable' });
  writeFileSync(join(dir, 'file'), '');
  await expect(openKeyFile(join(dir, 'file', 'key'))).rejects.toMatchObject({ code: 'key-unwritable' });
});

it('leaves no half-written key on a full disk', async () => {
  mkdirSync(join(dir, 'own'), { recursive: true });
  // Linux has a device that is always full; elsewhere a folder stands in the way.
  if (existsSync('/dev/full')) symlinkSync('/dev/full', `${path}.new`);
  else mkdirSync(`${path}.new`);
  await expect(openKeyFile(path)).rejects.toMatchObject({ code: 'key-unwritable' });
  expect(existsSync(path)).toBe(false);
  expect(existsSync(`${path}.lock`)).toBe(false);
  rmSync(`${path}.new`, { recursive: true, force: true });
  (await openKeyFile(path)).release();
  expect(readdirSync(join(dir, 'own'))).toEqual(['key']);
});

it('is for one process at a time', async () => {
  const { release } = await openKeyFile(path);
  await expect(openKeyFile(join(dir, 'own', '..', 'own', 'key'))).rejects.toMatchObject({
    code: 'key-in-use',
    facts: { pid: process.pid },
  });
  release();
  release(); // a second time does nothing
  (await openKeyFile(path)).release();
});

it('respects the lock of another process that lives, and takes over what a dead one left', async () => {
  keyOf('ab'.repeat(32));
  const lock = `${path}.lock`;
  // The process that started this one: alive, with its real start where the system tells it.
  const parent = process.ppid;
  const stat = existsSync(`/proc/${parent}/stat`) ? readFileSync(`/proc/${parent}/stat`, 'utf8') : null;
  const start = stat === null ? '-' : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  writeFileSync(lock, `${parent} ${start}\n`);
  await expect(openKeyFile(path)).rejects.toMatchObject({ code: 'key-in-use', facts: { pid: parent, lock } });

  const dead = spawnSync(process.execPath, ['--version']).pid;
  const leftovers = [`${dead} -\n`, `${process.pid} 1\n`, 'nonsense\n'];
  // The same number with another start: the number was given out again.
  if (stat !== null) leftovers.push(`${parent} 1\n`);
  for (const leftover of leftovers) {
    writeFileSync(lock, leftover);
    const { release } = await openKeyFile(path);
    expect(readFileSync(lock, 'utf8')).toMatch(new RegExp(`^${process.pid} `));
    release();
  }
});

it('waits out a lock that is being written, not one that a power cut emptied', async () => {
  keyOf('ab'.repeat(32));
  const lock = `${path}.lock`;
  writeFileSync(lock, '');
  await expect(openKeyFile(path)).rejects.toMatchObject({ code: 'key-in-use' });
  utimesSync(lock, new Date(0), new Date(0));
  (await openKeyFile(path)).release();
});
