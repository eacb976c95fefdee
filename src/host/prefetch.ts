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
}

export class Prefetch {
  readonly #swarm: Pick<Swarm, 'fetch' | 'serve' | 'forget'>;
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();

  constructor(swarm: Pick<Swarm, 'fetch' | 'serve' | 'forget'>, maxBytes: number) {
    this.#swarm = swarm;
    this.#maxBytes = maxBytes;
  }

  /** Somebody revealed a submission. */
  announce(ref: BlobRef, peer: string, round: number): void {
    const key = toHex(ref.hash);
    if (ref.size > this.#maxBytes || this.#entries.has(key)) return;
    const bytes = this.#swarm.fetch(ref.hash, { size: ref.size, prefer: [peer] });
    this.#entries.set(key, { hash: ref.hash, round, bytes });
    bytes.then(
      (fetched) => {
        if (this.#entries.has(key)) this.#swarm.serve(ref.hash, fetched);
      },
      () => this.#entries.delete(key), // asked for again when a certificate accepts it
    );
  }

  /** The bytes; `from`: a peer that has them in any case. Throws BlobUnavailableError. */
  async get(ref: BlobRef, from: string | null, signal: AbortSignal): Promise<Uint8Array> {
    const known = this.#entries.get(toHex(ref.hash));
    if (known !== undefined) {
      try {
        return await known.bytes;
      } catch {
        signal.throwIfAborted();
      }
    }
    const prefer = from === null ? [] : [from];
    return this.#swarm.fetch(ref.hash, { size: ref.size, prefer, signal });
  }

  /** These are served by somebody else from now on. */
  release(hashes: readonly Uint8Array[]): void {
    for (const hash of hashes) this.#entries.delete(toHex(hash));
  }

  /** Drops what is older than the rounds we keep. */
  prune(round: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.round + KEEP_ROUNDS > round) continue;
      this.#entries.delete(key);
      this.#swarm.forget(entry.hash);
    }
  }
}
