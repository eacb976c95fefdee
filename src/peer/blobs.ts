/**
 * Bytes by hash, wherever they are: this machine's cache, the host, then other peers. Whatever the source, bytes whose
 * SHA-256 differs are thrown away and the next source is asked.
 */
import { bytesEqual, sha256, toHex } from '../protocol/bytes.ts';
import { messageOf } from '../protocol/errors.ts';
import type { BlobRef } from '../protocol/schema.ts';
import type { Swarm } from '../swarm/types.ts';
import type { Host } from './host.ts';

/** Where immutable blobs are kept between visits. Never rejects: a full or forbidden store keeps nothing. */
export interface BlobCache {
  /** Bytes kept under a hash (hex), not checked; null when there are none. */
  get(hash: string): Promise<Uint8Array<ArrayBuffer> | null>;
  put(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  delete(hash: string): Promise<void>;
}

/** Blobs of a run that a tab serves on to others, and the largest that it keeps in memory for that. */
const MAX_SERVED = 12;
const MAX_SERVED_BYTES = 64 << 20;

/** Every source failed. */
export class BlobError extends Error {
  static override readonly name = 'BlobError';
  override readonly name = 'BlobError';
  /** Hex hash, and each source's own reason. */
  readonly facts: { readonly hash: string; readonly reasons: string };

  constructor(hash: string, reasons: readonly string[]) {
    super(`blob ${hash.slice(0, 12)} is nowhere to be had: ${reasons.join('; ')}`);
    this.facts = { hash, reasons: reasons.join('; ') };
  }
}

/** What this peer fetched of the run's data and serves on, so that a damaged or silent host is not the only source. */
export class BlobShelf {
  readonly #swarm: Swarm;
  readonly #served: Uint8Array[] = [];

  constructor(swarm: Swarm) {
    this.#swarm = swarm;
  }

  serve(ref: BlobRef, bytes: Uint8Array): void {
    if (ref.size > MAX_SERVED_BYTES || this.#served.some((hash) => bytesEqual(hash, ref.hash))) return;
    this.#served.push(ref.hash);
    this.#swarm.serve(ref.hash, bytes);
    if (this.#served.length > MAX_SERVED) {
      const oldest = this.#served.shift();
      if (oldest !== undefined) this.#swarm.forget(oldest);
    }
  }
}

export interface BlobSources {
  readonly host: Host;
  readonly cache: BlobCache;
  readonly swarm: Swarm | null;
  /** Absent: nothing is served on. */
  readonly shelf?: BlobShelf;
  /** Told when a source delivered bytes that are not what they were asked for. */
  readonly onCorrupt: (source: 'cache' | 'host', hash: string) => void;
}

/** Fetches an immutable blob that is worth keeping (a shard, the tokenizer). */
export async function fetchKept(
  ref: BlobRef,
  sources: BlobSources,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const hash = toHex(ref.hash);
  const kept = await sources.cache.get(hash);
  if (kept !== null) {
    if (await isBlob(kept, ref)) {
      sources.shelf?.serve(ref, kept);
      return kept;
    }
    sources.onCorrupt('cache', hash);
    await sources.cache.delete(hash);
  }
  const bytes = await fetchBlob(ref, sources, signal);
  await sources.cache.put(hash, bytes);
  return bytes;
}

/** Fetches a blob from the host, or from any peer that serves it. Rejects with {@link BlobError}. */
export async function fetchBlob(
  ref: BlobRef,
  sources: BlobSources,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await fetchAnywhere(ref, sources, signal);
  sources.shelf?.serve(ref, bytes);
  return bytes;
}

async function fetchAnywhere(
  ref: BlobRef,
  sources: BlobSources,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const hash = toHex(ref.hash);
  const reasons: string[] = [];
  try {
    const bytes = await sources.host.blob(ref, signal);
    if (await isBlob(bytes, ref)) return bytes;
    sources.onCorrupt('host', hash);
    reasons.push('the host sent other bytes');
  } catch (error) {
    signal?.throwIfAborted();
    reasons.push(messageOf(error));
  }
  if (sources.swarm !== null) {
    try {
      return await sources.swarm.fetch(ref.hash, {
        size: ref.size,
        allowHost: false,
        ...(signal ? { signal } : {}),
      });
    } catch (error) {
      signal?.throwIfAborted();
      reasons.push(messageOf(error));
    }
  }
  throw new BlobError(hash, reasons);
}

async function isBlob(bytes: Uint8Array, ref: BlobRef): Promise<boolean> {
  return bytes.byteLength === ref.size && bytesEqual(await sha256(bytes), ref.hash);
}
