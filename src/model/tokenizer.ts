/**
 * The run's tokenizer: byte-level BPE with GPT-2's word pattern, read from and written as Hugging Face `tokenizer.json`.
 *
 * Ids: 0..255 are the bytes, 256 is end-of-text, then the merges in the order they were learned (files from elsewhere
 * may number their tokens in any order). Every byte is a token, so any text encodes and decodes without loss.
 */
import { BinaryHeap } from './heap.ts';

export const END_OF_TEXT = '<|endoftext|>';
/** Byte tokens come first; end-of-text has this id in vocabularies that we train. */
export const BYTE_TOKENS = 256;
/** Id of the first merge in vocabularies that we train. */
export const FIRST_MERGE = BYTE_TOKENS + 1;
/** Shards hold token ids as u16. */
export const MAX_VOCABULARY = 65_536;
/** A GPT-2 sized tokenizer.json is 2 MB. */
export const MAX_TOKENIZER_BYTES = 16 << 20;

/** A tokenizer file or setting that cannot be used; the message says which part. */
export class TokenizerError extends Error {
  static override readonly name = 'TokenizerError';
  override readonly name = 'TokenizerError';
}

/** GPT-2's pre-tokenisation (openai/gpt-2, encoder.py), the same that Hugging Face's `ByteLevel` uses. */
const WORD = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Calls `use` with each word of `text` in order; the words together are the text. */
export function splitWords(text: string, use: (word: string) => void): void {
  for (const match of text.matchAll(WORD)) use(match[0]);
}

/**
 * GPT-2's printable stand-ins for the 256 bytes: printable Latin-1 stands for itself, the rest is U+0100 and up. It
 * lets a vocabulary of byte strings be written as JSON.
 */
const { byteToChar, charToByte } = (() => {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  const byteToChar: string[] = [];
  let next = 256;
  for (let b = 0; b < 256; b++) byteToChar.push(String.fromCharCode(printable(b) ? b : next++));
  return { byteToChar, charToByte: new Map(byteToChar.map((char, byte) => [char, byte])) };
})();

const utf8 = new TextEncoder();
/** Words seen before are looked up; the cap keeps a hostile text from filling memory. */
const CACHE_WORDS = 1 << 17;
const CACHE_WORD_LENGTH = 64;
/** More than bytes in a word, and exact in a double with any rank before it. */
const PLACES = 2 ** 32;

export class Tokenizer {
  readonly vocabSize: number;
  readonly endOfText: number;
  /** The bytes of each token; empty for end-of-text, which stands for no text. */
  readonly #bytes: readonly Uint8Array[];
  readonly #byteIds: Uint16Array;
  readonly #merges: readonly (readonly [number, number])[];
  /** Pair of ids (as one number) to its rank, and the token that each rank makes. */
  readonly #ranks: ReadonlyMap<number, number>;
  readonly #results: readonly number[];
  readonly #cache = new Map<string, Uint16Array>();

  private constructor(parts: {
    bytes: readonly Uint8Array[];
    byteIds: Uint16Array;
    endOfText: number;
    merges: readonly (readonly [number, number])[];
    results: readonly number[];
  }) {
    this.vocabSize = parts.bytes.length;
    this.endOfText = parts.endOfText;
    this.#bytes = parts.bytes;
    this.#byteIds = parts.byteIds;
    this.#merges = parts.merges;
    this.#results = parts.results;
    this.#ranks = new Map(parts.merges.map(([a, b], rank) => [a * MAX_VOCABULARY + b, rank]));
  }

  /** The vocabulary that `merges` make: merge i joins two earlier tokens into token `FIRST_MERGE + i`. */
  static fromMerges(merges: readonly (readonly [number, number])[]): Tokenizer {
    const bytes: Uint8Array[] = Array.from({ length: BYTE_TOKENS }, (_, b) => Uint8Array.of(b));
    bytes.push(new Uint8Array(0));
    const results = merges.map(([a, b], rank) => {
      const left = bytes[a];
      const right = bytes[b];
      if (left === undefined || right === undefined || a === BYTE_TOKENS || b === BYTE_TOKENS)
        throw new TokenizerError(`merge ${rank} joins tokens that do not exist yet (${a}, ${b})`);
      const joined = new Uint8Array(left.length + right.length);
      joined.set(left);
      joined.set(right, left.length);
      return bytes.push(joined) - 1;
    });
    const byteIds = Uint16Array.from({ length: BYTE_TOKENS }, (_, b) => b);
    return new Tokenizer({ bytes, byteIds, endOfText: BYTE_TOKENS, merges, results });
  }

  /** Reads a `tokenizer.json`. Throws {@link TokenizerError} on anything it could not encode exactly with. */
  static fromJson(file: Uint8Array | string): Tokenizer {
    return new Tokenizer(parseTokenizerJson(file));
  }

