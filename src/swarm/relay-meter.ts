/** Bytes that go through the relay, in all and by the tab that asked for them: the relay is for signalling only. */
import { MAX_TABS, RELAY_BURST, RELAY_RATE } from './limits.ts';
import { TokenBucket } from './token-bucket.ts';

export class RelayMeter {
  /** Total since start. */
  bytes = 0;
  readonly #onAbuse: (peer: string) => void;
  readonly #now: (() => number) | undefined;
  readonly #budgets = new Map<string, TokenBucket>();

  constructor(onAbuse: (peer: string) => void, now?: () => number) {
    this.#onAbuse = onAbuse;
    this.#now = now;
  }

  count(peer: string, bytes: number): void {
    this.bytes += bytes;
    let budget = this.#budgets.get(peer);
    if (budget === undefined) {
      budget = new TokenBucket(RELAY_RATE, RELAY_BURST, this.#now);
      this.#budgets.set(peer, budget);
      for (const oldest of this.#budgets.keys()) {
        if (this.#budgets.size <= MAX_TABS) break;
        this.#budgets.delete(oldest);
      }
    }
    if (!budget.take(bytes)) this.#onAbuse(peer);
  }
}
