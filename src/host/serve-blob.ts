/** Answers with a blob of the run, or with one range of it (RFC 9110, section 14), piece by piece as its asker reads. */
import { open } from 'node:fs/promises';
import type { Context } from 'hono';
import { fromHex } from '../protocol/bytes.ts';
import { type Env, streamed } from './answering.ts';
import { diskCause } from './disk.ts';
import { PIECE_BYTES } from './door-limits.ts';
import type { HostReport } from './events.ts';
import type { Store } from './store.ts';

export const IMMUTABLE = 'public, max-age=31536000, immutable';
const NO_STORE = { 'cache-control': 'no-store' };

/** `hash`: as it was asked for. */
export async function serveBlob(
  c: Context<Env>,
  hash: string,
  store: Store,
  report: HostReport,
): Promise<Response> {
  const name = hash.toLowerCase();
  const known = /^[0-9a-f]{64}$/.test(name) ? store.blob(fromHex(name)) : null;
  if (known === null) return c.json({ error: 'there is no such blob' }, 404);
  const etag = `"${name}"`;
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'cache-control': IMMUTABLE,
    'accept-ranges': 'bytes',
    etag,
  };
  if (c.req.header('if-none-match') === etag) return c.body(null, 304, headers);
  const range = parseRange(c.req.header('range') ?? null, known.size);
  if (range === 'unsatisfiable')
    return c.body(null, 416, { ...headers, 'content-range': `bytes */${known.size}` });
  // A tab that got wrong bytes would ask again and again; the page can say that this host lacks it.
  const condition = await store.blobCondition(known.hash).catch((error: unknown) => ({ error }));
  if (typeof condition === 'object') return unreadable(c, name, condition.error, report);
  if (condition !== 'whole') {
    report({ is: condition === 'missing' ? 'blob-lost' : 'blob-damaged', hash: name });
    return c.json({ error: `this host’s copy of the blob is ${condition}`, code: condition }, 410, NO_STORE);
  }
  const [from, to] = range ?? [0, known.size - 1];
  const size = to - from + 1;
  if (range !== null) headers['content-range'] = `bytes ${from}-${to}/${known.size}`;
  const status = range === null ? 200 : 206;
  if (c.req.method === 'HEAD') return c.body(null, status, { ...headers, 'content-length': String(size) });
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(store.path(known.hash));
  } catch (error) {
    if (diskCause(error) !== 'missing') return unreadable(c, name, error, report);
    return c.json({ error: 'this blob is gone; ask for the head again' }, 404, NO_STORE);
  }
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, size));
  const read = async (at: number) => {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.byteLength, size - at), from + at);
    return buffer.subarray(0, bytesRead);
  };
  return streamed(c, status, headers, { size, read, close: () => file.close() });
}

/** The file may be there and whole: too many open files, rights, a failing disk. */
function unreadable(c: Context<Env>, hash: string, error: unknown, report: HostReport): Response {
  report({ is: 'blob-unreadable', hash, cause: diskCause(error) });
  return c.json({ error: 'this host cannot read the blob now', code: 'unreadable' }, 503, {
    ...NO_STORE,
    'retry-after': '2',
  });
}

/**
 * First and last byte of a `Range` header's one range. Null: send everything (no header, another unit, several ranges
 * or nonsense, all of which a server may ignore).
 */
export function parseRange(header: string | null, size: number): [number, number] | 'unsatisfiable' | null {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header?.trim() ?? '');
  if (match === null) return null;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return null;
  if (first === '') {
    const length = Number(last);
    return length === 0 ? 'unsatisfiable' : [Math.max(0, size - length), size - 1];
  }
  const from = Number(first);
  if (last !== '' && Number(last) < from) return null;
  if (from >= size) return 'unsatisfiable';
  return [from, last === '' ? size - 1 : Math.min(Number(last), size - 1)];
}
