/** What a first visit downloads before the session (swarm, GPU workers) is asked for: the static closure of index.html. */
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface PageWeight {
  /** Bytes after gzip -9, all files together. */
  readonly gzip: number;
  readonly files: readonly string[];
}

/** Scripts, styles and preloads that the page names, and what those scripts import statically. */
export function firstLoad(folder: string): PageWeight {
  const html = readFileSync(join(folder, 'index.html'), 'utf8');
  const queue = [...html.matchAll(/<(?:script|link)[^>]*\s(?:src|href)="\/([^"]+)"/g)].map((m) => m[1]);
  const files = new Set(['index.html']);
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (files.has(name)) continue;
    files.add(name);
    if (!name.endsWith('.js')) continue;
    const code = readFileSync(join(folder, name), 'utf8');
    for (const [, relative] of code.matchAll(/(?:\bfrom|\bimport)\s*["'`](\.[^"'`]+\.js)["'`]/g))
      queue.push(posix.join(posix.dirname(name), relative));
  }
  let gzip = 0;
  for (const name of files) gzip += gzipSync(readFileSync(join(folder, name)), { level: 9 }).byteLength;
  return { gzip, files: [...files].sort() };
}
