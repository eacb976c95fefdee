/**
 * What a validator's tab must not forget, in IndexedDB: the last certificates that it signed, with the submissions they accept,
 * and notes that may be lost without harm. Never the key.
 *
 * The record is on disk before a byte of the certificate leaves the tab: whatever happens then, the tab can hand over the same
 * certificate again and never signs another one of that height.
 */
import { type IDBPDatabase, openDB } from 'idb';
import { SeatMemoryError, type SeatMemory, type SignedRecord } from '../../peer/seat-memory.ts';

const DATABASE = 'tabswarm-validator-3';
const RECORDS = 'records';
const NOTES = 'notes';
/** Certificates kept for a host that comes back from an old copy, as long as their submissions are not too many. */
const KEEP_RECORDS = 16;
const KEEP_BYTES = 128 << 20;

/** `run` and `key` in hex. Rejects where the browser keeps nothing (some private modes): a seat needs a memory. */
export async function openSeatMemory(run: string, key: string): Promise<SeatMemory> {
  const db = await openDB(DATABASE, 1, {
    upgrade(database) {
      database.createObjectStore(RECORDS);
      database.createObjectStore(NOTES);
    },
  });
  const seat = `${run}/${key}`;
  const ofSeat = IDBKeyRange.bound([seat, 0], [seat, Number.MAX_SAFE_INTEGER]);
  return {
    records: async () => (await db.getAll(RECORDS, ofSeat)).map(asRecord),
    saveRecord: async (record) => {
      await put(db, RECORDS, [seat, record.height], record);
      const oldest = record.height - keptWith(record) + 1;
      if (oldest > 0) await db.delete(RECORDS, IDBKeyRange.bound([seat, 0], [seat, oldest], false, true));
    },
    forget: (height) => db.delete(RECORDS, [seat, height]),
    note: async (name) => {
      const value: unknown = await db.get(NOTES, `${seat}/${name}`);
      return value instanceof Uint8Array ? value : null;
    },
    saveNote: (name, value) => put(db, NOTES, `${seat}/${name}`, value),
    close: () => db.close(),
  };
}

/** How many certificates are worth keeping when they are all as large as this one. */
function keptWith({ submissions }: SignedRecord): number {
  const bytes = submissions.reduce((sum, { byteLength }) => sum + byteLength, 1);
  return Math.max(1, Math.min(KEEP_RECORDS, Math.floor(KEEP_BYTES / bytes)));
}

/** Resolves when the value is on disk, not only handed to the system. */
async function put(db: IDBPDatabase, store: string, key: IDBValidKey, value: unknown): Promise<void> {
  const transaction = db.transaction(store, 'readwrite', { durability: 'strict' });
  await Promise.all([transaction.store.put(value, key), transaction.done]);
}

/** What was stored under this name by any version of the page; a value that is no record stops the seat. */
function asRecord(value: unknown): SignedRecord {
  if (isRecord(value)) return value;
  throw new SeatMemoryError();
}

function isRecord(value: unknown): value is SignedRecord {
  if (typeof value !== 'object' || value === null) return false;
  const known: Partial<Record<keyof SignedRecord, unknown>> = value;
  return (
    typeof known.height === 'number' &&
    typeof known.stored === 'boolean' &&
    known.hash instanceof Uint8Array &&
    known.message instanceof Uint8Array &&
    Array.isArray(known.opinions) &&
    known.opinions.every((bytes) => bytes instanceof Uint8Array) &&
    Array.isArray(known.submissions) &&
    known.submissions.every((bytes) => bytes instanceof Uint8Array)
  );
}
