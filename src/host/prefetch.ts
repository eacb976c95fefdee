/**
 * Revealed submissions on a host that does not judge: fetched as they are revealed, so that storing the certificate takes no
 * time later, and served meanwhile to a validator's tab that cannot reach their author directly.
 */
import { toHex } from '../protocol/bytes.ts';
import type { BlobRef } from '../protocol/schema.ts';
import type { Swarm } from '../swarm/types.ts';

/** What no certificate accepts by then is dropped. */
const KEEP_ROUNDS = 3;

interface Entry {
  readonly hash: Uint8Array;
  readonly round: number;
  readonly bytes: Promise<Uint8Array>;
  fetched: boolean;
  /** Ends the fetch. */
  readonly abort: AbortController;
}

export class Prefetch {
  readonly #swarm: Pick<Swarm, 'fetch' | 'serve' | 'forget'>;
  readonly #entries = new Map<string, Entry>();

  constructor(swarm: Pick<Swarm, 'fetch' | 'serve' | 'forget'>) {
    this.#swarm = swarm;
  }

  /** Somebody revealed a submission. */
  announce(ref: BlobRef, peer: string, round: number): void {
    const key = toHex(ref.hash);
    if (this.#entries.has(key)) return;
    const abort = new AbortController();
    const bytes = this.#swarm.fetch(ref.hash, { size: ref.size, prefer: [peer], signal: abort.signal });
    const entry: Entry = { hash: ref.hash, round, bytes, fetched: false, abort };
    this.#entries.set(key, entry);
    bytes.then(
      (fetched) => {
        entry.fetched = true;
        if (this.#entries.get(key) === entry) this.#swarm.serve(ref.hash, fetched);
      },
      () => {
        // Asked for again when it is announced again, or when a certificate accepts it.
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
  }

  /** The bytes; `from`: a peer that has them in any case. Throws BlobUnavailableError. */
  async get(ref: BlobRef, from: string | null, signal: AbortSignal): Promise<Uint8Array> {
    const known = this.#entries.get(toHex(ref.hash));
    if (known?.fetched === true) return known.bytes;
    const enough = new AbortController();
    const asked = this.#swarm.fetch(ref.hash, {
      size: ref.size,
      prefer: from === null ? [] : [from],
      signal: AbortSignal.any([signal, enough.signal]),
    });
    if (known === undefined) return asked;
    try {
      // Its author may be slow on purpose: a certificate does not wait for what is under way.
      return await Promise.any([known.bytes, asked]);
    } catch {
      return await asked;
    } finally {
      enough.abort();
    }
  }

  /** These are served by somebody else from now on. */
  release(hashes: readonly Uint8Array[]): void {
    for (const hash of hashes) this.#drop(toHex(hash));
  }

  /** Drops what is older than the rounds we keep. */
  prune(round: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.round + KEEP_ROUNDS > round) continue;
      this.#drop(key);
      this.#swarm.forget(entry.hash);
    }
  }

  #drop(key: string): void {
    this.#entries.get(key)?.abort.abort();
    this.#entries.delete(key);
  }
}
