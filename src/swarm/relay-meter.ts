/**
 * What the relay carries: bytes in all, and the budgets that keep it to signalling.
 *
 * What two tabs say to each other through the relay is encrypted, so that the host cannot tell signalling from anything
 * else. It can count: a link costs its two tabs 7 to 10 KB, once. So a tab, an address and all strangers together have a
 * budget of links and of bytes. A tab that exceeds its own is up to something and is reported; where only its address
 * has used up its share, the tab just waits. Members do not depend on what strangers at their address do.
 */
import * as limits from './limits.ts';
import { TokenBucket } from './token-bucket.ts';

/** Links and bytes of one tab, or of one address. */
interface Budget {
  readonly links: TokenBucket;
  readonly bytes: TokenBucket;
}

export interface RelayMeterOptions {
  /** The share that a connected tab counts on; null when it is gone. */
  readonly shareOf: (peer: string) => string | null;
  readonly isMember: (peer: string) => boolean;
  readonly onAbuse: (peer: string) => void;
  readonly now?: () => number;
}

export class RelayMeter {
  /** Total since start. */
  bytes = 0;
  /** Links that were refused, or cut off, because a budget was used up. */
  refused = 0;
  readonly #o: RelayMeterOptions;
  readonly #tabs = new Map<string, Budget>();
  readonly #shares = new Map<string, Budget>();
  /** Links to a tab, whoever asks for them: so that strangers cannot keep one busy with answering. */
  readonly #asked = new Map<string, TokenBucket>();
  readonly #strangers: TokenBucket;
  readonly #members: TokenBucket;

  constructor(options: RelayMeterOptions) {
    this.#o = options;
    this.#strangers = new TokenBucket(limits.RELAY_RATE, limits.RELAY_BURST, options.now);
    this.#members = new TokenBucket(limits.RELAY_RATE, limits.RELAY_BURST, options.now);
  }

  /** Whether `from` may open one more relayed connection to `to`; counts it. */
  mayLink(from: string, to: string): boolean {
    const share = this.#o.shareOf(from);
    const member = this.#o.isMember(from);
    const may =
      share !== null &&
      this.#has(member) &&
      this.#tab(from).bytes.owe(0) === 0 &&
      (member || this.#share(share).bytes.owe(0) === 0) &&
      this.#tab(from).links.take() &&
      (member || (this.#share(share).links.take() && this.#askedOf(to).take()));
    if (!may) this.refused++;
    return may;
  }

  /** Counts bytes on a relayed connection that `peer` asked for. False: it has to end. */
  count(peer: string, bytes: number): boolean {
    this.bytes += bytes;
    const { isMember, shareOf, onAbuse } = this.#o;
    const member = isMember(peer);
    (member ? this.#members : this.#strangers).owe(bytes);
    const tab = this.#tab(peer).bytes;
    tab.owe(bytes);
    if (isOver(tab)) {
      this.refused++;
      onAbuse(peer);
      return false;
    }
    const share = shareOf(peer);
    if (member || share === null) return true;
    const { bytes: budget } = this.#share(share);
    budget.owe(bytes);
    if (!isOver(budget)) return true;
    this.refused++;
    return false;
  }

  /** Forgets a tab that has gone; what its address used up stays. */
  forget(peer: string): void {
    this.#tabs.delete(peer);
    this.#asked.delete(peer);
  }

  #has(member: boolean): boolean {
    return (member ? this.#members : this.#strangers).owe(0) === 0;
  }

  #tab(peer: string): Budget {
    return found(this.#tabs, peer, () => ({
      links: new TokenBucket(limits.RELAY_TAB_LINK_RATE, limits.RELAY_TAB_LINK_BURST, this.#o.now),
      bytes: new TokenBucket(limits.RELAY_TAB_RATE, limits.RELAY_TAB_BURST, this.#o.now),
    }));
  }

  #share(share: string): Budget {
    return found(this.#shares, share, () => ({
      links: new TokenBucket(limits.RELAY_SHARE_LINK_RATE, limits.RELAY_SHARE_LINK_BURST, this.#o.now),
      bytes: new TokenBucket(limits.RELAY_SHARE_RATE, limits.RELAY_SHARE_BURST, this.#o.now),
    }));
  }

  #askedOf(peer: string): TokenBucket {
    return found(
      this.#asked,
      peer,
      () => new TokenBucket(limits.RELAY_ASKED_RATE, limits.RELAY_ASKED_BURST, this.#o.now),
    );
  }
}

/** Connections that are open already may each end in order: one link's bytes of debt. */
const isOver = (bucket: TokenBucket): boolean => bucket.debt > limits.RELAY_DATA_LIMIT;

/** The entry of a key, made when it is missing; the oldest of too many go. */
function found<T>(map: Map<string, T>, key: string, make: () => T): T {
  let entry = map.get(key);
  if (entry === undefined) {
    entry = make();
    map.set(key, entry);
    for (const oldest of map.keys()) {
      if (map.size <= limits.MAX_SHARES) break;
      map.delete(oldest);
    }
  }
  return entry;
}
