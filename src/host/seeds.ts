/** The host's secret keys: 32-byte seeds as hex in files that only their owner may read. */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../protocol/bytes.ts';
import { messageOf } from '../protocol/errors.ts';
import { seedOf } from '../validator/seat.ts';
import { diskCause } from './disk.ts';
import { diskFault, fault } from './faults.ts';

/** `organizer` signs the manifest, `validator` certificates, `node` is the libp2p peer. */
export type SeedName = 'organizer' | 'validator' | 'node';

/** Whether the seed was made, and is still there. */
export const hasSeed = (dataDir: string, name: SeedName): boolean => existsSync(join(dataDir, `${name}.key`));

/** The seed of that name, made at first use. Throws HostFault as {@link readSeed}, and when it cannot be written. */
export function loadSeed(dataDir: string, name: SeedName): Uint8Array {
  const path = join(dataDir, `${name}.key`);
  if (!existsSync(path)) create(dataDir, path);
  return readSeed(dataDir, name);
}

/** The seed of a run that was made before. Throws HostFault: missing, empty, unreadable and damaged have a code each. */
export function readSeed(dataDir: string, name: SeedName): Uint8Array {
  const path = join(dataDir, `${name}.key`);
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
    protect(path);
  } catch (cause) {
    const why = diskCause(cause);
    if (why === 'missing') throw fault('key-missing', { path, key: name }, cause);
    throw fault('key-unreadable', { path, cause: why, error: messageOf(cause) }, cause);
  }
  if (text === '') throw fault('key-empty', { path });
  const seed = seedOf(text);
  if (seed === null) throw fault('key-malformed', { path });
  return seed;
}

/** A copied or restored file may have lost its mode. Not to be had on every file system, and no reason to stop. */
function protect(path: string): void {
  try {
    chmodSync(path, 0o600);
  } catch {}
}

function create(dataDir: string, path: string): void {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    mkdirSync(dataDir, { recursive: true });
    const file = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(file, `${toHex(randomBytes(32))}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    // A link fails when the name exists: two processes never end up with two keys of one name.
    linkSync(temporary, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
      throw (
        diskFault(dataDir, cause) ??
        fault('key-not-written', { path, cause: diskCause(cause), error: messageOf(cause) }, cause)
      );
  } finally {
    rmSync(temporary, { force: true });
  }
}
