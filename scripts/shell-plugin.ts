/**
 * Vite plugin that builds the service worker (src/ui/shell/service-worker.ts) as /sw.js and, once everything is on disk,
 * writes into it which files make up the shell of this build. Source maps, WebAssembly and onnxruntime-web stay out: the
 * page asks for those when the chat is used.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { Plugin } from 'vite';
import type { Shell } from '../src/ui/shell/service-worker.ts';

const WORKER = 'sw.js';
const PLACEHOLDER = '__TABSWARM_SHELL__';
const KEPT = /\.(?:js|css|svg|png|webmanifest)$/;
const LEFT_OUT = /(?:^|\/)(?:sw\.js$|ort[.-])/;

/** The shell of a built folder. Pages are asked for under the path that people see: the folder and not its index.html. */
function shellOf(folder: string): Shell {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => name.split(sep).join('/'))
    .sort();
  const whole = createHash('sha256');
  const sha256 = (name: string): string => {
    const bytes = readFileSync(join(folder, name));
    whole.update(`${name}\n`).update(bytes);
    return createHash('sha256').update(bytes).digest('base64url');
  };
  const pages: Record<string, string> = {};
  const files: string[] = [];
  for (const name of all) {
    if (name.endsWith('.html')) pages[name.replace(/(^|\/)index\.html$/, '$1')] = sha256(name);
    else if (KEPT.test(name) && !LEFT_OUT.test(name)) {
      sha256(name);
      files.push(name);
    }
  }
  return { version: whole.digest('base64url').slice(0, 16), pages, files };
}

/** Writes the service worker of a built folder from its `code`, in which the list is still missing. */
export function writeShell(folder: string, code: string): Shell {
  if (!code.includes(PLACEHOLDER)) throw new Error(`${WORKER} has no place for the list of files`);
  const shell = shellOf(folder);
  const list = encodeURIComponent(JSON.stringify(shell));
  writeFileSync(join(folder, WORKER), code.replaceAll(PLACEHOLDER, list));
  return shell;
}

export function shellPlugin(): Plugin {
  return {
    name: 'tabswarm-shell',
    apply: 'build',
    buildStart() {
      this.emitFile({ type: 'chunk', id: 'src/ui/shell/service-worker.ts', fileName: WORKER });
    },
    writeBundle: {
      sequential: true,
      order: 'post',
      handler({ dir }) {
        if (dir === undefined) throw new Error('the build has no folder');
        writeShell(dir, readFileSync(join(dir, WORKER), 'utf8'));
      },
    },
  };
}
