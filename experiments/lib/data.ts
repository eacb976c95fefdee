/** A corpus as bytes, and the micro-batches that a worker draws from it. Vocabulary 256: a token is a byte. */
import { sha256Sync } from '../../src/protocol/bytes.ts';
import {
  assignedBatches,
  assignmentSeed,
  gatherBatch,
  spacedSequences,
} from '../../src/training/assignment.ts';
import type { Batch } from '../../src/training/types.ts';
import type { RunSettings } from './settings.ts';

export interface ByteCorpus {
  /** All training documents, one after the other. */
  readonly train: Uint8Array;
  /** Bytes of each document. */
  readonly documents: readonly number[];
  readonly heldOut: Uint8Array;
}

const hash = (text: string) => sha256Sync(new TextEncoder().encode(text));

/** The part of the training text that a worker draws from. */
export function workerText(corpus: ByteCorpus, s: RunSettings, worker: number): Uint16Array {
  if (s.data === 'iid') return Uint16Array.from(corpus.train);
  const { documents } = corpus;
  if (documents.length < s.workers) {
    throw new RangeError(
      `${s.workers} workers cannot each have documents of their own: the text has ${documents.length}`,
    );
  }
  const boundary = (w: number) =>
    documents.slice(0, Math.floor((w * documents.length) / s.workers)).reduce((sum, n) => sum + n, 0);
  return Uint16Array.from(corpus.train.subarray(boundary(worker), boundary(worker + 1)));
}

/** A worker's micro-batches of a round: the same for every method with the same seed. */
export function workerBatches(
  text: Uint16Array,
  s: RunSettings,
  round: number,
  worker: number,
): Generator<Batch, never> {
  const seed = assignmentSeed(hash(`seed ${s.seed}`), round, hash(s.corpus), hash(`worker ${worker}`));
  const data = { shardTokens: [text.length], sequence: s.sequence };
  return assignedBatches(seed, data, s.batch, new Map([[0, text]]));
}

/** Batches one after the other as one. */
export function joinBatches(batches: readonly Batch[]): Batch {
  const length = batches.reduce((n, b) => n + b.tokens.length, 0);
  const tokens = new Int32Array(length);
  const targets = new Int32Array(length);
  let at = 0;
  for (const b of batches) {
    tokens.set(b.tokens, at);
    targets.set(b.targets, at);
    at += b.tokens.length;
  }
  return { tokens, targets };
}

/** Windows evenly spaced over the held-out text, in batches of `batch`. */
export function heldOutBatches(
  corpus: ByteCorpus,
  windows: number,
  batch: number,
  sequence: number,
): Batch[] {
  const text = Uint16Array.from(corpus.heldOut);
  const refs = spacedSequences(text.length, windows, sequence);
  return Array.from({ length: windows / batch }, (_, i) =>
    gatherBatch(refs.slice(i * batch, (i + 1) * batch), new Map([[0, text]]), sequence),
  );
}
