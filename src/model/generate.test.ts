/** Sampling's rules, and the cached decoder against the whole-sequence graph. */
import * as ort from 'onnxruntime-web';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GenerationError, generate, GREEDY, type NextToken, pickToken } from './generate.ts';
import { createOrtDecoder } from './generate-ort.ts';
import { parameterLayout } from './layout.ts';
import { exportOnnx, ONNX_OUTPUT, ONNX_TOKENS } from './onnx.ts';
import { preset } from './presets.ts';
import { createRandom } from './random.ts';
import { Tokenizer } from './tokenizer.ts';

const random = (seed = 1) => createRandom(new Uint8Array(16).fill(seed));
const logitsOf = fc
  .array(fc.integer({ min: -200, max: 200 }), { minLength: 1, maxLength: 40 })
  .map((values) => values.map((x) => x / 10));

describe('pickToken', () => {
  it('greedy takes the largest logit, the lowest id among equals', () => {
    fc.assert(
      fc.property(logitsOf, (values) => {
        const logits = Float32Array.from(values);
        expect(pickToken(logits, GREEDY, random())).toBe(logits.indexOf(Math.max(...logits)));
      }),
    );
  });

  it('draws only from the smallest set of tokens that holds the share top-p', () => {
    fc.assert(
      fc.property(logitsOf, fc.double({ min: 0.01, max: 1, noNaN: true }), fc.nat(), (values, topP, seed) => {
        const logits = Float32Array.from(values);
        const picked = pickToken(logits, { temperature: 0.9, topP }, random(1 + (seed % 255)));
        const p = (i: number) => Math.exp((logits[i] - Math.max(...logits)) / 0.9);
        const sum = Array.from(logits.keys(), p).reduce((a, b) => a + b);
        const likelier = [...logits.keys()].filter((i) => logits[i] > logits[picked]);
        // Everything likelier than the pick still leaves room in the nucleus.
        expect(likelier.reduce((a, i) => a + p(i), 0)).toBeLessThan(topP * sum + 1e-9);
      }),
    );
  });

  it('follows the probabilities and the seed', () => {
    const logits = Float32Array.of(Math.log(1), Math.log(2), Math.log(5));
    const source = random(7);
    const counts = [0, 0, 0];
    for (let i = 0; i < 8000; i++) counts[pickToken(logits, { temperature: 1, topP: 1 }, source)]++;
    expect(counts.map((n) => Math.round(n / 1000))).toEqual([1, 2, 5]);
    const draw = (r = random(9)) =>
      Array.from({ length: 50 }, () => pickToken(logits, { temperature: 1, topP: 1 }, r));
    expect(draw()).toEqual(draw());
  });

  it('says so when the model gives no numbers', () => {
    expect(() => pickToken(Float32Array.of(1, Number.NaN), GREEDY, random())).toThrow(GenerationError);
  });
});

