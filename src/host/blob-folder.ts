/**
 * The folder `blobs` of a data folder: bytes under their SHA-256. The only writer of blobs in the host room, so that a file
 * of that name is whole and flushed, or not there.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesEqual, sha256, toHex } from '../protocol/bytes.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { fault } from './faults.ts';

/** Where a blob of a data folder lies. */
export const blobPath = (dataDir: string, hash: Uint8Array): string => join(dataDir, 'blobs', toHex(hash));

export class BlobFolder {
  readonly #dataDir: string;
  readonly #folder: string;
  readonly #step: (step: string) => void;
  /** Hex hash to whether the file has that hash: looked at once in the life of this process. */
  readonly #whole = new Map<string, Promise<boolean>>();

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

  /** Present with the right size. */
  has({ hash, size }: BlobRef): boolean {
    return statSync(this.path(hash), { throwIfNoEntry: false })?.size === size;
  }

  /** Writes bytes under their SHA-256; when this resolves they survive a power cut. A damaged file is replaced. */
  async write(bytes: Uint8Array): Promise<BlobRef> {
    const ref = { hash: await sha256(bytes), size: bytes.byteLength };
    if (this.has(ref) && (await this.read(ref)) !== null) return ref;
    const path = this.path(ref.hash);
    const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
    this.#step('before-blob');
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    this.#step('before-rename');
    await rename(temporary, path);
    await syncFolder(this.#folder);
    this.#whole.set(toHex(ref.hash), Promise.resolve(true));
    return ref;
  }

  /** Replaces a damaged file. Throws a HostFault when the bytes are not the blob's. */
  async repair(ref: BlobRef, bytes: Uint8Array): Promise<void> {
    if (!bytesEqual(await sha256(bytes), ref.hash))
      throw fault('blob-not-rebuilt', { hash: toHex(ref.hash) });
    rmSync(this.path(ref.hash), { force: true });
    await this.write(bytes);
  }

  /** Bytes of a blob, checked against its hash; null when it is not there or damaged. */
  async read(ref: BlobRef): Promise<Uint8Array<ArrayBuffer> | null> {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = new Uint8Array(await readFile(this.path(ref.hash)));
    } catch {
      return null;
    }
    return bytes.byteLength === ref.size && bytesEqual(await sha256(bytes), ref.hash) ? bytes : null;
  }

  /** Whether the file's contents have its hash. Read through once; later calls get the same answer. Never rejects. */
  isWhole(hash: Uint8Array): Promise<boolean> {
    const name = toHex(hash);
    let whole = this.#whole.get(name);
    if (whole === undefined) {
      whole = hashOf(this.path(hash)).then((found) => found === name);
      this.#whole.set(name, whole);
    }
    return whole;
  }

  /** Deletes a file. */
  remove(hash: Uint8Array): void {
    this.#whole.delete(toHex(hash));
    rmSync(this.path(hash), { force: true });
  }

  /** Deletes files whose names are not known: what a crash in mid-write left. Returns how many. */
  sweep(known: ReadonlySet<string>): number {
    const orphans = readdirSync(this.#folder).filter((name) => !known.has(name));
    for (const name of orphans) rmSync(join(this.#folder, name), { force: true });
    return orphans.length;
  }
}

/** Hex SHA-256 of a file, read as a stream; empty when it cannot be read. */
async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  } catch {
    return '';
  }
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
