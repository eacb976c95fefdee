/**
 * The folder `blobs` of a data folder: bytes under their SHA-256. The only writer of blobs in the host room, so that a file
 * of that name is whole and flushed, or not there.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesEqual, sha256, toHex } from '../protocol/bytes.ts';
import { messageOf } from '../protocol/errors.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { diskCause } from './disk.ts';
import { diskFault, fault } from './faults.ts';

/** Folder of a data folder for files that belong to no round: they are kept, for a person to look at. */
export const ASIDE = 'aside';

/** Where a blob of a data folder lies. */
export const blobPath = (dataDir: string, hash: Uint8Array): string => join(dataDir, 'blobs', toHex(hash));

/** Of a blob's file: its bytes have the hash, are others, or it is not there. */
export type BlobCondition = 'whole' | 'damaged' | 'missing';

export class BlobFolder {
  readonly #dataDir: string;
  readonly #folder: string;
  readonly #step: (step: string) => void;
  /** By hex hash: looked at once in the life of this process. */
  readonly #conditions = new Map<string, Promise<BlobCondition>>();

  /** Makes the folder when it is not there. `onStep`: told each step of a write, with its name. */
  constructor(dataDir: string, onStep: (step: string) => void = () => {}) {
    this.#dataDir = dataDir;
    this.#folder = join(dataDir, 'blobs');
    this.#step = onStep;
    mkdirSync(this.#folder, { recursive: true });
  }

  path(hash: Uint8Array): string {
    return blobPath(this.#dataDir, hash);
  }

  /** Present with the right size. Throws a HostFault when the system does not say. */
  has({ hash, size }: BlobRef): boolean {
    try {
      return statSync(this.path(hash), { throwIfNoEntry: false })?.size === size;
    } catch (cause) {
      throw unreadable(hash, cause);
    }
  }

  /**
   * Writes bytes under their SHA-256; when this resolves they survive a power cut. A damaged file is replaced. When it
   * rejects, nothing of it is left: a disk that is full must not stay full of drafts.
   */
  async write(bytes: Uint8Array): Promise<BlobRef> {
    const ref = { hash: await sha256(bytes), size: bytes.byteLength };
    if (this.has(ref) && (await this.read(ref)) !== null) return ref;
    const path = this.path(ref.hash);
    const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
    try {
      this.#step('before-blob');
      const file = await open(temporary, 'wx');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      this.#step('before-rename');
      await rename(temporary, path);
      await syncFolder(this.#folder);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {});
      throw diskFault(this.#dataDir, cause) ?? cause;
    }
    this.#conditions.set(toHex(ref.hash), Promise.resolve('whole'));
    return ref;
  }

  /** Replaces a damaged file. Throws a HostFault when the bytes are not the blob's. */
  async repair(ref: BlobRef, bytes: Uint8Array): Promise<void> {
    if (!bytesEqual(await sha256(bytes), ref.hash))
      throw fault('blob-not-rebuilt', { hash: toHex(ref.hash) });
    await this.write(bytes);
  }

  /**
   * Bytes of a blob, checked against its hash; null when it is not there or damaged. Throws a HostFault when it could not be
   * read: no more files may be open, the device fails, it is not allowed.
   */
  async read(ref: BlobRef): Promise<Uint8Array<ArrayBuffer> | null> {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = new Uint8Array(await readFile(this.path(ref.hash)));
    } catch (cause) {
      if (diskCause(cause) === 'missing') return null;
      throw unreadable(ref.hash, cause);
    }
    return bytes.byteLength === ref.size && bytesEqual(await sha256(bytes), ref.hash) ? bytes : null;
  }

  /**
   * Whether the file's contents have its hash. Read through once; later calls get the same answer. Rejects with a
   * HostFault when it could not be read: that is no answer, and the next call asks again.
   */
  condition(hash: Uint8Array): Promise<BlobCondition> {
    const name = toHex(hash);
    const known = this.#conditions.get(name);
    if (known !== undefined) return known;
    const condition = hashOf(this.path(hash)).then<BlobCondition, BlobCondition>(
      (found) => (found === name ? 'whole' : 'damaged'),
      (cause: unknown) => {
        this.#conditions.delete(name);
        if (diskCause(cause) === 'missing') return 'missing';
        throw unreadable(hash, cause);
      },
    );
    this.#conditions.set(name, condition);
    return condition;
  }

  /** Deletes a file. */
  remove(hash: Uint8Array): void {
    this.#conditions.delete(toHex(hash));
    rmSync(this.path(hash), { force: true });
  }

  /**
   * Moves files whose names are not known into the folder `aside`: what a crash in mid-write left, or what a person put there.
   * Nothing is deleted. Returns how many.
   */
  moveAside(known: ReadonlySet<string>): number {
    const orphans = readdirSync(this.#folder).filter((name) => !known.has(name));
    if (orphans.length === 0) return 0;
    const aside = join(this.#dataDir, ASIDE);
    mkdirSync(aside, { recursive: true });
    const there = new Set(readdirSync(aside));
    for (const name of orphans)
      renameSync(
        join(this.#folder, name),
        join(aside, there.has(name) ? `${name}.${randomBytes(4).toString('hex')}` : name),
      );
    return orphans.length;
  }
}

const unreadable = (hash: Uint8Array, cause: unknown) =>
  fault('blob-unreadable', { hash: toHex(hash), cause: diskCause(cause), error: messageOf(cause) }, cause);

/** Hex SHA-256 of a file, read as a stream. Rejects as the system does. */
async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** A rename is durable once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    // Windows knows no flushing of folders.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  } finally {
    await folder.close();
  }
}
