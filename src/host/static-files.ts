/**
 * The built page as static files. The folder is listed once at start and requests are looked up in that list, so no
 * path that a stranger makes up ever reaches the file system.
 */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import { fault } from './faults.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
};
const COMPRESSIBLE = new Set([
  '.html',
  '.js',
  '.mjs',
  '.css',
  '.json',
  '.svg',
  '.webmanifest',
  '.txt',
  '.wasm',
]);
/** Larger files are sent as they are: compressing them would hold up the first visitor for seconds. */
const MAX_COMPRESSED_BYTES = 32 << 20;
/** onnxruntime-web is 14 or 27 MB: at quality 4 a fifth of that, after about a second for the first who asks. */
const LARGE_BYTES = 4 << 20;
const MIN_COMPRESSED_BYTES = 1024;
/** Vite puts a hash of the contents into the names of everything in this folder. */
const HASHED = /^\/assets\//;
const brotli = promisify(brotliCompress);

export interface StaticAnswer {
  readonly status: 200 | 304;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array<ArrayBuffer> | null;
}

interface Entry {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: string;
  compressed: Promise<Uint8Array<ArrayBuffer>> | null;
}

export class StaticFiles {
  readonly #paths: ReadonlyMap<string, string>;
  readonly #entries = new Map<string, Promise<Entry>>();

  /** Lists `folder`. Throws HostFault when there is no index.html in it. */
  constructor(folder: string) {
    const paths = new Map<string, string>();
    if (statSync(join(folder, 'index.html'), { throwIfNoEntry: false }) === undefined)
      throw fault('page-not-built', { folder });
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const path = join(folder, name);
      if (statSync(path).isFile()) paths.set(`/${name.split(sep).join('/')}`, path);
    }
    this.#paths = paths;
  }

  /** Answer for a URL path, or null when there is no such file. `/` and `/x/` are their index.html. */
  async get(path: string, brotliWanted: boolean, ifNoneMatch: string | null): Promise<StaticAnswer | null> {
    const name = path.endsWith('/') ? `${path}index.html` : path;
    const file = this.#paths.get(name);
    if (file === undefined) return null;
    const entry = await this.#load(name, file);
    if (entry === null) return null;
    const extension = extname(name);
    const headers: Record<string, string> = {
      'content-type': TYPES[extension] ?? 'application/octet-stream',
      'cache-control': HASHED.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache',
      etag: entry.etag,
      vary: 'accept-encoding',
    };
    if (ifNoneMatch === entry.etag) return { status: 304, headers, body: null };
    const size = entry.bytes.byteLength;
    const compress =
      COMPRESSIBLE.has(extension) &&
      size >= MIN_COMPRESSED_BYTES &&
      size <= MAX_COMPRESSED_BYTES &&
      brotliWanted;
    if (!compress) return { status: 200, headers: headers, body: entry.bytes };
    entry.compressed ??= brotli(entry.bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: size > LARGE_BYTES ? 4 : 6 },
    }).then((bytes) => new Uint8Array(bytes));
    const body = await entry.compressed;
    return { status: 200, headers: { ...headers, 'content-encoding': 'br' }, body };
  }

  /** Null when the file vanished since the start (the page is being rebuilt). */
  async #load(name: string, file: string): Promise<Entry | null> {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = readFile(file).then((buffer) => {
        const bytes = new Uint8Array(buffer);
        const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
        return { bytes, etag, compressed: null };
      });
      this.#entries.set(name, entry);
    }
    try {
      return await entry;
    } catch {
      this.#entries.delete(name);
      return null;
    }
  }
}
