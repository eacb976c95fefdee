/**
 * What the host must not lose, in SQLite and a folder of blobs: the signed manifest, certificates with their opinions,
 * losses, notes, checkpoints and the accepted work of recent rounds.
 *
 * A round is durable before anybody hears of it: its blobs are written, flushed and renamed into place first, then one
 * transaction makes certificate, opinions and blob index appear together. A crash before the commit leaves at most
 * blobs that nothing names (moved aside at the next start); a crash after it leaves a round that is published again.
 *
 * A data folder that lacks its database is not a new one: a run's keys or blobs without a run are an error.
 */
import { accessSync, constants, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { SealedLink } from '../chain/follower.ts';
import { toHex } from '../protocol/bytes.ts';
import { messageOf } from '../protocol/errors.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { ASIDE, type BlobCondition, BlobFolder } from './blob-folder.ts';
import { diskCause } from './disk.ts';
import { diskFault, fault, HostFault } from './faults.ts';

/** `run` blobs are named by the manifest and stay for good. */
export type BlobKind = 'run' | 'checkpoint' | 'work';

/** A link as it was, and is again, published. */
export interface StoredLink extends SealedLink {
  readonly height: number;
  readonly round: number;
  /** State after this certificate. */
  readonly checkpoint: BlobRef;
}

export interface CertifiedRound extends StoredLink {
  /** What its accepted claims are about. */
  readonly work: readonly BlobRef[];
}

export interface StoreOptions {
  /** Called before each step of a write, with the step's name: tests cut the process off there. */
  readonly onStep?: (step: string) => void;
  /** Whether a new run may be made where keys or files of another lie without their database. Default false. */
  readonly newRun?: boolean;
}

/** 1: protocol 2, whose certificates nobody can check any more. */
const SCHEMA_VERSION = 2;
const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
  CREATE TABLE blobs (
    hash BLOB PRIMARY KEY, size INTEGER NOT NULL, kind TEXT NOT NULL, height INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE certificates (
    height INTEGER PRIMARY KEY, round INTEGER NOT NULL UNIQUE, message BLOB NOT NULL,
    checkpoint_hash BLOB NOT NULL, checkpoint_size INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE opinions (
    height INTEGER NOT NULL, place INTEGER NOT NULL, message BLOB NOT NULL, PRIMARY KEY (height, place)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE losses (height INTEGER PRIMARY KEY, loss REAL NOT NULL) STRICT;
`;

/** What may lie in the folder of a new run. */
const OWN_FILES =
  /^(\..*|lost\+found|blobs|aside|store\.sqlite.*|(organizer|validator|node)\.key|prepared-.*\.json)$/;
/** What a run leaves: whoever finds one of these without a database has lost it. */
const LEFT_BY_A_RUN = ['validator.key', 'organizer.key', 'store.sqlite-wal', ASIDE];
/** In the database from its making until the run is in it: a preparation that was cut short goes on. */
const PREPARING = 'preparing';

/** Checkpoints kept: a joiner may still be downloading the last but one. */
const KEEP_CHECKPOINTS = 3;
/** Rounds whose accepted work is kept, for tabs that missed some and to rebuild a state from an old checkpoint. */
const KEEP_WORK = 16;

export class Store {
  readonly dir: string;
  readonly #db: DatabaseSync;
  readonly #blobs: BlobFolder;
  readonly #step: (step: string) => void;

  private constructor(dir: string, db: DatabaseSync, onStep: (step: string) => void) {
    this.dir = dir;
    this.#db = db;
    this.#blobs = new BlobFolder(dir, onStep);
    this.#step = onStep;
  }

  /** Opens or creates the store of a data folder, for this process alone. Throws {@link HostFault}. */
  static open(dir: string, options: StoreOptions = {}): Store {
    const path = join(dir, 'store.sqlite');
    const found = look(dir, options.newRun ?? false);
    let db: DatabaseSync;
    try {
      mkdirSync(dir, { recursive: true });
      if (found === 'new') mkdirSync(join(dir, 'blobs'), { recursive: true });
      db = new DatabaseSync(path);
    } catch (cause) {
      throw diskFault(dir, cause) ?? fault('folder-unusable', { dir, ...known(cause) }, cause);
    }
    try {
      // EXCLUSIVE: a second host on the same folder would sign other certificates for the same rounds.
      db.exec(
        'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE;',
      );
      const format = (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
      if (format > SCHEMA_VERSION) throw fault('format-newer', { dir, format, known: SCHEMA_VERSION });
      if (format !== 0 && format < SCHEMA_VERSION)
        throw fault('format-older', { dir, format, known: SCHEMA_VERSION });
      if (format === 0 && db.prepare('SELECT 1 FROM sqlite_schema').get() !== undefined)
        throw fault('database-foreign', { path });
      if (format === 0)
        db.exec(
          `${SCHEMA} INSERT INTO meta VALUES ('${PREPARING}', x'01'); PRAGMA user_version = ${SCHEMA_VERSION};`,
        );
      db.exec('COMMIT');
      const check = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
      if (check.quick_check !== 'ok') throw fault('store-damaged', { path, error: check.quick_check });
      if (metaOf(db, 'manifest') !== null) {
        if (!existsSync(join(dir, 'blobs'))) throw fault('blob-folder-missing', { dir });
      } else if (metaOf(db, PREPARING) === null && options.newRun !== true) {
        // A run that was here has gone from the database; one that is being made has not come to it yet.
        throw fault('store-empty', { path });
      }
      return new Store(dir, db, options.onStep ?? (() => {}));
    } catch (cause) {
      db.close();
      throw openFault(dir, path, cause);
    }
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
      this.#db.prepare('DELETE FROM meta WHERE key = ?').run(PREPARING);
      this.#db.prepare('INSERT INTO meta VALUES (?, ?)').run('manifest', manifest);
      for (const blob of blobs) this.#insertBlob(blob, 'run', 0);
    });
  }

  /** Small values that may be lost without harm and are rebuilt, such as standings. */
  saveNote(key: string, value: Uint8Array): void {
    this.#write(() =>
      this.#db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(`note:${key}`, value),
    );
  }

  note(key: string): Uint8Array | null {
    return this.#meta(`note:${key}`);
  }

  #meta(key: string): Uint8Array | null {
    return metaOf(this.#db, key);
  }

  // ---- rounds ----

  /** Writes a certified round; when this returns, it survives a power cut. Blobs must have been written before. */
  saveRound(round: CertifiedRound): void {
    const { height, checkpoint } = round;
    this.#step('before-transaction');
    this.#transaction(() => {
      for (const blob of round.work) this.#insertBlob(blob, 'work', height);
      this.#insertBlob(checkpoint, 'checkpoint', height);
      this.#db
        .prepare('INSERT INTO certificates VALUES (?, ?, ?, ?, ?)')
        .run(height, round.round, round.certificate, checkpoint.hash, checkpoint.size);
      const opinion = this.#db.prepare('INSERT INTO opinions VALUES (?, ?, ?)');
      for (const [place, message] of round.opinions.entries()) opinion.run(height, place, message);
      this.#step('in-transaction');
    });
    this.#step('after-transaction');
    try {
      this.#prune(height);
    } catch {
      // The round is written; what could not be deleted now (a full disk) is deleted after the next one.
    }
    this.#step('after-prune');
  }

  /** Links of heights `from`, `from` + 1, ..., at most `limit`, lowest first. */
  links(from: number, limit: number): StoredLink[] {
    const opinions = this.#db.prepare('SELECT message FROM opinions WHERE height = ? ORDER BY place');
    return this.#db
      .prepare('SELECT * FROM certificates WHERE height >= ? ORDER BY height LIMIT ?')
      .all(from, limit)
      .map((row) => ({
        height: row.height as number,
        round: row.round as number,
        certificate: row.message as Uint8Array,
        opinions: opinions.all(row.height as number).map(({ message }) => message as Uint8Array),
        checkpoint: { hash: row.checkpoint_hash as Uint8Array, size: row.checkpoint_size as number },
      }));
  }

  /** Height of the newest certificate; 0 at genesis. */
  get height(): number {
    const row = this.#db.prepare('SELECT MAX(height) AS height FROM certificates').get();
    return (row?.height as number | null | undefined) ?? 0;
  }

  /** Checkpoints that were not pruned, newest first. */
  checkpoints(): (BlobRef & { readonly height: number })[] {
    return this.#db
      .prepare(
        `SELECT height, checkpoint_hash, checkpoint_size FROM certificates
         WHERE checkpoint_hash IN (SELECT hash FROM blobs) ORDER BY height DESC`,
      )
      .all()
      .map((row) => ({
        height: row.height as number,
        hash: row.checkpoint_hash as Uint8Array,
        size: row.checkpoint_size as number,
      }));
  }

  /** Held-out loss of the state at a height, nats per token. */
  saveLoss(height: number, loss: number): void {
    this.#write(() => this.#db.prepare('INSERT OR REPLACE INTO losses VALUES (?, ?)').run(height, loss));
  }

  loss(height: number): number | null {
    const row = this.#db.prepare('SELECT loss FROM losses WHERE height = ?').get(height);
    return (row?.loss as number | undefined) ?? null;
  }

  // ---- blobs ----

  path(hash: Uint8Array): string {
    return this.#blobs.path(hash);
  }

  /** Writes bytes under their SHA-256, whole and flushed. */
  writeBlob(bytes: Uint8Array): Promise<BlobRef> {
    return this.#blobs.write(bytes);
  }

  /** Replaces a damaged file. Throws {@link HostFault} when the bytes are not the blob's. */
  repairBlob(ref: BlobRef, bytes: Uint8Array): Promise<void> {
    return this.#blobs.repair(ref, bytes);
  }

  /** What this store may hand out under a hash; null for anything that no manifest, certificate or round names. */
  blob(hash: Uint8Array): (BlobRef & { readonly kind: BlobKind }) | null {
    const row = this.#db.prepare('SELECT * FROM blobs WHERE hash = ?').get(hash);
    if (row === undefined) return null;
    return { hash, size: row.size as number, kind: row.kind as BlobKind };
  }

  /** Bytes of a blob, checked against its hash; null when it is not there or damaged. Throws HostFault as {@link BlobFolder.read}. */
  readBlob(ref: BlobRef): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#blobs.read(ref);
  }

  /** Whether a file's contents have its hash: to be asked before it is handed out. Rejects as {@link BlobFolder.condition}. */
  blobCondition(hash: Uint8Array): Promise<BlobCondition> {
    return this.#blobs.condition(hash);
  }

  /** Blobs that the manifest names. */
  runBlobs(): BlobRef[] {
    return this.#db
      .prepare("SELECT * FROM blobs WHERE kind = 'run'")
      .all()
      .map((row) => ({ hash: row.hash as Uint8Array, size: row.size as number }));
  }

  /** Blobs of the manifest that are missing from the disk or have another size. */
  missingRunBlobs(): BlobRef[] {
    return this.runBlobs().filter((ref) => !this.#blobs.has(ref));
  }

  /** Moves files that no row names into `aside`: what a crash in mid-write left. Returns how many. */
  moveOrphansAside(): number {
    const rows = this.#db.prepare('SELECT hash FROM blobs').all();
    return this.#blobs.moveAside(new Set(rows.map((row) => toHex(row.hash as Uint8Array))));
  }

  #insertBlob(ref: BlobRef, kind: BlobKind, height: number): void {
    // The same bytes in two rounds belong to the later one; what the manifest names stays for good.
    this.#db
      .prepare(
        "INSERT INTO blobs VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET height = excluded.height WHERE kind <> 'run'",
      )
      .run(ref.hash, ref.size, kind, height);
  }

  /** Forgets old blobs: rows first, then files, so that no row ever names a file we deleted. */
  #prune(height: number): void {
    const old = this.#db
      .prepare(
        "SELECT hash FROM blobs WHERE (kind = 'checkpoint' AND height <= ?) OR (kind = 'work' AND height <= ?)",
      )
      .all(height - KEEP_CHECKPOINTS, height - KEEP_WORK)
      .map((row) => row.hash as Uint8Array);
    this.#transaction(() => {
      const remove = this.#db.prepare('DELETE FROM blobs WHERE hash = ?');
      for (const hash of old) remove.run(hash);
    });
    for (const hash of old) this.#blobs.remove(hash);
  }

  #transaction(work: () => void): void {
    this.#write(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        work();
        this.#db.exec('COMMIT');
      } catch (error) {
        // SQLite has rolled back by itself when the disk is full; a second time would hide why.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** Throws HostFault for a disk that is full or cannot be written, and else as `work` does. */
  #write(work: () => unknown): void {
    try {
      work();
    } catch (error) {
      throw diskFault(this.dir, error) ?? error;
    }
  }
}

/**
 * What the data folder holds, without touching it: a run's database, or room for a new one. A new run begins in an empty
 * folder: in anybody else's, its files would lie among theirs. `lost+found` and hidden files are the file system's and the
 * desktop's.
 */
function look(dir: string, newRun: boolean): 'new' | 'database' {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (cause) {
    if (diskCause(cause) === 'missing') return 'new';
    throw fault('folder-unusable', { dir, ...known(cause) }, cause);
  }
  const left = LEFT_BY_A_RUN.find((name) => names.includes(name)) ?? (hasFiles(dir) ? 'blobs' : undefined);
  if (!names.includes('store.sqlite')) {
    const foreign = names.find((name) => !OWN_FILES.test(name));
    if (foreign !== undefined) throw fault('folder-not-empty', { dir, found: foreign });
    // The journal of a lost database must not be written into another.
    const journal = left === 'store.sqlite-wal' || names.includes('store.sqlite-wal');
    if (left !== undefined && (!newRun || journal)) throw fault('store-missing', { dir, found: left });
    return 'new';
  }
  const path = join(dir, 'store.sqlite');
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    throw fault('store-unreadable', { path, ...known(cause) }, cause);
  }
  try {
    accessSync(path, constants.W_OK);
    accessSync(dir, constants.W_OK);
  } catch (cause) {
    throw fault('disk-read-only', { dir }, cause);
  }
  const file = statSync(path);
  if (!file.isFile()) throw fault('store-unreadable', { path, cause: 'wrong-kind', error: 'not a file' });
  if (file.size > 0) return 'database';
  if (left !== undefined && !newRun) throw fault('store-empty', { path });
  return 'new';
}

function hasFiles(dir: string): boolean {
  try {
    return readdirSync(join(dir, 'blobs')).length > 0;
  } catch (cause) {
    if (diskCause(cause) === 'missing') return false;
    throw fault('folder-unusable', { dir: join(dir, 'blobs'), ...known(cause) }, cause);
  }
}

function metaOf(db: DatabaseSync, key: string): Uint8Array | null {
  const row = db.prepare('SELECT value FROM meta WHERE key = ?').get(key);
  return (row?.value as Uint8Array | undefined) ?? null;
}

const known = (cause: unknown) => ({ cause: diskCause(cause), error: messageOf(cause) });

/** Why an existing database does not open. */
function openFault(dir: string, path: string, cause: unknown): HostFault {
  if (cause instanceof HostFault) return cause;
  const why = diskCause(cause);
  const error = messageOf(cause);
  if (why === 'locked') return fault('folder-in-use', { dir }, cause);
  const full = diskFault(dir, cause);
  if (full !== null) return full;
  if (why === 'not-allowed' || why === 'too-many-files' || why === 'wrong-kind')
    return fault('store-unreadable', { path, cause: why, error }, cause);
  return fault('store-damaged', { path, error }, cause);
}
