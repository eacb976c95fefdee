/**
 * What the host must not lose, in SQLite and a folder of blobs: the signed manifest, certificates, refusals, losses,
 * verdicts' standings, checkpoints and the accepted submissions of recent rounds.
 *
 * A round is durable before anybody hears of it: its blobs are written, flushed and renamed into place first, then one
 * transaction makes certificate, blob index and refusals appear together. A crash before the commit leaves at most
 * blobs that nothing names (swept at the next start); a crash after it leaves a round that is published again.
 */
import { messageOf } from '../protocol/errors.ts';
import { randomBytes } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  type ReadStream,
  rmSync,
  statSync,
} from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { bytesEqual, sha256, toHex } from '../protocol/bytes.ts';
import type { RefusedEntry } from '../protocol/messages.ts';
import type { BlobRef } from '../protocol/schema.ts';

/** The data folder cannot be used; the message says why and what to do. */
export class StoreError extends Error {
  static override readonly name = 'StoreError';
  override readonly name = 'StoreError';
}

/** `run` blobs are named by the manifest and stay for good. */
export type BlobKind = 'run' | 'checkpoint' | 'submission';

export interface StoredCertificate {
  readonly height: number;
  readonly round: number;
  /** The sealed message as it was, and is again, published. */
  readonly message: Uint8Array;
  /** State after this certificate. */
  readonly checkpoint: BlobRef;
  /** Mean wire size of its accepted submissions in bytes per parameter. */
  readonly bytesPerParameter: number;
}

export interface CertifiedRound extends StoredCertificate {
  readonly refused: readonly RefusedEntry[];
  readonly submissions: readonly BlobRef[];
}

export interface StoredRefusal {
  readonly round: number;
  readonly contributor: Uint8Array;
  readonly reason: string;
  readonly detail: string;
}

