/** The chat's and the samples' life with a pretended worker: what is loaded when, which state wrote what, how it ends. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import type { ChatOpenRequest, ChatRequest } from '../worker/chat-api.ts';
import type { ChatClient } from '../worker/chat-client.ts';
import { ChatModel, type ChatWish } from './chat.ts';
import type { ChatSource } from './chat-source.ts';
import { isSampleHeight, type Sample, sampleDue, Samples } from './samples.ts';
import type { RoundRecord } from './state.ts';
import { addRound, type AppStore, createAppStore } from './store.ts';

const base = testManifest(testHash('organizer'), []);
const manifest = { ...base, genesis: { ...base.genesis, root: testHash('root 0') } };
const rootOf = (height: number) => toHex(testHash(`root ${height}`));
const certified = (store: AppStore, height: number) => {
  const record: RoundRecord = {
    round: height,
    height,
    root: rootOf(height),
    contributors: 1,
    heldOutLoss: 8 - height / 10,
    own: null,
    at: 0,
  };
  addRound(store, record);
  store.setState({ height, root: rootOf(height) });
};

/** A worker whose "state" is its height in θ[0]; it knows roots by the same rule as the tests. */
class FakeWorker implements ChatClient {
  readonly opened: ChatOpenRequest[] = [];
  readonly asked: ChatRequest[] = [];
  refuse: string | null = null;
  /** Settled by hand: the text that is being written. */
  finish: (text: string) => void = () => {};
  say: (piece: string) => void = () => {};
  terminated = false;

  async open(request: ChatOpenRequest) {
    this.opened.push(request);
    if (this.refuse === request.backend)
      throw Object.assign(new Error('no such device'), { name: 'ChatRuntimeError' });
    const { state } = request;
    const root = rootOf(state.kind === 'theta' ? state.theta[0] : 0);
    if (!request.certified.includes(root))
      throw Object.assign(new Error('no certificate'), { name: 'UncertifiedStateError', facts: { root } });
    return { root, threads: 2, loadMs: 1 };
  }

  generate(request: ChatRequest, onText: (piece: string) => void) {
    this.asked.push(request);
    this.say = onText;
    return new Promise<Awaited<ReturnType<ChatClient['generate']>>>((resolve) => {
      this.finish = (text) => resolve({ text, ended: 'length', tokens: 3, tokensPerSecond: 9 });
    });
  }

  stop = vi.fn<() => Promise<void>>(async () => this.finish('cut'));
  terminate(): void {
    this.terminated = true;
  }
}

let session: AppStore;
let workers: FakeWorker[];
let current: number;
let chat: ChatModel;
const wish: ChatWish = { prompt: 'Bees', sampling: { temperature: 0, topP: 1 }, maxTokens: 3, seed: 's' };
const source: ChatSource = {
  manifest,
  state: async () => ({ kind: 'theta', theta: Int32Array.of(current) }),
  tokenizer: async () => new Uint8Array(1),
};

/** Lets everything happen that waits for nothing but its turn. */
const settle = () => vi.advanceTimersByTimeAsync(0);

afterEach(() => {
  vi.useRealTimers();
});
beforeEach(() => {
  vi.useFakeTimers();
  session = createAppStore();
  session.setState({ intent: 'running', activity: 'training' });
  certified(session, 1);
  workers = [];
  current = 1;
  chat = new ChatModel({
    session,
    source,
    start: () => {
      const worker = new FakeWorker();
      workers.push(worker);
      return worker;
    },
  });
});

