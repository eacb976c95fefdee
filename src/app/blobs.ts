/**
 * Bytes by hash, wherever they are: this browser's cache, the host over HTTP, then other tabs. Whatever the source,
 * bytes whose SHA-256 differs are thrown away and the next source is asked.
 */
import { messageOf } from '../protocol/errors.ts';
import { bytesEqual, sha256, toHex } from '../protocol/bytes.ts';
import type { BlobRef } from '../protocol/schema.ts';
import type { Swarm } from '../swarm/types.ts';
import type { HostClient } from './host-client.ts';

const CACHE = 'tabswarm-blobs-1';
/** Blobs of a run that a tab serves on to others, and the largest that it keeps in memory for that. */
const MAX_SERVED = 12;
const MAX_SERVED_BYTES = 64 << 20;

/** Every source failed; the message names each with its reason. */
export class BlobError extends Error {
  static override readonly name = 'BlobError';
  override readonly name = 'BlobError';
}

/** What this tab fetched of the run's data and serves on, so that a damaged or silent host is not the only source. */
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
  readonly host: HostClient;
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
  const key = `/api/blob/${toHex(ref.hash)}`;
  const cache = await openCache();
  const kept = await cache?.match(key);
  if (kept !== undefined) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    if (await isBlob(bytes, ref)) {
      sources.shelf?.serve(ref, bytes);
      return bytes;
    }
    sources.onCorrupt('cache', toHex(ref.hash));
    await cache?.delete(key);
  }
  const bytes = await fetchBlob(ref, sources, signal);
  // A full disk must not stop the training.
  await cache?.put(key, new Response(bytes)).catch(() => {});
  return bytes;
}

/** Fetches a blob from the host, or from any tab that serves it. */
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
    const bytes = await sources.host.blob(hash, signal);
    if (await isBlob(bytes, ref)) return bytes;
    sources.onCorrupt('host', hash);
    reasons.push('the host sent other bytes than the run asks for');
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
  const why = reasons.map((reason) => reason.replace(/\.$/, '')).join('; ');
  throw new BlobError(
    `A part of the model or the training text (${hash.slice(0, 12)}) is nowhere to be had: ${why}.`,
  );
}

async function isBlob(bytes: Uint8Array, ref: BlobRef): Promise<boolean> {
  return bytes.byteLength === ref.size && bytesEqual(await sha256(bytes), ref.hash);
}

/** The Cache API exists only in secure contexts and may be switched off. */
async function openCache(): Promise<Cache | null> {
  try {
    return await globalThis.caches.open(CACHE);
  } catch {
    return null;
  }
}
