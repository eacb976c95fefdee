/**
 * The chat against the training engine: for one state root, greedy text from onnxruntime-web is token for token what
 * the engine's own logits give. Both run here: the engine on a (software) WebGPU device, the chat in WebAssembly.
 */
import * as ort from 'onnxruntime-web';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testGpu } from '../kernels/testing.ts';
import { encodeCheckpoint } from '../model/checkpoint.ts';
import { genesisTheta, thetaToFloat } from '../model/init.ts';
import { preset } from '../model/presets.ts';
import { Tokenizer } from '../model/tokenizer.ts';
import { toHex } from '../protocol/bytes.ts';
import { stateRoot } from '../sparseloco/state.ts';
import { createEngine, type WebGpuEngine } from '../training/engine.ts';
import { Chat } from './chat.ts';
import type { ChatOpenRequest } from './chat-api.ts';

const { model, training, sparseloco } = preset('tiny');
const { fractionBits } = sparseloco;
const SEQUENCE = training.sequence;
const TOKENS = 28;
const TEXT =
  'the swarm hums while the tabs train and the bees dance in the sun; a round ends, a round begins. ';
const PROMPTS = ['the swarm', 'a', ' round 7 ends, ', 'Zürich 🐝'] as const;

/** Bytes, and a few merges so that tokens are of different lengths. */
const pair = (text: string) => [...new TextEncoder().encode(text)] as [number, number];
const tokenizer = Tokenizer.fromMerges([pair('th'), [257, 0x65], [0x20, 258], pair('an'), [260, 0x64]]);

let engine: WebGpuEngine;
let theta: Int32Array<ArrayBuffer>;
let request: ChatOpenRequest;
const chat = new Chat(async () => ({ ort, threads: 1 }));

beforeAll(async () => {
  engine = await createEngine({
    gpu: await testGpu(),
    config: model,
    batch: PROMPTS.length,
    sequence: SEQUENCE,
    accumulation: 1,
    optimizer: { ...training, clipNorm: 1 },
  });
  engine.setParameters(thetaToFloat(genesisTheta(model, 'chat test', fractionBits), fractionBits));
  engine.resetOptimizer();
  // A few steps on one text, so that the greedy path is not that of random weights.
  const ids = tokenizer.encode(TEXT.repeat(20));
  const batch = (of: number) =>
    Int32Array.from(
      { length: PROMPTS.length * SEQUENCE },
      (_, i) => ids[of + 11 * Math.trunc(i / SEQUENCE) + (i % SEQUENCE)],
    );
  for (let step = 0; step < 60; step++)
    await engine.step([{ tokens: batch(step), targets: batch(step + 1) }], 3e-3);
  const one = 2 ** fractionBits;
  theta = Int32Array.from(await engine.readParameters(), (x) => Math.round(x * one));
  engine.setParameters(thetaToFloat(theta, fractionBits));
  request = {
    model,
    context: SEQUENCE,
    state: { kind: 'theta', theta },
    fractionBits,
    tokenizer: tokenizer.toJson(),
    backend: 'wasm',
    certified: [toHex(await stateRoot(theta, engine.layout))],
  };
});
afterAll(async () => {
  await chat.close();
  engine.destroy();
});

/** Greedy text of all prompts at once by the engine's logits. */
async function byEngine(): Promise<{ text: string[]; gap: number }> {
  const rows = PROMPTS.map((prompt) => [...tokenizer.encode(prompt)]);
  const starts = rows.map((row) => row.length);
  let gap = Number.POSITIVE_INFINITY;
  for (let n = 0; n < TOKENS; n++) {
    const tokens = new Int32Array(PROMPTS.length * SEQUENCE);
    rows.forEach((row, i) => tokens.set(row, i * SEQUENCE));
    const logits = await engine.logits({ tokens, targets: tokens.map(() => -1) });
    rows.forEach((row, i) => {
      const at = (i * SEQUENCE + row.length - 1) * model.vocabSize;
      const own = logits.subarray(at, at + model.vocabSize);
      const [first, second] = [...own.keys()].sort((a, b) => own[b] - own[a]);
      gap = Math.min(gap, own[first] - own[second]);
      row.push(first);
    });
  }
  return { text: rows.map((row, i) => tokenizer.decode(row.slice(starts[i]))), gap };
}

test('greedy text equals the training engine’s for the same root', async () => {
  const opened = await chat.open(request);
  expect(opened.root).toBe(request.certified[0]);
  const { text, gap } = await byEngine();
  console.log(`closest runner-up ${gap.toExponential(1)} nats behind; ${JSON.stringify(text)}`);
  for (const [i, prompt] of PROMPTS.entries()) {
    let written = '';
    const answer = await chat.generate(
      { prompt, sampling: { temperature: 0, topP: 1 }, maxTokens: TOKENS, seed: '' },
      (piece) => {
        written += piece;
      },
    );
    expect(answer).toMatchObject({ ended: 'length', tokens: TOKENS, text: text[i] });
    expect(written).toBe(text[i]);
  }
  // The model learned something to say: the path is not one repeated token.
  expect(new Set(text.join('')).size).toBeGreaterThan(8);
});

test('a state without a certificate is not opened, and the one before stays open', async () => {
  const other = theta.slice();
  other[5]++;
  await expect(chat.open({ ...request, state: { kind: 'theta', theta: other } })).rejects.toMatchObject({
    name: 'UncertifiedStateError',
  });
  const say = { prompt: 'the', sampling: { temperature: 0, topP: 1 }, maxTokens: 3, seed: '' };
  expect((await chat.generate(say, () => {})).tokens).toBe(3);
});

test('a checkpoint file of the same state gives the same root', async () => {
  const claim = { runId: new Uint8Array(32), root: new Uint8Array(32), height: 7, fractionBits };
  const bytes = encodeCheckpoint({ ...claim, theta }, model);
  const { root } = await chat.open({ ...request, state: { kind: 'checkpoint', bytes } });
  expect(root).toBe(request.certified[0]);
});

test('a seed gives the same draws again; stop ends a text between two tokens', async () => {
  const draw = async (seed: string) => {
    let text = '';
    const sampling = { temperature: 1.2, topP: 0.95 };
    await chat.generate({ prompt: 'the', sampling, maxTokens: 24, seed }, (piece) => {
      text += piece;
    });
    return text;
  };
  expect(await draw('a')).toBe(await draw('a'));
  expect(await draw('a')).not.toBe(await draw('b'));
  let pieces = 0;
  const answer = await chat.generate(
    { prompt: 'the', sampling: { temperature: 1, topP: 1 }, maxTokens: 1000, seed: 'x' },
    () => {
      if (++pieces === 5) chat.stop();
    },
  );
  expect(answer.ended).toBe('stopped');
  expect(answer.tokens).toBeLessThan(20);
});

test('a runtime that fails is named, and so is writing with no model', async () => {
  const broken = new Chat(() => Promise.reject(new Error('no wasm here')));
  await expect(broken.open(request)).rejects.toMatchObject({
    name: 'ChatRuntimeError',
    message: expect.stringContaining('no wasm here'),
  });
  const say = { prompt: 'the', sampling: { temperature: 0, topP: 1 }, maxTokens: 3, seed: '' };
  await expect(broken.generate(say, () => {})).rejects.toMatchObject({ name: 'ChatRuntimeError' });
});
