/**
 * What a Node peer keeps of a run's immutable data (shards, the tokenizer): files named by their SHA-256 in one folder.
 *
 * A cache: it never fails. What cannot be read or has another hash is as good as absent, and a full disk
 * only means that nothing is kept. The blobs that were not used for longest go when there are too many bytes.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesEqual, sha256, toHex } from '../../protocol/bytes.ts';

/** A run's training text is some hundred megabytes at most. */
const MAX_BYTES = 4 * 2 ** 30;
/** Drafts of a process that was killed; one that is being written is younger. */
const DRAFT_AGE = 60 * 60 * 1000;

export interface BlobFolderOptions {
  /** Bytes that the folder may hold. Default 4 GiB. */
  readonly maxBytes?: number;
  /** Told of a kept blob whose bytes have changed on the disk; it is deleted. */
  readonly onCorrupt?: (hash: string) => void;
}

export class BlobFolder {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #onCorrupt: (hash: string) => void;

  constructor(folder: string, options: BlobFolderOptions = {}) {
    this.#folder = folder;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#onCorrupt = options.onCorrupt ?? (() => {});
  }

  /** The kept bytes, checked against their hash; null when there are none. */
  async get(hash: Uint8Array): Promise<Uint8Array<ArrayBuffer> | null> {
    const path = this.#pathOf(hash);
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = new Uint8Array(await readFile(path));
    } catch {
      return null;
    }
    if (!bytesEqual(await sha256(bytes), hash)) {
      this.#onCorrupt(toHex(hash));
      await rm(path, { force: true }).catch(() => {});
      return null;
    }
    const now = new Date();
    await utimes(path, now, now).catch(() => {});
    return bytes;
  }

  /** Keeps bytes whose hash the caller has checked. False when they could not be kept. */
  async put(hash: Uint8Array, bytes: Uint8Array): Promise<boolean> {
    if (bytes.byteLength > this.#maxBytes) return false;
    const draft = join(this.#folder, `${randomUUID()}.new`);
    try {
      await mkdir(this.#folder, { recursive: true });
      await this.#makeRoom(bytes.byteLength);
      const file = await open(draft, 'wx');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, this.#pathOf(hash));
      return true;
    } catch {
      await rm(draft, { force: true }).catch(() => {});
      return false;
    }
  }

  async delete(hash: Uint8Array): Promise<void> {
    await rm(this.#pathOf(hash), { force: true }).catch(() => {});
  }

  #pathOf(hash: Uint8Array): string {
    return join(this.#folder, toHex(hash));
  }

  async #makeRoom(needed: number): Promise<void> {
    const files: { path: string; size: number; used: number }[] = [];
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      const info = await stat(path).catch(() => null);
      if (info === null) continue;
      if (/^[0-9a-f]{64}$/.test(name)) files.push({ path, size: info.size, used: info.mtimeMs });
      else if (name.endsWith('.new') && Date.now() - info.mtimeMs > DRAFT_AGE)
        await rm(path, { force: true });
    }
    let total = files.reduce((sum, file) => sum + file.size, needed);
    for (const { path, size } of files.toSorted((a, b) => a.used - b.used)) {
      if (total <= this.#maxBytes) break;
      await rm(path, { force: true });
      total -= size;
    }
  }
}
