/**
 * Keeps the result of the kernels' tuning run, so that a GPU is measured once and not at every visit. In a browser it is
 * kept in IndexedDB; where nothing can be kept (private modes) it is measured again.
 */
import { openDB } from 'idb';
import type { Tuning } from '../kernels/tune.ts';
import type { TuningStore } from '../work/pretrain/trainer.ts';

const DATABASE = 'tabswarm-tuning';
const STORE = 'results';

async function open() {
  return openDB(DATABASE, 1, {
    upgrade(database) {
      database.createObjectStore(STORE);
    },
  });
}

async function loadTuning(key: string): Promise<Tuning | undefined> {
  try {
    const db = await open();
    try {
      // What a tuning run of this version stored; choiceFrom() ignores names and keys that it does not know.
      return (await db.get(STORE, key)) as Tuning | undefined;
    } finally {
      db.close();
    }
  } catch {
    return undefined;
  }
}

async function saveTuning(key: string, tuning: Tuning): Promise<void> {
  try {
    const db = await open();
    try {
      await db.put(STORE, tuning, key);
    } finally {
      db.close();
    }
  } catch {
    // No storage: the next visit measures again.
  }
}

export const browserTunings: TuningStore = { load: loadTuning, save: saveTuning };
