/** Whether this browser keeps the tab's key, as the page tells it before Start: credits belong to that key. */
import type { NotKept } from '../peer/platform.ts';

export interface Keeping {
  /** Why the key would end with the tab; null: it is kept. */
  readonly notKept: NotKept | null;
  /** Whether the browser promised not to clear it by itself; null: it does not say. */
  readonly promised: boolean | null;
}

/** The browser's storage, as far as a key needs it. Neither call makes a key, and neither rejects. */
export interface KeyStorage {
  look(): Promise<Keeping>;
  /** Asks for the promise. Within a click: some browsers ask the person. */
  askPromise(): Promise<Keeping>;
}