  /** Hugging Face `tokenizer.json`, the same bytes for the same vocabulary. */
  toJson(): Uint8Array<ArrayBuffer> {
    const names = this.#bytes.map((bytes, id) => (id === this.endOfText ? END_OF_TEXT : display(bytes)));
    const special = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    return utf8.encode(
      JSON.stringify({
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: [{ id: this.endOfText, content: END_OF_TEXT, ...special }],
        normalizer: null,
        pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
        post_processor: null,
        decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
        model: {
          type: 'BPE',
          dropout: null,
          unk_token: null,
          continuing_subword_prefix: '',
          end_of_word_suffix: '',
          fuse_unk: false,
          byte_fallback: false,
          ignore_merges: false,
          vocab: Object.fromEntries(names.map((name, id) => [name, id])),
          merges: this.#merges.map(([a, b]) => [names[a], names[b]]),
        },
      }),
    );
  }

  /** Token ids of `text`. `<|endoftext|>` inside it is plain text here: only {@link endOfText} separates documents. */
  encode(text: string): Uint16Array<ArrayBuffer> {
    let out = new Uint16Array(Math.max(16, text.length >> 1));
    let size = 0;
    splitWords(text, (word) => {
      const ids = this.#encodeWord(word);
      if (size + ids.length > out.length) {
        const grown = new Uint16Array(2 * (size + ids.length));
        grown.set(out.subarray(0, size));
        out = grown;
      }
      if (ids.length === 1) out[size] = ids[0];
      else out.set(ids, size);
      size += ids.length;
    });
    return out.slice(0, size);
  }

  /** Text of `ids`; end-of-text gives nothing, a cut UTF-8 sequence gives U+FFFD. Ids past the vocabulary throw RangeError. */
  decode(ids: ArrayLike<number>): string {
    let size = 0;
    for (let i = 0; i < ids.length; i++) size += this.tokenBytes(ids[i]).length;
    const joined = new Uint8Array(size);
    let at = 0;
    for (let i = 0; i < ids.length; i++) {
      const bytes = this.tokenBytes(ids[i]);
      joined.set(bytes, at);
      at += bytes.length;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(joined);
  }

  /** The bytes that one token stands for. */
  tokenBytes(id: number): Uint8Array {
    const bytes = this.#bytes[id];
    if (bytes === undefined)
      throw new RangeError(`token id ${id} is outside the vocabulary of ${this.vocabSize}`);
    return bytes;
  }

  #encodeWord(word: string): Uint16Array {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const ids = this.#merge(utf8.encode(word));
    if (word.length <= CACHE_WORD_LENGTH && this.#cache.size < CACHE_WORDS) this.#cache.set(word, ids);
    return ids;
  }

  /** Lowest rank first, leftmost first among equals: a linked list of symbols and a heap of pairs, O(n log n). */
  #merge(bytes: Uint8Array): Uint16Array {
    const n = bytes.length;
    const symbols = Uint16Array.from(bytes, (b) => this.#byteIds[b]);
    if (n < 2) return symbols;
    const next = Int32Array.from({ length: n }, (_, i) => (i + 1 < n ? i + 1 : -1));
    const previous = Int32Array.from({ length: n }, (_, i) => i - 1);
    const alive = new Uint8Array(n).fill(1);
    const rankAt = (i: number): number | undefined => {
      const j = next[i];
      return j < 0 ? undefined : this.#ranks.get(symbols[i] * MAX_VOCABULARY + symbols[j]);
    };
    // Rank and place in one number: a long word has millions of them.
    const heap = new BinaryHeap<number>((a, b) => a < b);
    const offer = (i: number): void => {
      const rank = rankAt(i);
      if (rank !== undefined) heap.push(rank * PLACES + i);
    };
    for (let i = 0; i + 1 < n; i++) offer(i);
    let length = n;
    for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
      const [rank, i] = [Math.floor(top / PLACES), top % PLACES];
      if (alive[i] === 0 || rankAt(i) !== rank) continue;
      const gone = next[i];
      const after = next[gone];
      symbols[i] = this.#results[rank];
      alive[gone] = 0;
      next[i] = after;
      if (after >= 0) previous[after] = i;
      length--;
      offer(i);
      const before = previous[i];
      if (before >= 0) offer(before);
    }
    const out = new Uint16Array(length);
    for (let i = 0, to = 0; i >= 0; i = next[i]) out[to++] = symbols[i];
    return out;
  }
}

const display = (bytes: Uint8Array): string => {
  let name = '';
  for (const byte of bytes) name += byteToChar[byte];
  return name;
};

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Checks by hand, since schema libraries drop keys such as "constructor" from records, which are fine token names.
 */