export interface StoreOptions {
  /** Called before each step of a write, with the step's name: tests cut the process off there. */
  readonly onStep?: (step: string) => void;
}

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
  CREATE TABLE blobs (
    hash BLOB PRIMARY KEY, size INTEGER NOT NULL, kind TEXT NOT NULL, height INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE certificates (
    height INTEGER PRIMARY KEY, round INTEGER NOT NULL UNIQUE, message BLOB NOT NULL,
    checkpoint_hash BLOB NOT NULL, checkpoint_size INTEGER NOT NULL, bytes_per_parameter REAL NOT NULL
  ) STRICT;
  CREATE TABLE refusals (
    round INTEGER NOT NULL, contributor BLOB NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (round, contributor)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE losses (height INTEGER PRIMARY KEY, loss REAL NOT NULL) STRICT;
`;

/** What may lie in the folder of a new run. */
const OWN_FILES = /^(\..*|lost\+found|blobs|(organizer|validator|node)\.key|prepared-.*\.json)$/;

/** Checkpoints kept: a joiner may still be downloading the last but one. */
const KEEP_CHECKPOINTS = 3;
/** Rounds whose accepted submissions are kept, for tabs that missed some and to rebuild a state from an old checkpoint. */
const KEEP_SUBMISSIONS = 16;
/** Rounds whose refusals are kept. */
const KEEP_REFUSALS = 10_000;

export class Store {
  readonly dir: string;
  readonly #db: DatabaseSync;
  readonly #step: (step: string) => void;

  private constructor(dir: string, db: DatabaseSync, onStep: (step: string) => void) {
    this.dir = dir;
    this.#db = db;
    this.#step = onStep;
  }

  /** Opens or creates the store of a data folder, for this process alone. Throws {@link StoreError}. */
  static open(dir: string, options: StoreOptions = {}): Store {
    refuseForeign(dir);
    let db: DatabaseSync;
    try {
      mkdirSync(join(dir, 'blobs'), { recursive: true });
      db = new DatabaseSync(join(dir, 'store.sqlite'));
    } catch (cause) {
      throw new StoreError(`Cannot use "${dir}" as data folder: ${messageOf(cause)}.`, { cause });
    }
    try {
      // EXCLUSIVE: a second host on the same folder would sign other certificates for the same rounds.
      db.exec(
        'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE;',
      );
      const version = (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
      if (version > SCHEMA_VERSION) {
        throw new StoreError(
          `"${dir}" was written by a newer Tabswarm (format ${version}, this one knows ${SCHEMA_VERSION}). Update, or name another folder with --data.`,
        );
      }
      if (version === 0 && db.prepare('SELECT 1 FROM sqlite_schema').get() !== undefined) {
        throw new StoreError(
          `"${join(dir, 'store.sqlite')}" is another program's. Name another folder with --data.`,
        );
      }
      if (version === 0) db.exec(`${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION};`);
      db.exec('COMMIT');
    } catch (cause) {
      db.close();
      if (cause instanceof StoreError) throw cause;
      throw new StoreError(
        /locked|busy/.test(messageOf(cause))
          ? `Another tabswarm host is using "${dir}". Stop it, or name another folder with --data.`
          : `"${join(dir, 'store.sqlite')}" cannot be read (${messageOf(cause)}). Restore it, or name another folder with --data.`,
        { cause },
      );
    }
    return new Store(dir, db, options.onStep ?? (() => {}));
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  // ---- run ----

  manifest(): Uint8Array | null {
    return this.#meta('manifest');
  }

  /** Records the run of this folder and the blobs its manifest names; once. */
  saveRun(manifest: Uint8Array, blobs: readonly BlobRef[]): void {
    this.#transaction(() => {
      this.#db.prepare('INSERT INTO meta VALUES (?, ?)').run('manifest', manifest);
      for (const blob of blobs) this.#insertBlob(blob, 'run', 0);
    });
  }

  /** Small values that may be lost without harm and are rebuilt, such as standings. */
  saveNote(key: string, value: Uint8Array): void {
    this.#db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(`note:${key}`, value);
  }

  note(key: string): Uint8Array | null {
    return this.#meta(`note:${key}`);
  }

  #meta(key: string): Uint8Array | null {
    const row = this.#db.prepare('SELECT value FROM meta WHERE key = ?').get(key);
    return (row?.value as Uint8Array | undefined) ?? null;
  }

  // ---- rounds ----

  /** Writes a certified round; when this returns, it survives a power cut. Blobs must have been written before. */
  saveRound(round: CertifiedRound): void {
    this.#step('before-transaction');
    this.#transaction(() => {
      for (const blob of round.submissions) this.#insertBlob(blob, 'submission', round.height);
      this.#insertBlob(round.checkpoint, 'checkpoint', round.height);
      this.#db
        .prepare('INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?)')
        .run(
          round.height,
          round.round,
          round.message,
          round.checkpoint.hash,
          round.checkpoint.size,
          round.bytesPerParameter,
        );
      this.#insertRefusals(round.round, round.refused);
      this.#step('in-transaction');
    });
    this.#step('after-transaction');
    try {
      this.#prune(round.height, round.round);
    } catch {
      // The round is written; what could not be deleted now (a full disk) is deleted after the next one.
    }
    this.#step('after-prune');
  }

  /** Refusals of a round without a certificate. */
  saveRefusals(round: number, refused: readonly RefusedEntry[]): void {
    if (refused.length > 0) this.#transaction(() => this.#insertRefusals(round, refused));
  }

  /** Certificates of heights `from`, `from` + 1, ..., at most `limit`, lowest first. */
  certificates(from: number, limit: number): StoredCertificate[] {
    return this.#db
      .prepare('SELECT * FROM certificates WHERE height >= ? ORDER BY height LIMIT ?')
      .all(from, limit)
      .map(toCertificate);
  }

  latest(): StoredCertificate | null {
    const row = this.#db.prepare('SELECT * FROM certificates ORDER BY height DESC LIMIT 1').get();
    return row === undefined ? null : toCertificate(row);
  }

  /** Newest refusals first. */
  refusals(limit: number): StoredRefusal[] {
    return this.#db
      .prepare('SELECT * FROM refusals ORDER BY round DESC, contributor LIMIT ?')
      .all(limit)
      .map((row) => ({
        round: row.round as number,
        contributor: row.contributor as Uint8Array,
        reason: row.reason as string,
        detail: row.detail as string,
      }));
  }

  /** Held-out loss of the state at a height, nats per token. */
  saveLoss(height: number, loss: number): void {
    this.#db.prepare('INSERT OR REPLACE INTO losses VALUES (?, ?)').run(height, loss);
  }

  loss(height: number): number | null {
    const row = this.#db.prepare('SELECT loss FROM losses WHERE height = ?').get(height);
    return (row?.loss as number | undefined) ?? null;
  }

  // ---- blobs ----

  path(hash: Uint8Array): string {
    return join(this.dir, 'blobs', toHex(hash));
  }

  /** Writes bytes under their SHA-256: a file of that name is whole and flushed, or not there. */
  async writeBlob(bytes: Uint8Array): Promise<BlobRef> {
    const ref = { hash: await sha256(bytes), size: bytes.byteLength };
    const path = this.path(ref.hash);
    if (statSync(path, { throwIfNoEntry: false })?.size === ref.size) return ref;
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
    await syncFolder(join(this.dir, 'blobs'));
    return ref;
  }

  /** Replaces a damaged file. Throws {@link StoreError} when the bytes are not the blob's. */
  async repairBlob(ref: BlobRef, bytes: Uint8Array): Promise<void> {
    if (!bytesEqual(await sha256(bytes), ref.hash))
      throw new StoreError(`Blob ${toHex(ref.hash).slice(0, 12)} cannot be rebuilt: other bytes came out.`);
    rmSync(this.path(ref.hash), { force: true });
    await this.writeBlob(bytes);
  }

  /** What this store may hand out under a hash; null for anything that no manifest, certificate or round names. */
  blob(hash: Uint8Array): (BlobRef & { readonly kind: BlobKind }) | null {
    const row = this.#db.prepare('SELECT * FROM blobs WHERE hash = ?').get(hash);
    if (row === undefined) return null;
    return { hash, size: row.size as number, kind: row.kind as BlobKind };
  }

  /** Bytes of a blob, checked against its hash; null when it is not there or damaged. */
  async readBlob(ref: BlobRef): Promise<Uint8Array<ArrayBuffer> | null> {
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = new Uint8Array(await readFile(this.path(ref.hash)));
    } catch {
      return null;
    }
    return bytes.byteLength === ref.size && bytesEqual(await sha256(bytes), ref.hash) ? bytes : null;
  }

  /** Streams bytes `from` to `to` inclusive. */
  streamBlob(hash: Uint8Array, from: number, to: number): ReadStream {
    return createReadStream(this.path(hash), { start: from, end: to });
  }

  /** Blobs of the manifest that are missing from the disk or have another size. */
  missingRunBlobs(): BlobRef[] {
    return this.#db
      .prepare("SELECT * FROM blobs WHERE kind = 'run'")
      .all()
      .map((row) => ({ hash: row.hash as Uint8Array, size: row.size as number }))
      .filter((ref) => statSync(this.path(ref.hash), { throwIfNoEntry: false })?.size !== ref.size);
  }

  /** Deletes files that no row names: what a crash in mid-write left. Returns how many. */
  sweep(): number {
    const known = new Set(
      this.#db
        .prepare('SELECT hash FROM blobs')
        .all()
        .map((row) => toHex(row.hash as Uint8Array)),
    );
    const orphans = readdirSync(join(this.dir, 'blobs')).filter((name) => !known.has(name));
    for (const name of orphans) rmSync(join(this.dir, 'blobs', name), { force: true });
    return orphans.length;
  }

  #insertBlob(ref: BlobRef, kind: BlobKind, height: number): void {
    // The same bytes in two rounds belong to the later one; what the manifest names stays for good.
    this.#db
      .prepare(
        "INSERT INTO blobs VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET height = excluded.height WHERE kind <> 'run'",
      )
      .run(ref.hash, ref.size, kind, height);
  }

  #insertRefusals(round: number, refused: readonly RefusedEntry[]): void {
    const insert = this.#db.prepare('INSERT OR REPLACE INTO refusals VALUES (?, ?, ?, ?)');
    for (const entry of refused) insert.run(round, entry.contributor, entry.reason, entry.detail);
  }

  /** Forgets old blobs: rows first, then files, so that no row ever names a file we deleted. */
  #prune(height: number, round: number): void {
    const old = this.#db
      .prepare(
        "SELECT hash FROM blobs WHERE (kind = 'checkpoint' AND height <= ?) OR (kind = 'submission' AND height <= ?)",
      )
      .all(height - KEEP_CHECKPOINTS, height - KEEP_SUBMISSIONS)
      .map((row) => row.hash as Uint8Array);
    this.#transaction(() => {
      const remove = this.#db.prepare('DELETE FROM blobs WHERE hash = ?');
      for (const hash of old) remove.run(hash);
      this.#db.prepare('DELETE FROM refusals WHERE round < ?').run(round - KEEP_REFUSALS);
    });
    for (const hash of old) if (existsSync(this.path(hash))) rmSync(this.path(hash), { force: true });
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }
}

/**
 * A new run begins in an empty folder: in anybody else's, its files would lie among theirs. Keys may be there before, put
 * back from a backup; `lost+found` and hidden files are the file system's and the desktop's.
 */
function refuseForeign(dir: string): void {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return; // absent, or opening it will say what is wrong
  }
  if (names.includes('store.sqlite')) return;
  const foreign = names.find((name) => !OWN_FILES.test(name));
  if (foreign !== undefined) {
    throw new StoreError(
      `"${dir}" holds no run, but other files ("${foreign}"). Name an empty or a new folder with --data.`,
    );
  }
}

function toCertificate(row: Record<string, unknown>): StoredCertificate {
  return {
    height: row.height as number,
    round: row.round as number,
    message: row.message as Uint8Array,
    checkpoint: { hash: row.checkpoint_hash as Uint8Array, size: row.checkpoint_size as number },
    bytesPerParameter: row.bytes_per_parameter as number,
  };
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
