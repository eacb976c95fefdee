/**
 * Where this browser keeps the keys of its tabs: one database, opened here only. A browser may forbid it (site data blocked), fail
 * at it (some private windows, a full disk) or never answer; each is told by its reason.
 */
import { type IDBPDatabase, openDB } from 'idb';
import type { Keeping, KeyStorage } from '../../app/key-storage.ts';
import type { NotKept } from '../../peer/platform.ts';

const DATABASE = 'tabswarm';
const STORE = 'identities';
/** Beside the numbered keys; never there for longer than a transaction. */
const PROBE = 'probe';
/** A database that has not answered by then counts as one that fails: nobody waits longer for a page. */
const PATIENCE_MS = 10_000;

/** Does something with the open database and closes it. Rejects as the browser does, and when it does not answer. */
export async function withKeys<T>(work: (database: IDBPDatabase) => Promise<T>): Promise<T> {
  const opening = openDB(DATABASE, 1, { upgrade: (database) => void database.createObjectStore(STORE) });
  // One that opens after all, when nobody waits for it any more, must not stay open.
  const close = (): void => void opening.then((database) => database.close()).catch(() => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the database does not answer')), PATIENCE_MS);
  });
  try {
    return await Promise.race([opening.then(work), late]);
  } finally {
    clearTimeout(timer);
    close();
  }
}

/** The seed under a number as it was stored; undefined when there is none. */
export const readSeed = (slot: number): Promise<unknown> => withKeys((database) => database.get(STORE, slot));

/** Keeps a seed where there is none. */
export const addSeed = (slot: number, seed: Uint8Array): Promise<unknown> =>
  withKeys((database) => database.add(STORE, seed, slot));

/**
 * Why the browser refused to keep something. Where site data are blocked, Chromium's database says "UnknownError", so another
 * storage is asked too.
 */
export const refusalOf = (error: unknown): NotKept =>
  isDenial(error) || isDenial(errorOf(() => localStorage.length)) ? 'blocked' : 'failed';

const isDenial = (error: unknown): boolean => error instanceof DOMException && error.name === 'SecurityError';

function errorOf(look: () => unknown): unknown {
  try {
    look();
    return null;
  } catch (error) {
    return error;
  }
}

export function browserKeyStorage(): KeyStorage {
  const look = async (): Promise<Keeping> => ({ notKept: await probe(), promised: await promised() });
  return {
    look,
    async askPromise() {
      try {
        await navigator.storage.persist();
      } catch {
        // No such promise here; look() says so.
      }
      return look();
    },
  };
}

/** Writes something and takes it away again: a database that opens may still not be written to. */
async function probe(): Promise<NotKept | null> {
  try {
    await withKeys(async (database) => {
      const transaction = database.transaction(STORE, 'readwrite');
      await transaction.store.put(0, PROBE);
      await transaction.store.delete(PROBE);
      await transaction.done;
    });
    return null;
  } catch (error) {
    return refusalOf(error);
  }
}

async function promised(): Promise<boolean | null> {
  try {
    return await navigator.storage.persisted();
  } catch {
    return null;
  }
}
