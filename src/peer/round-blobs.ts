/**
 * The bytes of recent rounds' work that this peer knows of: its own and those it fetched to apply. Each is served on to others
 * by hash, which is what keeps the host's upload from growing with the swarm.
 */
import { toHex } from '../protocol/bytes.ts';
import type { BlobRef } from '../protocol/schema.ts';
import type { Swarm } from '../swarm/types.ts';

/** Rounds whose bytes are kept and served, for peers that are a little late. */
const KEEP_ROUNDS = 3;

export class RoundBlobs {
  readonly #swarm: Swarm;
  readonly #bytes = new Map<
    string,
    { bytes: Uint8Array; round: number; hash: Uint8Array; served: boolean }
  >();
  readonly #fetching = new Map<string, Promise<Uint8Array>>();
  /** Peers that announced bytes: asked first. */
  readonly #holders = new Map<string, { peer: string; round: number }>();

  constructor(swarm: Swarm) {
    this.#swarm = swarm;
  }

  /** Keeps own bytes secret until {@link reveal}: nobody can copy what nobody has seen. */
  keep(hash: Uint8Array, bytes: Uint8Array, round: number): void {
    this.#bytes.set(toHex(hash), { bytes, round, hash, served: false });
  }

  reveal(hash: Uint8Array): void {
    const entry = this.#bytes.get(toHex(hash));
    if (entry === undefined || entry.served) return;
    entry.served = true;
    this.#swarm.serve(hash, entry.bytes);
  }

  /** Somebody announced bytes: fetch them now, so that applying them later takes no time. */
  announce(ref: BlobRef, peer: string, round: number): void {
    const key = toHex(ref.hash);
    this.#holders.set(key, { peer, round });
    if (this.#fetching.has(key)) return;
    // A failure here is no problem yet: whoever needs the bytes asks again, and may then ask the host too.
    this.#fetch(ref, round, false, undefined).catch(() => {});
  }

  /** The bytes, fetched from whoever has them. Throws BlobUnavailableError. */
  async get(ref: BlobRef, signal: AbortSignal): Promise<Uint8Array> {
    const key = toHex(ref.hash);
    const known = this.#bytes.get(key);
    if (known !== undefined) return known.bytes;
    const running = this.#fetching.get(key);
    if (running !== undefined) {
      try {
        return await running;
      } catch {
        signal.throwIfAborted();
      }
    }
    return this.#fetch(ref, this.#holders.get(key)?.round ?? 0, true, signal);
  }

  /** Drops bytes whatever their round. */
  forget(hash: Uint8Array): void {
    if (this.#bytes.delete(toHex(hash))) this.#swarm.forget(hash);
  }

  /** Drops what is older than the rounds we keep. */
  prune(currentRound: number): void {
    for (const [key, entry] of this.#bytes) {
      if (entry.round + KEEP_ROUNDS > currentRound) continue;
      this.#bytes.delete(key);
      this.#swarm.forget(entry.hash);
    }
    for (const [key, holder] of this.#holders) {
      if (holder.round + KEEP_ROUNDS <= currentRound) this.#holders.delete(key);
    }
  }

  #fetch(
    ref: BlobRef,
    round: number,
    allowHost: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const key = toHex(ref.hash);
    const known = this.#bytes.get(key);
    if (known !== undefined) return Promise.resolve(known.bytes);
    const holder = this.#holders.get(key);
    const work = this.#swarm
      .fetch(ref.hash, {
        size: ref.size,
        allowHost,
        ...(holder === undefined ? {} : { prefer: [holder.peer] }),
        ...(signal === undefined ? {} : { signal }),
      })
      .then((bytes) => {
        this.#bytes.set(key, { bytes, round, hash: ref.hash, served: true });
        this.#swarm.serve(ref.hash, bytes);
        return bytes;
      })
      .finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, work);
    return work;
  }
}
