/**
 * Trains a byte-level BPE vocabulary (Sennrich et al. 2016 on bytes, as GPT-2 does).
 *
 * Text is cut into words by GPT-2's pattern; each distinct word is kept once with its count; then the most frequent
 * adjacent pair is merged until the vocabulary is full. Pair counts are updated only in the words that contain the
 * merged pair, and a heap with lazy deletion finds the next pair, so that 10 MB of text takes a second or two.
 * Ties go to the pair with the smaller ids, so that the same text gives the same vocabulary everywhere.
 */
import { BinaryHeap } from './heap.ts';
import { FIRST_MERGE, MAX_VOCABULARY, splitWords, Tokenizer, TokenizerError } from './tokenizer.ts';

export interface BpeTrainOptions {
  /** Tokens in all: 256 bytes, end-of-text, and merges. Fewer come out when no pair occurs often enough. */
  readonly vocabSize: number;
  /** A pair must occur at least this often to be merged. Default 2. */
  readonly minCount?: number;
}

/** A pair `(a, b)` as one number; ids are below 2^16. */
const pairKey = (a: number, b: number): number => a * MAX_VOCABULARY + b;

interface Candidate {
  readonly pair: number;
  readonly count: number;
}

/** Learns a tokenizer from texts. Throws {@link TokenizerError} on an impossible vocabulary size. */
export function trainBpe(texts: Iterable<string>, options: BpeTrainOptions): Tokenizer {
  const { vocabSize, minCount = 2 } = options;
  if (!Number.isInteger(vocabSize) || vocabSize < FIRST_MERGE || vocabSize > MAX_VOCABULARY) {
    throw new TokenizerError(
      `vocabulary size ${vocabSize} must be a whole number from ${FIRST_MERGE} to ${MAX_VOCABULARY}`,
    );
  }
  const { words, counts } = countWords(texts);

  const pairCounts = new Map<number, number>();
  const pairWords = new Map<number, Set<number>>();
  const change = (pair: number, word: number, delta: number): void => {
    pairCounts.set(pair, (pairCounts.get(pair) ?? 0) + delta);
    if (delta <= 0) return;
    const where = pairWords.get(pair);
    if (where === undefined) pairWords.set(pair, new Set([word]));
    else where.add(word);
  };
  words.forEach((symbols, word) => {
    for (let i = 0; i + 1 < symbols.length; i++)
      change(pairKey(symbols[i], symbols[i + 1]), word, counts[word]);
  });

  const heap = new BinaryHeap<Candidate>((a, b) =>
    a.count === b.count ? a.pair < b.pair : a.count > b.count,
  );
  for (const [pair, count] of pairCounts) if (count >= minCount) heap.push({ pair, count });

  const merges: [number, number][] = [];
  while (FIRST_MERGE + merges.length < vocabSize) {
    const best = heap.pop();
    if (best === undefined) break;
    const current = pairCounts.get(best.pair) ?? 0;
    if (current !== best.count) {
      // Stale: the count fell since it was pushed. Rises push anew, so a lower count is all it can be.
      if (current >= minCount && current < best.count) heap.push({ pair: best.pair, count: current });
      continue;
    }
    const a = Math.floor(best.pair / MAX_VOCABULARY);
    const b = best.pair % MAX_VOCABULARY;
    const merged = FIRST_MERGE + merges.length;
    merges.push([a, b]);
    const raised = new Set<number>();
    for (const word of pairWords.get(best.pair) ?? []) {
      const symbols = words[word];
      const count = counts[word];
      // The whole word's pairs out, merge, and back in: words are short, and overlaps ("aaa") need no special care.
      if (!hasPair(symbols, a, b)) continue;
      for (let i = 0; i + 1 < symbols.length; i++) change(pairKey(symbols[i], symbols[i + 1]), word, -count);
      mergeInPlace(symbols, a, b, merged);
      for (let i = 0; i + 1 < symbols.length; i++) {
        const pair = pairKey(symbols[i], symbols[i + 1]);
        change(pair, word, count);
        // Only pairs with the new token can have become more frequent.
        if (symbols[i] === merged || symbols[i + 1] === merged) raised.add(pair);
      }
    }
    pairCounts.delete(best.pair);
    pairWords.delete(best.pair);
    for (const pair of raised) {
      const count = pairCounts.get(pair) ?? 0;
      if (count >= minCount) heap.push({ pair, count });
    }
  }
  return Tokenizer.fromMerges(merges);
}

function countWords(texts: Iterable<string>): { words: number[][]; counts: number[] } {
  const index = new Map<string, number>();
  const names: string[] = [];
  const counts: number[] = [];
  for (const text of texts) {
    splitWords(text, (word) => {
      const at = index.get(word);
      if (at === undefined) {
        index.set(word, counts.length);
        names.push(word);
        counts.push(1);
      } else {
        counts[at] = counts[at] + 1;
      }
    });
  }
  const utf8 = new TextEncoder();
  return { words: names.map((name) => Array.from(utf8.encode(name))), counts };
}

function hasPair(symbols: readonly number[], a: number, b: number): boolean {
  for (let i = 0; i + 1 < symbols.length; i++) if (symbols[i] === a && symbols[i + 1] === b) return true;
  return false;
}

/** Replaces every `a b`, from the left, by `merged`. */
function mergeInPlace(symbols: number[], a: number, b: number, merged: number): void {
  let to = 0;
  for (let from = 0; from < symbols.length; from++) {
    if (symbols[from] === a && from + 1 < symbols.length && symbols[from + 1] === b) {
      symbols[to++] = merged;
      from++;
    } else {
      symbols[to++] = symbols[from];
    }
  }
  symbols.length = to;
}
