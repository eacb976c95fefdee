/**
 * The files of a corpus folder that would be published, and everything beside them with the reason why not.
 *
 * Text becomes public, so a file has to be what its owner sees when looking into the folder: a file of a text kind that
 * lies there, not hidden and not reached through a link. Whatever else lies there is skipped and counted, and never ends
 * a start: one odd file among many is no reason to refuse the others.
 */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { decodeText, type OtherEncoding } from '../protocol/decode-text.ts';
import { messageOf } from '../protocol/errors.ts';
import { fault } from './faults.ts';

/**
 * Why something is not published. `hidden`: its name begins with a dot. `program`: a folder that programs or systems
 * keep for themselves. `link`: a symbolic link, to wherever. `special`: a pipe, socket or device. `other-kind`: no
 * `.txt`, `.text` or `.md`. `blank`: nothing that one could read.
 */
export type Skip =
  | { readonly why: 'hidden' | 'program' | 'link' | 'special' | 'other-kind' | 'blank' | 'too-large' }
  | { readonly why: 'unreadable'; readonly error: string }
  | { readonly why: 'not-utf8'; readonly found: OtherEncoding };

/** `name`: the path from the corpus folder, with forward slashes; folders end with one. */
export type SkippedEntry = { readonly name: string } & Skip;

export interface TextFile {
  readonly name: string;
  /** UTF-8, perhaps with a byte-order mark. */
  readonly bytes: Uint8Array;
}

export interface TextFiles {
  /** In order of their names. */
  readonly files: readonly TextFile[];
  readonly skipped: readonly SkippedEntry[];
}

/** A single file is decoded into one string; larger sets go as a folder of files. */
export const MAX_FILE_BYTES = 256 << 20;
/** All files together are held in memory while they are encoded. */
const MAX_TOTAL_BYTES = 1 << 30;
/** A folder with more in it is no corpus, but a disk. */
const MAX_ENTRIES = 1_000_000;
const TEXT_FILE = /\.(txt|text|md)$/i;
/** Folders without a dot that hold what nobody wrote here, or what somebody threw away. In lower case. */
const PROGRAM_FOLDERS: ReadonlySet<string> = new Set([
  'node_modules',
  'bower_components',
  'site-packages',
  '__pycache__',
  '__macosx',
  '$recycle.bin',
  'system volume information',
  'lost+found',
  '@eadir',
  '#recycle',
  '#snapshot',
]);

/**
 * Reads a text file, or the text files of a folder and its subfolders. The path itself may be a link or hidden: its
 * owner named it. `onFile`: told after each file how many were looked at. Throws HostFault when the path cannot be used
 * at all: it is not there, no file or folder, or too large.
 */
export function readTextFiles(path: string, onFile: (files: number) => void = () => {}): TextFiles {
  const stat = attempt(path, () => statSync(path));
  if (!stat.isDirectory()) return { files: [namedFile(path)], skipped: [] };
  const { names, skipped } = walk(path);
  const files: TextFile[] = [];
  let total = 0;
  for (const [i, name] of names.entries()) {
    const read = readText(join(path, name), constants.O_NOFOLLOW);
    if ('why' in read) skipped.push({ name, ...read });
    else {
      total += read.bytes.byteLength;
      if (total > MAX_TOTAL_BYTES) throw fault('corpus-too-large', { path });
      files.push({ name, bytes: read.bytes });
    }
    onFile(i + 1);
  }
  return { files, skipped: skipped.sort(byName) };
}

const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/** Names of all files of a text kind, sorted, and what is not looked into. Follows no link. */
function walk(root: string): { names: string[]; skipped: SkippedEntry[] } {
  const names: string[] = [];
  const skipped: SkippedEntry[] = [];
  const folders = [''];
  let seen = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let entries: Dirent[];
    try {
      entries = readdirSync(join(root, folder), { withFileTypes: true });
    } catch (error) {
      // The folder that was named has to be readable; one in it need not be.
      if (folder === '') throw unreadable(root, error);
      skipped.push({ name: folder, why: 'unreadable', error: codeOf(error) });
      continue;
    }
    seen += entries.length;
    if (seen > MAX_ENTRIES) throw fault('corpus-too-many-files', { path: root, limit: MAX_ENTRIES });
    for (const entry of entries) {
      const name = `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`;
      const why = skipEntry(entry);
      if (why !== null) skipped.push({ name, why });
      else if (entry.isDirectory()) folders.push(name);
      else names.push(name);
    }
  }
  return { names: names.sort((a, b) => (a < b ? -1 : 1)), skipped };
}

/** What is wrong with an entry by its name and kind; null: nothing. */
function skipEntry(entry: Dirent): 'hidden' | 'program' | 'link' | 'special' | 'other-kind' | null {
  if (entry.name.startsWith('.')) return 'hidden';
  if (entry.isSymbolicLink()) return 'link';
  if (entry.isDirectory()) return PROGRAM_FOLDERS.has(entry.name.toLowerCase()) ? 'program' : null;
  if (!TEXT_FILE.test(entry.name)) return 'other-kind';
  return entry.isFile() ? null : 'special';
}

/** Opened without waiting (a pipe would) and looked at once open, so that nothing can take its place in between. */
function readText(path: string, flags: number): { readonly bytes: Uint8Array } | Skip {
  let file: number;
  try {
    // Windows knows neither flag.
    file = openSync(path, constants.O_RDONLY | (flags || 0) | (constants.O_NONBLOCK || 0));
  } catch (error) {
    const code = codeOf(error);
    return code === 'ELOOP' ? { why: 'link' } : { why: 'unreadable', error: code };
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) return { why: 'special' };
    if (stat.size > MAX_FILE_BYTES) return { why: 'too-large' };
    const bytes = readFileSync(file);
    if (bytes.byteLength > MAX_FILE_BYTES) return { why: 'too-large' };
    const decoded = decodeText(bytes);
    if (!decoded.ok) return { why: 'not-utf8', found: decoded.found };
    return isBlank(decoded.text) ? { why: 'blank' } : { bytes };
  } catch (error) {
    return { why: 'unreadable', error: codeOf(error) };
  } finally {
    closeSync(file);
  }
}

/** Blanks, controls (a file that a crash left full of NULs) and marks without a shape. */
const isBlank = (text: string): boolean => !/[^\s\p{Cc}\p{Cf}]/u.test(text);

/** The one file that was named: nothing is left when it cannot be used, so the reason is an error. */
function namedFile(path: string): TextFile {
  const read = readText(path, 0);
  if (!('why' in read)) return { name: basename(path), bytes: read.bytes };
  switch (read.why) {
    case 'not-utf8':
      throw fault('corpus-not-utf8', { path, found: read.found });
    case 'unreadable':
      throw fault('corpus-unreadable', { path, error: read.error });
    case 'too-large':
      throw fault('corpus-file-too-large', { path });
    case 'blank':
      throw fault('corpus-blank', { path });
    default:
      throw fault('corpus-no-file', { path });
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? messageOf(error);

const unreadable = (path: string, cause: unknown) =>
  fault('corpus-unreadable', { path, error: codeOf(cause) }, cause);

function attempt<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw unreadable(path, cause);
  }
}
