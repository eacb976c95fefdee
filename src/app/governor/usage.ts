/**
 * Bytes of this calendar month, down and up, added up over all tabs of the browser and over reloads. IndexedDB makes
 * each addition one transaction, so tabs cannot overwrite each other's.
 *
 * Counted is what Tabswarm itself sends and receives; the packets around it (WebRTC, TLS, IP) are not seen by a page.
 */
import { type IDBPDatabase, openDB } from 'idb';
import { monthOf } from './rules.ts';

export interface Usage {
  readonly down: number;
  readonly up: number;
}

/** Where the sums are kept. Adding nothing reads. */
export interface UsageStore {
  add(month: string, usage: Usage): Promise<Usage>;
}

const NOTHING: Usage = { down: 0, up: 0 };
const DATABASE = 'tabswarm-usage';
const STORE = 'months';
/** With nothing of its own to add, a tab learns this often what the others have used. */
const READ_EVERY_MS = 30_000;

export class MonthlyUsage {
  readonly #store: UsageStore;
  #month = '';
  #kept: Usage = NOTHING;
  /** Seen by this tab, not yet kept. */
  #pending: Usage = NOTHING;
  #last: Usage = NOTHING;
  #readAt = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();

  constructor(store: UsageStore) {
    this.#store = store;
  }

  /** This month's bytes as far as known: those kept by all tabs and this tab's own since. */
  get month(): Usage {
    return sum(this.#kept, this.#pending);
  }

  /** Tells how much this page has received and sent so far; a total that shrank started again at zero. */
  observe(total: Usage): void {
    const grown = (now: number, before: number) => (now >= before ? now - before : now);
    this.#pending = sum(this.#pending, {
      down: grown(total.down, this.#last.down),
      up: grown(total.up, this.#last.up),
    });
    this.#last = total;
  }

  /** Keeps what was observed, and learns what other tabs kept. At the turn of the month the sum begins anew. */
  flush(now: number): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const month = monthOf(now);
      const own = this.#pending;
      const nothing = own.down === 0 && own.up === 0;
      if (nothing && month === this.#month && now - this.#readAt < READ_EVERY_MS) return;
      this.#readAt = now;
      if (month !== this.#month) {
        this.#month = month;
        this.#kept = NOTHING;
      }
      try {
        this.#kept = await this.#store.add(month, own);
      } catch {
        // Nothing can be kept here: the limit then counts from when the page was opened.
        this.#kept = sum(this.#kept, own);
      }
      this.#pending = { down: this.#pending.down - own.down, up: this.#pending.up - own.up };
    });
    return this.#writing;
  }
}

const sum = (a: Usage, b: Usage): Usage => ({ down: a.down + b.down, up: a.up + b.up });

/** The browser's own store; months before the current one are dropped. */
export class BrowserUsage implements UsageStore {
  #database: Promise<IDBPDatabase> | null = null;

  async add(month: string, usage: Usage): Promise<Usage> {
    const database = await this.#open();
    const transaction = database.transaction(STORE, 'readwrite');
    const before: unknown = await transaction.store.get(month);
    const after = sum(isUsage(before) ? before : NOTHING, usage);
    await transaction.store.delete(IDBKeyRange.upperBound(month, true));
    await transaction.store.put(after, month);
    await transaction.done;
    return after;
  }

  /** One connection as long as it lasts: the browser ends it when the site's data are cleared. */
  #open(): Promise<IDBPDatabase> {
    const again = (): void => {
      this.#database = null;
    };
    this.#database ??= openDB(DATABASE, 1, {
      upgrade: (database) => void database.createObjectStore(STORE),
      terminated: again,
      blocking: (_current, _blocked, event) => {
        again();
        if (event.target instanceof IDBDatabase) event.target.close();
      },
    });
    this.#database.catch(again);
    return this.#database;
  }
}

function isUsage(value: unknown): value is Usage {
  return (
    typeof value === 'object' &&
    value !== null &&
    'down' in value &&
    'up' in value &&
    Number.isFinite(value.down) &&
    Number.isFinite(value.up)
  );
}
