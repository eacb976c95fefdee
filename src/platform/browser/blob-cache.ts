/** Immutable blobs of a run in the browser's Cache storage, under the address that the host serves them at. */
import type { BlobCache } from '../../peer/blobs.ts';

const CACHE = 'tabswarm-blobs-1';

export function browserBlobCache(): BlobCache {
  const url = (hash: string): string => `/api/blob/${hash}`;
  return {
    async get(hash) {
      try {
        const kept = await (await open())?.match(url(hash));
        return kept === undefined ? null : new Uint8Array(await kept.arrayBuffer());
      } catch {
        // What cannot be read is fetched again.
        return null;
      }
    },
    async put(hash, bytes) {
      // A full disk must not stop the training.
      await (await open())?.put(url(hash), new Response(bytes)).catch(() => {});
    },
    async delete(hash) {
      await (await open())?.delete(url(hash)).catch(() => false);
    },
  };
}

/** The Cache API exists only in secure contexts and may be switched off. */
async function open(): Promise<Cache | null> {
  try {
    return await globalThis.caches.open(CACHE);
  } catch {
    return null;
  }
}
