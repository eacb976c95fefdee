/**
 * The contributor's Ed25519 seed in a file of 64 hex digits that only its owner may read; made when it is missing. It
 * is locked while it is used: two processes with one key would be refused as duplicates of each other.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { messageOf } from '../../protocol/errors.ts';
import { createIdentity, type Identity } from '../../protocol/identity.ts';
import { isErrno, PlatformError } from './errors.ts';
import { takeLock } from './lock-file.ts';

export interface KeyFile {
  readonly identity: Identity;
  /** Whether the file was made now. */
  readonly created: boolean;
  /** Whether other users of this machine may read the key. */
  readonly exposed: boolean;
  /** Unlocks the key for other processes. */
  readonly release: () => void;
}

/** Opens or makes the key file and locks it. Throws {@link PlatformError} with one of the `key-` codes. */
export async function openKeyFile(path: string): Promise<KeyFile> {
  const release = lock(path);
  try {
    const created = !existsSync(path);
    if (created) await writeKey(path);
    const identity = await createIdentity(readSeed(path));
    // Windows has no such bits, and Node tells them all the same.
    const exposed = process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0;
    return { identity, created, exposed, release };
  } catch (error) {
    release();
    throw error;
  }
}

function lock(path: string): () => void {
  const lockPath = `${path}.lock`;
  let taken: (() => void) | number;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    taken = takeLock(lockPath);
  } catch (error) {
    throw new PlatformError('key-unwritable', { path, cause: messageOf(error) });
  }
  if (typeof taken === 'number') throw new PlatformError('key-in-use', { path, lock: lockPath, pid: taken });
  return taken;
}

function readSeed(path: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new PlatformError('key-unreadable', { path, cause: messageOf(error) });
  }
  if (text === '') throw new PlatformError('key-empty', { path });
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new PlatformError('key-malformed', { path });
  return fromHex(text.toLowerCase());
}

/** On the disk under another name first: a crash leaves the whole key or none. */
async function writeKey(path: string): Promise<void> {
  const seed = (await createIdentity()).exportSeed();
  const draft = `${path}.new`;
  try {
    const file = openSync(draft, 'w', 0o600);
    try {
      writeSync(file, `${toHex(seed)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (error) {
    // On a full disk half a key would stay. A folder of that name is not ours.
    if (!isErrno(error, 'EISDIR')) rmSync(draft, { force: true });
    throw new PlatformError('key-unwritable', { path, cause: messageOf(error) });
  }
}
