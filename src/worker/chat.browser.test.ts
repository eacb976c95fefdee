/**
 * The chat worker in Chromium: onnxruntime-web fetched on demand, its WebGPU and WebAssembly builds, streaming and
 * errors across the thread. Both backends write the same greedy text.
 */
import { expect, test, vi } from 'vitest';
import { genesisTheta } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { preset } from '../model/presets.ts';
import { Tokenizer } from '../model/tokenizer.ts';
import { toHex } from '../protocol/bytes.ts';
import { stateRootSync } from '../sparseloco/state.ts';
import type { ChatBackend, ChatOpenRequest } from './chat-api.ts';
import { startChat } from './chat-client.ts';

const { model, training, sparseloco } = preset('tiny');
const theta = genesisTheta(model, 'chat in a browser', sparseloco.fractionBits);
const root = toHex(stateRootSync(theta, parameterLayout(model)));
const request = (backend: ChatBackend): ChatOpenRequest => ({
  model,
  context: training.sequence,
  state: { kind: 'theta', theta: theta.slice() },
  fractionBits: sparseloco.fractionBits,
  tokenizer: Tokenizer.fromMerges([]).toJson(),
  backend,
  certified: [root],
});

test('both backends write the same greedy text, streamed, and check the state', async () => {
  const texts: string[] = [];
  for (const backend of ['wasm', 'webgpu'] as const) {
    const chat = startChat();
    await expect(chat.open({ ...request(backend), certified: [] })).rejects.toMatchObject({
      name: 'UncertifiedStateError',
    });
    const opened = await chat.open(request(backend));
    console.log(`${backend}: ${opened.threads} threads, opened in ${Math.round(opened.loadMs)} ms`);
    expect(opened.root).toBe(root);
    let pieces = 0;
    const answer = await chat.generate(
      { prompt: 'The state of the union', sampling: { temperature: 0, topP: 1 }, maxTokens: 12, seed: '' },
      () => {
        pieces++;
      },
    );
    console.log(`${backend}: ${answer.tokensPerSecond.toFixed(1)} tokens/s`);
    expect(answer.tokens).toBe(12);
    // They come by another port than the answer.
    await vi.waitFor(() => expect(pieces).toBeGreaterThan(3));
    texts.push(answer.text);
    chat.terminate();
  }
  expect(texts[1]).toBe(texts[0]);
});
