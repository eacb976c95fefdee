/**
 * Trains a byte-level BPE vocabulary (Sennrich et al. 2016 on bytes, as GPT-2 does).
 *
 * Text is cut into words by GPT-2's pattern; each distinct word is kept once with its count; then the most frequent
 * adjacent pair is merged until the vocabulary is full. A list of places for each pair says where to merge, so that a
 * merge costs as much as it changes, however long the words are: a text without spaces is one word. A heap with lazy
 * deletion finds the next pair. Ties go to the pair with the smaller ids, so that the same text gives the same
 * vocabulary everywhere.
 */
import { BinaryHeap } from './heap.ts';
import {
  BYTE_TOKENS,
  FIRST_MERGE,
  MAX_VOCABULARY,
  splitWords,
  Tokenizer,
  TokenizerError,
} from './tokenizer.ts';

export interface BpeTrainOptions {
  /** Tokens in all: 256 bytes, end-of-text, and merges. Fewer come out when no pair occurs often enough. */
  readonly vocabSize: number;
  /** A pair must occur at least this often to be merged. Default 2. */
  readonly minCount?: number;
  /**
   * Longest token, in bytes. Default {@link MAX_TOKEN_BYTES}. Without a bound, "xxx…" would become tokens as long as the
   * text, and a text of few tokens.
   */
  readonly maxTokenBytes?: number;
  /** Told after every few merges how many are learned, of how many at most. */
  readonly onProgress?: (merges: number, of: number) => void;
}

/** No English word comes near; a file of 65,536 such tokens is still one that {@link Tokenizer.fromJson} reads. */
export const MAX_TOKEN_BYTES = 64;
/**
 * Distinct words are kept up to this many bytes in all, and take about twenty times as much memory. English does not
 * come near (10 MB have 0.4 MB of distinct words); in a script without spaces nearly every clause is a word of its own.
 */
const MAX_WORD_BYTES = 16 << 20;
const PROGRESS_EVERY = 32;

/** A pair `(a, b)` as one number; ids are below 2^16. */
const pairKey = (a: number, b: number): number => a * MAX_VOCABULARY + b;

interface Candidate {
  readonly pair: number;
  readonly count: number;
}

/** Learns a tokenizer from texts. Throws {@link TokenizerError} on an impossible vocabulary size. */
export function trainBpe(texts: Iterable<string>, options: BpeTrainOptions): Tokenizer {
  const { vocabSize, minCount = 2, maxTokenBytes = MAX_TOKEN_BYTES, onProgress } = options;
  if (!Number.isInteger(vocabSize) || vocabSize < FIRST_MERGE || vocabSize > MAX_VOCABULARY) {
    throw new TokenizerError(
      `vocabulary size ${vocabSize} must be a whole number from ${FIRST_MERGE} to ${MAX_VOCABULARY}`,
    );
  }
  const wanted = vocabSize - FIRST_MERGE;
  const learner = new MergeLearner(countWords(texts), minCount, maxTokenBytes);
  const merges: (readonly [number, number])[] = [];
  while (merges.length < wanted) {
    const pair = learner.next();
    if (pair === null) break;
    merges.push(pair);
    if (merges.length % PROGRESS_EVERY === 0) onProgress?.(merges.length, wanted);
  }
  return Tokenizer.fromMerges(merges);
}

/** Distinct words one behind the other, as bytes, with their counts. */
interface Words {
  readonly bytes: Uint8Array;
  /** Where each word begins, and where the last one ends. */
  readonly starts: readonly number[];
  readonly counts: readonly number[];
}

/**
 * All symbols of all distinct words, as a linked list for each word. A symbol is named by the place of its first byte.
 * Pair counts are exact at any time: the number of adjacent places that hold the pair, by the counts of their words.
 */