function parseTokenizerJson(file: Uint8Array | string) {
  const size = typeof file === 'string' ? file.length : file.byteLength;
  if (size > MAX_TOKENIZER_BYTES)
    throw new TokenizerError(`tokenizer file of ${size} bytes is larger than ${MAX_TOKENIZER_BYTES}`);
  let json: unknown;
  try {
    json = JSON.parse(
      typeof file === 'string' ? file : new TextDecoder('utf-8', { fatal: true }).decode(file),
    );
  } catch (cause) {
    throw new TokenizerError('tokenizer file is not UTF-8 JSON', { cause });
  }
  if (!isObject(json) || !isObject(json.model))
    throw new TokenizerError('tokenizer file has no "model" object');
  const { model, pre_tokenizer: pre } = json;
  if (model.type !== 'BPE') throw new TokenizerError(`tokenizer model "${String(model.type)}" is not "BPE"`);
  if (!isObject(pre) || pre.type !== 'ByteLevel' || pre.add_prefix_space !== false || pre.use_regex === false)
    throw new TokenizerError(
      'only the "ByteLevel" pre-tokenizer with its regex and without prefix space is supported',
    );
  if (json.normalizer !== null && json.normalizer !== undefined)
    throw new TokenizerError('tokenizers with a normalizer are not supported');
  for (const key of ['unk_token', 'continuing_subword_prefix', 'end_of_word_suffix', 'dropout'] as const)
    if (model[key]) throw new TokenizerError(`tokenizer setting "${key}" is not supported`);
  if (model.ignore_merges === true)
    throw new TokenizerError('tokenizer setting "ignore_merges" is not supported');
  if (!isObject(model.vocab)) throw new TokenizerError('tokenizer vocabulary is not an object');

  const added = Array.isArray(json.added_tokens) ? json.added_tokens : [];
  if (added.length > 1 || added.some((t) => !isObject(t) || t.content !== END_OF_TEXT))
    throw new TokenizerError(`the only added token supported is ${END_OF_TEXT}`);
  const ids = new Map(Object.entries(model.vocab));
  const entries: [string, unknown][] = [...ids];
  if (added[0] !== undefined && !ids.has(END_OF_TEXT)) {
    entries.push([END_OF_TEXT, added[0].id]);
    ids.set(END_OF_TEXT, added[0].id);
  }
  if (entries.length < FIRST_MERGE || entries.length > MAX_VOCABULARY)
    throw new TokenizerError(
      `a vocabulary of ${entries.length} tokens is outside ${FIRST_MERGE}..${MAX_VOCABULARY}`,
    );
  if (!ids.has(END_OF_TEXT)) throw new TokenizerError(`the vocabulary lacks ${END_OF_TEXT}`);
  if (added[0] !== undefined && added[0].id !== ids.get(END_OF_TEXT))
    throw new TokenizerError(`${END_OF_TEXT} has two different ids`);

  const bytes = new Array<Uint8Array | undefined>(entries.length).fill(undefined);
  for (const [name, id] of entries) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= entries.length)
      throw new TokenizerError(
        `token "${name.slice(0, 40)}" has id ${String(id).slice(0, 20)}, not 0..${entries.length - 1}`,
      );
    if (bytes[id] !== undefined) throw new TokenizerError(`two tokens have id ${id}`);
    bytes[id] = name === END_OF_TEXT ? new Uint8Array(0) : fromDisplay(name);
  }
  const idOf = (name: string): number => ids.get(name) as number;
  const byteIds = Uint16Array.from(byteToChar, (char, byte) => {
    if (!ids.has(char)) throw new TokenizerError(`the vocabulary lacks byte ${byte}`);
    return idOf(char);
  });

  if (!Array.isArray(model.merges)) throw new TokenizerError('tokenizer merges are not a list');
  if (model.merges.length > MAX_VOCABULARY)
    throw new TokenizerError(`${model.merges.length} merges are too many`);
  const seen = new Set<number>();
  const results: number[] = [];
  const merges = model.merges.map((merge: unknown, rank): readonly [number, number] => {
    const pair = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || pair.some((p) => typeof p !== 'string'))
      throw new TokenizerError(`merge ${rank} is not a pair of tokens`);
    const [left, right] = pair as [string, string];
    if (
      left === END_OF_TEXT ||
      right === END_OF_TEXT ||
      ![left, right, left + right].every((t) => ids.has(t))
    )
      throw new TokenizerError(`merge ${rank} names a token that is not in the vocabulary`);
    const key = idOf(left) * MAX_VOCABULARY + idOf(right);
    if (seen.has(key)) throw new TokenizerError(`merge ${rank} is listed twice`);
    seen.add(key);
    results.push(idOf(left + right));
    return [idOf(left), idOf(right)];
  });
  return { bytes: bytes as Uint8Array[], byteIds, endOfText: idOf(END_OF_TEXT), merges, results };
}

function fromDisplay(name: string): Uint8Array {
  const bytes = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) {
    const byte = charToByte.get(name[i]);
    if (byte === undefined)
      throw new TokenizerError(`token "${name.slice(0, 40)}" is not in GPT-2's byte alphabet`);
    bytes[i] = byte;
  }
  if (bytes.length === 0) throw new TokenizerError('the vocabulary has an empty token');
  return bytes;
}
