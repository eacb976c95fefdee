/**
 * Prepares a run's data once: trains the tokenizer, encodes the corpus, cuts it into shards, and writes everything by
 * its SHA-256 under the data folder.
 *
 * Everything is a pure function of the text and the options, so an interrupted run is simply done again: finished
 * blobs are recognised by name and not rewritten, and a finished preparation is found by its index file.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as v from 'valibot';
import { trainBpe } from '../model/bpe-train.ts';
import { encodeShard } from '../model/shards.ts';
import { Tokenizer } from '../model/tokenizer.ts';
import { fromHex, sha256, toHex } from '../protocol/bytes.ts';
import type { ShardRef } from '../protocol/manifest.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { BlobFolder } from './blob-folder.ts';
import { type Corpus, type Document, loadCorpus } from './corpus.ts';
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
  readonly signal?: AbortSignal;
}

export interface PrepareProgress {
  readonly stage: 'reading' | 'tokenizer' | 'encoding' | 'writing' | 'done';
  /** 0 to 1 within the stage. */
  readonly done: number;
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
const FORMAT = 1;

/**
 * Tokenizer and shards of a run, ready for the manifest. Throws HostFault or TokenizerError, and the signal's
 * reason when aborted.
 */
export async function prepareData(dataDir: string, options: PrepareOptions): Promise<PreparedData> {
  const progress = async (stage: PrepareProgress['stage'], done: number): Promise<void> => {
    options.onProgress?.({ stage, done });
    // Encoding is synchronous work; let the caller's server and signals have a turn.
    await nextTurn();
    options.signal?.throwIfAborted();
  };
  await progress('reading', 0);
  const corpus = loadCorpus(options.source);
  const blobs = new BlobFolder(dataDir);
  const indexPath = join(dataDir, `prepared-${await fingerprint(corpus, options)}.json`);
  const known = readIndex(indexPath, blobs);
  if (known !== null) {
    await progress('done', 1);
    return known;
  }

  await progress('tokenizer', 0);
  const tokenizer = trainBpe(
    corpus.train.map((document) => document.text),
    { vocabSize: options.vocabSize },
  );
  const tokenizerRef = await blobs.write(tokenizer.toJson());

  const train = await encodeAll(corpus.train, tokenizer, (done) => progress('encoding', 0.9 * done));
  const heldOut = await encodeAll(corpus.heldOut, tokenizer, (done) =>
    progress('encoding', 0.9 + 0.1 * done),
  );
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
    if (i % 16 === 0) await progress('writing', i / count);
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
  await progress('done', 1);
  return prepared;
}

async function writeShard(blobs: BlobFolder, tokens: Uint16Array): Promise<ShardRef> {
  return { ...(await blobs.write(encodeShard(tokens))), tokens: tokens.length };
}

/** All documents in one stream, each followed by end-of-text. */
async function encodeAll(
  documents: readonly Document[],
  tokenizer: Tokenizer,
  progress: (done: number) => Promise<void>,
): Promise<Uint16Array> {
  const parts: Uint16Array[] = [];
  for (const [i, document] of documents.entries()) {
    parts.push(tokenizer.encode(document.text));
    if (i % 16 === 0) await progress(i / documents.length);
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
  writeFileSync(temporary, bytes);
  renameSync(temporary, path);
}