class MergeLearner {
  readonly #symbols: Uint16Array;
  /** Place of the symbol before and behind; -1 at a word's ends. */
  readonly #previous: Int32Array;
  readonly #next: Int32Array;
  /** Count of the word that a place belongs to. */
  readonly #weights: Float64Array;
  readonly #counts = new Map<number, number>();
  /**
   * Where a pair begins, in ascending order, with places that hold it no more. Only the merge that makes the newer of a
   * pair's two tokens adds places to it, so a list is complete from then on, and its count can only fall.
   */
  readonly #places = new Map<number, Int32Array | number[]>();
  readonly #heap = new BinaryHeap<Candidate>((a, b) =>
    a.count === b.count ? a.pair < b.pair : a.count > b.count,
  );
  readonly #minCount: number;
  readonly #maxTokenBytes: number;
  /** Bytes of each token. */
  readonly #lengths: number[] = [...new Array<number>(BYTE_TOKENS).fill(1), 0];

  constructor({ bytes, starts, counts }: Words, minCount: number, maxTokenBytes: number) {
    this.#minCount = minCount;
    this.#maxTokenBytes = maxTokenBytes;
    const n = bytes.length;
    this.#symbols = Uint16Array.from(bytes);
    this.#previous = new Int32Array(n);
    this.#next = new Int32Array(n);
    this.#weights = new Float64Array(n);
    counts.forEach((count, word) => {
      const [begin, end] = [starts[word], starts[word + 1]];
      for (let at = begin; at < end; at++) {
        this.#previous[at] = at === begin ? -1 : at - 1;
        this.#next[at] = at + 1 === end ? -1 : at + 1;
        this.#weights[at] = count;
      }
    });
    this.#findBytePairs();
  }

  /** Merges the most frequent pair everywhere, and says which it was; null when none occurs often enough. */
  next(): readonly [number, number] | null {
    for (let best = this.#heap.pop(); best !== undefined; best = this.#heap.pop()) {
      const { pair } = best;
      const count = this.#counts.get(pair) ?? 0;
      const [a, b] = [Math.floor(pair / MAX_VOCABULARY), pair % MAX_VOCABULARY];
      const length = this.#lengths[a] + this.#lengths[b];
      if (count < this.#minCount || length > this.#maxTokenBytes) this.#forget(pair);
      // The count fell since it was pushed.
      else if (count !== best.count) this.#heap.push({ pair, count });
      else {
        this.#merge(a, b, this.#lengths.push(length) - 1);
        return [a, b];
      }
    }
    return null;
  }

  #forget(pair: number): void {
    this.#counts.delete(pair);
    this.#places.delete(pair);
  }

  /** Counts the pairs of bytes, and lists their places in one array, pair behind pair. */
  #findBytePairs(): void {
    const occurrences = new Int32Array(BYTE_TOKENS * BYTE_TOKENS);
    const counts = new Float64Array(BYTE_TOKENS * BYTE_TOKENS);
    const [symbols, next] = [this.#symbols, this.#next];
    for (let at = 0; at < symbols.length; at++) {
      if (next[at] < 0) continue;
      const pair = symbols[at] * BYTE_TOKENS + symbols[next[at]];
      occurrences[pair]++;
      counts[pair] += this.#weights[at];
    }
    const places = new Int32Array(occurrences.reduce((sum, n) => sum + n, 0));
    const ends = new Int32Array(occurrences.length);
    let begin = 0;
    occurrences.forEach((n, pair) => {
      ends[pair] = begin;
      if (counts[pair] >= this.#minCount) {
        const key = pairKey(Math.floor(pair / BYTE_TOKENS), pair % BYTE_TOKENS);
        this.#places.set(key, places.subarray(begin, begin + n));
        this.#counts.set(key, counts[pair]);
        this.#heap.push({ pair: key, count: counts[pair] });
      }
      begin += n;
    });
    for (let at = 0; at < symbols.length; at++)
      if (next[at] >= 0) places[ends[symbols[at] * BYTE_TOKENS + symbols[next[at]]]++] = at;
  }

  /** Replaces every `a b` by `merged`, in each word from the left, so that "aaa" becomes "(aa)a". */
  #merge(a: number, b: number, merged: number): void {
    const [symbols, previous, next, weights] = [this.#symbols, this.#previous, this.#next, this.#weights];
    const made = new Map<number, number[]>();
    const pair = pairKey(a, b);
    const places = this.#places.get(pair) ?? [];
    this.#forget(pair);
    for (const at of places) {
      const gone = next[at];
      // Swallowed by another merge, or changed by one: the place holds this pair no more.
      if (symbols[at] !== a || gone < 0 || symbols[gone] !== b) continue;
      const weight = weights[at];
      const before = previous[at];
      const after = next[gone];
      if (before >= 0) {
        this.#change(pairKey(symbols[before], a), -weight);
        this.#make(made, pairKey(symbols[before], merged), before, weight);
      }
      if (after >= 0) {
        this.#change(pairKey(b, symbols[after]), -weight);
        this.#make(made, pairKey(merged, symbols[after]), at, weight);
        previous[after] = at;
      }
      symbols[at] = merged;
      next[at] = after;
      symbols[gone] = GONE;
      next[gone] = -1;
    }
    for (const [newPair, at] of made) {
      const count = this.#counts.get(newPair) ?? 0;
      if (count < this.#minCount) this.#counts.delete(newPair);
      else {
        this.#places.set(newPair, at);
        this.#heap.push({ pair: newPair, count });
      }
    }
  }

  /** Pairs that were too rare from the start have no count. */
  #change(pair: number, by: number): void {
    const count = this.#counts.get(pair);
    if (count !== undefined) this.#counts.set(pair, count + by);
  }

  #make(made: Map<number, number[]>, pair: number, at: number, weight: number): void {
    const places = made.get(pair);
    if (places === undefined) {
      made.set(pair, [at]);
      this.#counts.set(pair, weight);
    } else {
      places.push(at);
      this.#change(pair, weight);
    }
  }
}

/** Stands where a symbol was swallowed by the one before it: end-of-text, which is in no pair. */
const GONE = BYTE_TOKENS;

function countWords(texts: Iterable<string>): Words {
  const index = new Map<string, number>();
  const counts: number[] = [];
  const starts = [0];
  let bytes = new Uint8Array(1 << 16);
  let size = 0;
  const utf8 = new TextEncoder();
  const add = (word: string): void => {
    const room = Math.min(MAX_WORD_BYTES, size + LONGEST_CHARACTER * word.length);
    if (room > bytes.length) {
      const grown = new Uint8Array(Math.min(MAX_WORD_BYTES, 2 * room));
      grown.set(bytes.subarray(0, size));
      bytes = grown;
    }
    // Of a word that has no room left, as much as there is room for.
    const { written } = utf8.encodeInto(word, bytes.subarray(size));
    size += written;
    starts.push(size);
    index.set(word, counts.push(1) - 1);
  };
  for (const text of texts) {
    splitWords(text, (word) => {
      const at = index.get(word);
      if (at !== undefined) counts[at]++;
      else if (size + LONGEST_CHARACTER <= MAX_WORD_BYTES) add(word);
    });
  }
  return { bytes: bytes.subarray(0, size), starts, counts };
}

/** UTF-8 bytes of one UTF-16 code unit, at most. */
const LONGEST_CHARACTER = 3;