describe('generate', () => {
  const tokenizer = Tokenizer.fromMerges([[104, 105]]);
  /** Says the tokens of `script` in order, then end-of-text. */
  const scripted = (script: readonly number[], context = 100): NextToken & { readonly fed: number[][] } => {
    let said = 0;
    const fed: number[][] = [];
    let used = 0;
    return {
      fed,
      context,
      get used() {
        return used;
      },
      feed: async (tokens) => {
        fed.push([...tokens]);
        used += tokens.length;
        const logits = new Float32Array(320);
        logits[script[said++] ?? tokenizer.endOfText] = 1;
        return logits;
      },
      reset: () => {
        used = 0;
      },
    };
  };
  const run = async (model: NextToken, prompt: string, maxTokens = 50, stopAfter = 1e9) => {
    const pieces: string[] = [];
    let asked = 0;
    const result = await generate({
      model,
      tokenizer,
      prompt,
      maxTokens,
      sampling: GREEDY,
      random: random(),
      stopped: () => asked++ >= stopAfter,
      onText: (piece) => pieces.push(piece),
    });
    return { ...result, pieces };
  };

  it('hands out whole characters only, and nothing for padding tokens', async () => {
    const bytes = [...new TextEncoder().encode('é🐝')];
    const { pieces, ended } = await run(scripted([257, ...bytes, 300, 0xe2]), 'x');
    expect(pieces).toEqual(['hi', 'é', '🐝', '\ufffd']);
    expect(ended).toBe('end');
  });

  it('begins a new text for an empty prompt, and ends by length or when asked', async () => {
    const model = scripted([65, 66, 67, 68]);
    expect((await run(model, '', 3)).ended).toBe('length');
    expect(model.fed[0]).toEqual([tokenizer.endOfText]);
    expect((await run(scripted([65, 66, 67]), 'a', 50, 2)).tokens).toEqual([65, 66]);
    expect((await run(scripted([65, 66, 67]), 'a', 50, 2)).ended).toBe('stopped');
  });

  it('does not end a text of its own before it began', async () => {
    const { tokens, ended } = await run(scripted([tokenizer.endOfText, 66]), '');
    expect(tokens).toHaveLength(2);
    expect(ended).toBe('end');
    expect((await run(scripted([tokenizer.endOfText]), 'x')).tokens).toEqual([]);
  });

  it('goes on with the newest half when the memory is full, and cuts a long prompt', async () => {
    const model = scripted(
      Array.from({ length: 30 }, (_, i) => 65 + (i % 20)),
      8,
    );
    const { tokens } = await run(model, 'abcdefghijklmnop', 30);
    expect(tokens).toHaveLength(30);
    expect(model.fed[0]).toHaveLength(4);
    // Each time the memory is full, the last four tokens of the text are read again.
    const again = model.fed.findIndex((f, i) => i > 0 && f.length > 1);
    expect(model.fed[again]).toEqual(tokens.slice(again - 4, again));
    expect(model.fed.every((f) => f.length === 4 || f.length === 1)).toBe(true);
  });
});

describe('the cached decoder', () => {
  // More heads than key/value heads, and an untied head.
  const config = { ...preset('tiny').model, heads: 4, kvHeads: 4, hiddenSize: 64, tiedEmbeddings: false };
  const grouped = { ...preset('1m').model, layers: 2, vocabSize: 512 };

  it.each([config, grouped])(
    'gives the logits of the whole sequence, whatever the pieces ($heads/$kvHeads)',
    async (model) => {
      const sequence = 12;
      const flat = Float32Array.from(
        { length: parameterLayout(model).elements },
        (_, i) => 0.2 * Math.sin(i * i),
      );
      const tokens = Int32Array.from({ length: sequence }, (_, i) => (i * 37) % model.vocabSize);
      const whole = exportOnnx(model, { batch: 1, sequence, output: 'logits', weights: flat });
      const session = await ort.InferenceSession.create(whole.bytes, { executionProviders: ['wasm'] });
      const output = (await session.run({ [ONNX_TOKENS]: new ort.Tensor('int32', tokens, [1, sequence]) }))[
        ONNX_OUTPUT
      ];
      const expected = output.data as Float32Array;
      const decoder = await createOrtDecoder(ort, model, flat, { backend: 'wasm', context: sequence });
      for (const pieces of [[12], [5, 7], [3, 1, 1, 1, 6], Array.from({ length: 12 }, () => 1)]) {
        decoder.reset();
        let at = 0;
        for (const size of pieces) {
          const logits = await decoder.feed(tokens.slice(at, at + size));
          at += size;
          const row = expected.subarray((at - 1) * model.vocabSize, at * model.vocabSize);
          const worst = Math.max(...logits.map((x, i) => Math.abs(x - row[i])));
          expect(worst).toBeLessThan(1e-4 * Math.max(...row.map(Math.abs)));
        }
      }
      await expect(decoder.feed(Int32Array.of(1))).rejects.toThrow(/do not fit/);
      await decoder.close();
      await session.release();
    },
  );
});