describe('chat', () => {
  it('starts nothing before it is asked to, then says which state is open', async () => {
    expect(workers).toHaveLength(0);
    await chat.load('wasm');
    expect(chat.store.getState()).toMatchObject({
      status: 'ready',
      backend: 'wasm',
      threads: 2,
      state: { root: rootOf(1), height: 1 },
    });
    expect(workers[0].opened[0]).toMatchObject({
      context: manifest.task.training.sequence,
      fractionBits: manifest.sparseloco.fractionBits,
      certified: [rootOf(0), rootOf(1)],
    });
  });

  it('waits for the certificate of a state that the trainer has a moment earlier', async () => {
    current = 2;
    const loading = chat.load('wasm');
    await settle();
    expect(workers[0]?.opened).toHaveLength(1);
    certified(session, 2);
    await vi.runAllTimersAsync();
    await loading;
    expect(workers[0].opened).toHaveLength(2);
    expect(chat.store.getState()).toMatchObject({ status: 'ready', state: { height: 2 } });
  });

  it('gives up on a state that stays without a certificate, and says so', async () => {
    current = 9;
    const loading = chat.load('wasm');
    await vi.runAllTimersAsync();
    await loading;
    expect(chat.store.getState()).toMatchObject({
      status: 'off',
      problem: { code: 'uncertified', root: rootOf(9) },
    });
    expect(workers[0].terminated).toBe(true);
  });

  it('falls back to the processor where the graphics card fails, and says so', async () => {
    const start = vi.spyOn(FakeWorker.prototype, 'open');
    start.mockRejectedValueOnce(Object.assign(new Error('lost'), { name: 'ChatRuntimeError' }));
    await chat.load('webgpu');
    start.mockRestore();
    expect(chat.store.getState()).toMatchObject({ status: 'ready', backend: 'wasm', fellBack: true });
  });

  it('shows the text as it comes and the whole of it at the end, with the state that wrote it', async () => {
    await chat.load('wasm');
    const writing = chat.write(wish);
    await settle();
    expect(workers[0].asked).toHaveLength(1);
    expect(chat.store.getState().status).toBe('writing');
    workers[0].say(' hum');
    await vi.runAllTimersAsync();
    expect(chat.store.getState().texts[0].text).toBe(' hum');
    workers[0].finish(' hum and dance');
    await writing;
    // A piece that comes late changes nothing.
    workers[0].say(' late');
    await vi.runAllTimersAsync();
    expect(chat.store.getState()).toMatchObject({
      status: 'ready',
      texts: [{ prompt: 'Bees', text: ' hum and dance', state: { height: 1 }, result: { ended: 'length' } }],
    });
  });

  it('Stop of the session ends it and frees the worker, also in mid-text', async () => {
    await chat.load('wasm');
    const writing = chat.write(wish);
    await settle();
    expect(workers[0].asked).toHaveLength(1);
    session.setState({ intent: 'idle' });
    await writing;
    expect(workers[0].terminated).toBe(true);
    expect(chat.store.getState()).toMatchObject({ status: 'off', problem: null });
    expect(chat.store.getState().texts[0].result?.ended).toBe('stopped');
    // And it can be loaded again.
    session.setState({ intent: 'running' });
    await chat.load('wasm');
    expect(chat.store.getState().status).toBe('ready');
  });
});

describe('samples', () => {
  const sample = (height: number): Sample => ({ height, root: '', loss: 1, text: '', at: 0 });
  const info = { id: 'ab'.repeat(32) } as NonNullable<ReturnType<AppStore['getState']>['run']>;

  it('are due often at first and rarely later', () => {
    const heights = Array.from({ length: 130 }, (_, h) => h).filter(isSampleHeight);
    expect(heights).toEqual([1, 2, 4, 8, 16, 32, 64, 96, 128]);
    expect(sampleDue([], 0)).toBe(false);
    expect(sampleDue([], 3)).toBe(true);
    expect(sampleDue([sample(3)], 3)).toBe(false);
    expect(sampleDue([sample(3)], 4)).toBe(true);
    expect(sampleDue([sample(16)], 31)).toBe(false);
    expect(sampleDue([sample(16)], 500)).toBe(true);
  });

  it('are off until asked for, then write one where due, with loss and root, and leave no worker behind', async () => {
    session.setState({ run: info });
    const samples = new Samples(session, chat);
    certified(session, 2);
    expect(workers).toHaveLength(0);
    current = 2;
    samples.setEnabled(true);
    await settle();
    expect(workers[0]?.asked).toHaveLength(1);
    workers[0].finish(' of the hive');
    await settle();
    expect(samples.store.getState().writing).toBe(false);
    expect(samples.store.getState().samples).toMatchObject([
      { height: 2, root: rootOf(2), loss: 7.8, text: ' of the hive' },
    ]);
    expect(workers[0].terminated).toBe(true);
    expect(chat.store.getState().status).toBe('off');
    certified(session, 3);
    expect(workers).toHaveLength(1);
  });

  it('are not written while a rule of the volunteer’s holds', () => {
    session.setState((s) => ({
      run: info,
      control: { ...s.control, holds: [{ reason: 'metered', until: null }] },
    }));
    new Samples(session, chat).setEnabled(true);
    expect(workers).toHaveLength(0);
  });

  it('are not written while paused, and switch themselves off when they fail', async () => {
    session.setState({ run: info, intent: 'paused' });
    const samples = new Samples(session, chat);
    samples.setEnabled(true);
    expect(workers).toHaveLength(0);
    current = 9;
    session.setState({ intent: 'running' });
    await vi.runAllTimersAsync();
    expect(samples.store.getState()).toMatchObject({
      problem: { code: 'uncertified', root: rootOf(9) },
      enabled: false,
      writing: false,
    });
  });
});
