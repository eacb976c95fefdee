/**
 * Prepares a run's data once: trains the tokenizer, encodes the corpus, cuts it into shards, and writes everything by
 * its SHA-256 under the data folder.
 *
 * Everything is a pure function of the text and the options, so an interrupted run is simply done again: finished
 * blobs are recognised by name and not rewritten, and a finished preparation is found by its index file.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { trainBpe } from '../model/bpe-train.ts';
import { encodeShard } from '../model/shards.ts';
import { Tokenizer } from '../model/tokenizer.ts';
import { fromHex, sha256, toHex } from '../protocol/bytes.ts';
import type { ShardRef } from '../protocol/manifest.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { BlobFolder } from './blob-folder.ts';
import { type Corpus, type CorpusListing, type Document, loadCorpus } from './corpus.ts';
import { fault } from './faults.ts';

export { blobPath } from './blob-folder.ts';

export interface PrepareOptions {
  /** Tokens in the vocabulary; the model's must be at least as large. */
  readonly vocabSize: number;
  /** Window that training reads: every shard must hold at least one, with its targets. */
  readonly sequence: number;
  /** Text file or folder; absent: the built-in corpus. */
  readonly source?: string | undefined;
  /** Tokens a shard, about. Default 48 Ki: 96 KiB, a quick fetch for a joining tab. */
  readonly shardTokens?: number;
  readonly onProgress?: (progress: PrepareProgress) => void;
  /** Told what is published and what is skipped, once it is read. */
  readonly onText?: (listing: CorpusListing) => void;
}

export interface PrepareProgress {
  readonly stage: 'reading' | 'tokenizer' | 'encoding' | 'writing' | 'genesis' | 'done';
  /** Files, merges, documents or shards so far; 0 in stages without steps. */
  readonly done: number;
  /** How many there will be at most; null when that is not known. */
  readonly of: number | null;
}

export interface PreparedData {
  readonly source: string;
  readonly licence: string;
  readonly tokenizer: BlobRef;
  readonly vocabSize: number;
  readonly train: readonly ShardRef[];
  readonly heldOut: ShardRef;
}

const SHARD_TOKENS = 49_152;
/** The manifest lists at most 10,000 shards. */
const MAX_SHARDS = 10_000;
/** Bumped when the same text and options would give other bytes. */
const FORMAT = 2;

/**
 * Tokenizer and shards of a run, ready for the manifest. This is synchronous work of seconds to minutes, so a host does
 * it in a thread (prepare-thread.ts). Throws HostFault or TokenizerError.
 */
export async function prepareData(dataDir: string, options: PrepareOptions): Promise<PreparedData> {
  const progress = (stage: PrepareProgress['stage'], done = 0, of: number | null = null): void =>
    options.onProgress?.({ stage, done, of });
  progress('reading');
  const corpus = loadCorpus(options.source, {
    onFile: (files) => progress('reading', files),
    onListing: (listing) => options.onText?.(listing),
  });
  const blobs = new BlobFolder(dataDir);
  const indexPath = join(dataDir, `prepared-${await fingerprint(corpus, options)}.json`);
  const known = readIndex(indexPath, blobs);
  if (known !== null) {
    progress('done');
    return known;
  }

  progress('tokenizer');
  const tokenizer = trainBpe(textsOf(corpus.train), {
    vocabSize: options.vocabSize,
    onProgress: (merges, of) => progress('tokenizer', merges, of),
  });
  const tokenizerRef = await blobs.write(tokenizer.toJson());

  const documents = corpus.train.length + corpus.heldOut.length;
  const encoded = (before: number) => (done: number) => progress('encoding', before + done, documents);
  const train = encodeAll(corpus.train, tokenizer, encoded(0));
  const heldOut = encodeAll(corpus.heldOut, tokenizer, encoded(corpus.train.length));
  for (const [of, { length }] of [['training', train] as const, ['held-out', heldOut] as const]) {
    if (length < options.sequence + 1)
      throw fault('too-few-tokens', { of, tokens: length, sequence: options.sequence });
  }

  // Equal shards, so that none is too short for a window.
  const wanted = Math.max(options.shardTokens ?? SHARD_TOKENS, options.sequence + 1);
  const count = Math.max(1, Math.min(MAX_SHARDS, Math.floor(train.length / wanted)));
  const shards: ShardRef[] = [];
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * train.length) / count);
    const to = Math.floor(((i + 1) * train.length) / count);
    shards.push(await writeShard(blobs, train.subarray(from, to)));
    progress('writing', i + 1, count);
  }
  const prepared: PreparedData = {
    source: corpus.source,
    licence: corpus.licence,
    tokenizer: tokenizerRef,
    vocabSize: tokenizer.vocabSize,
    train: shards,
    heldOut: await writeShard(blobs, heldOut),
  };
  writeAtomically(indexPath, new TextEncoder().encode(JSON.stringify(prepared, hashesAsHex, 1)));
  progress('done');
  return prepared;
}

async function writeShard(blobs: BlobFolder, tokens: Uint16Array): Promise<ShardRef> {
  return { ...(await blobs.write(encodeShard(tokens))), tokens: tokens.length };
}

/** One text after another, so that only one is a string at a time. */
function* textsOf(documents: readonly Document[]): Iterable<string> {
  for (const { text } of documents) yield text;
}

/** All documents in one stream, each followed by end-of-text. */
function encodeAll(
  documents: readonly Document[],
  tokenizer: Tokenizer,
  progress: (done: number) => void,
): Uint16Array {
  const parts: Uint16Array[] = [];
  for (const [i, document] of documents.entries()) {
    parts.push(tokenizer.encode(document.text));
    progress(i + 1);
  }
  const out = new Uint16Array(parts.reduce((n, part) => n + part.length + 1, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
    out[at++] = tokenizer.endOfText;
  }
  return out;
}

/** Names the preparation: text, options and format. */
async function fingerprint(corpus: Corpus, options: PrepareOptions): Promise<string> {
  const utf8 = new TextEncoder();
  const hashes: string[] = [];
  for (const { name, text } of [...corpus.train, ...corpus.heldOut])
    hashes.push(name, toHex(await sha256(utf8.encode(text))));
  const { vocabSize, sequence, shardTokens } = options;
  const key = JSON.stringify([FORMAT, vocabSize, sequence, shardTokens ?? SHARD_TOKENS, hashes]);
  return toHex(await sha256(utf8.encode(key))).slice(0, 32);
}

const hashesAsHex = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array ? toHex(value) : value;

const Hex = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/),
  v.transform((hex) => fromHex(hex)),
);
const Count = v.pipe(v.number(), v.integer(), v.minValue(1));
const StoredBlob = v.object({ hash: Hex, size: Count });
const StoredShard = v.object({ ...StoredBlob.entries, tokens: Count });
const Stored = v.object({
  source: v.string(),
  licence: v.string(),
  tokenizer: StoredBlob,
  vocabSize: Count,
  train: v.pipe(v.array(StoredShard), v.minLength(1)),
  heldOut: StoredShard,
});

/** A finished preparation whose blobs are all still there; null means "do it again". */
function readIndex(path: string, folder: BlobFolder): PreparedData | null {
  if (!existsSync(path)) return null;
  try {
    const stored = v.parse(Stored, JSON.parse(readFileSync(path, 'utf8')));
    const blobs = [stored.tokenizer, stored.heldOut, ...stored.train];
    return blobs.every((blob) => folder.has(blob)) ? stored : null;
  } catch {
    return null; // half-written or foreign: the index is only a cache
  }
}

/** Not flushed: the index is only a cache, and one that a power cut tore is not read. */
function writeAtomically(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, bytes);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
