/**
 * The model in use: loads the current certified state into the chat worker when asked to, and has it continue texts.
 *
 * Owns its worker and its store; of the session it reads the store and a {@link ChatSource}. Nothing is fetched or
 * computed before `load()` or a sample (samples.ts); stopping the session ends both.
 */
import { createStore, type StoreApi } from 'zustand/vanilla';
import { isSoftware } from '../kernels/gpu.ts';
import { toHex } from '../protocol/bytes.ts';
import { pause } from '../swarm/pause.ts';
import type { Sampling } from '../model/generate.ts';
import type { ChatAnswer, ChatBackend, ChatRequest } from '../worker/chat-api.ts';
import type { ChatClient } from '../worker/chat-client.ts';
import { chatProblem, type ChatProblem, isNamed, RunUnknownError } from './chat-problem.ts';
import type { ChatSource } from './chat-source.ts';
import type { AppStore } from './store.ts';

/** Texts kept on the page. */
const MAX_TEXTS = 20;
/** The state may be ahead of the certificates for the blink between applying one and recording it. */
const CERTIFIED_TRIES = 4;
const CERTIFIED_PAUSE_MS = 500;
const REDRAW_MS = 80;

/** One certified state. */
export interface StateName {
  readonly root: string;
  /** Certified rounds in it. */
  readonly height: number;
}

export interface ChatText {
  readonly id: number;
  readonly prompt: string;
  /** The continuation so far. */
  readonly text: string;
  readonly sampling: Sampling;
  readonly state: StateName;
  /** Null while it is being written. */
  readonly result: Pick<ChatAnswer, 'ended' | 'tokens' | 'tokensPerSecond'> | null;
}

export interface ChatView {
  readonly status: 'off' | 'loading' | 'ready' | 'writing';
  readonly backend: ChatBackend | null;
  /** WebAssembly threads in use; 0 on WebGPU. */
  readonly threads: number;
  /** The state that is open. */
  readonly state: StateName | null;
  /** What went wrong last. */
  readonly problem: ChatProblem | null;
  /** The graphics card was asked for and failed, so the processor does it. */
  readonly fellBack: boolean;
  /** Newest first. */
  readonly texts: readonly ChatText[];
}

export interface ChatWish {
  readonly prompt: string;
  readonly sampling: Sampling;
  readonly maxTokens: number;
  /** Draws differ by seed; greedy text does not. */
  readonly seed: string;
}

export interface ChatOptions {
  readonly session: AppStore;
  readonly source: ChatSource;
  readonly start: () => ChatClient;
}

const OFF = { status: 'off', backend: null, threads: 0, state: null } as const;

export class ChatModel {
  readonly store: StoreApi<ChatView>;
  readonly #o: ChatOptions;
  #client: ChatClient | null = null;
  /** Ends what the current client is asked for. */
  #abort = new AbortController();
  #busy: Promise<unknown> = Promise.resolve();
  #next = 1;

  constructor(options: ChatOptions) {
    this.#o = options;
    this.store = createStore<ChatView>(() => ({ ...OFF, problem: null, fellBack: false, texts: [] }));
    options.session.subscribe((now, before) => {
      if (now.intent === 'idle' && before.intent !== 'idle') this.close();
    });
  }

  /**
   * Where to run it unless the volunteer says otherwise: on the processor while the graphics card `trains`, or where
   * there is no real one.
   */
  async preferredBackend(trains: boolean): Promise<ChatBackend> {
    if (trains) return 'wasm';
    const adapter = await globalThis.navigator?.gpu?.requestAdapter().catch(() => null);
    return adapter == null || isSoftware(adapter.info) ? 'wasm' : 'webgpu';
  }

  /** Opens the newest certified state, or moves on to it. */
  async load(backend: ChatBackend): Promise<void> {
    this.store.setState({ status: 'loading', problem: null, fellBack: false });
    try {
      await this.#inTurn((signal) => this.#open(backend, signal));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Continues a text with the state that is open; what is written shows in the store as it comes. */
  async write(wish: ChatWish): Promise<void> {
    const { status, state } = this.store.getState();
    if (status !== 'ready' || state === null) return;
    const id = this.#next++;
    const { prompt, sampling } = wish;
    this.store.setState((s) => ({
      status: 'writing',
      problem: null,
      texts: [{ id, prompt, sampling, state, text: '', result: null }, ...s.texts].slice(0, MAX_TEXTS),
    }));
    const update = (change: (text: ChatText) => Partial<ChatText>) =>
      this.store.setState((s) => ({
        texts: s.texts.map((t) => (t.id === id ? { ...t, ...change(t) } : t)),
      }));
    try {
      const { text, ...result } = await this.#inTurn((signal) =>
        this.#generate(wish, signal, (piece) =>
          update((t) => (t.result === null ? { text: t.text + piece } : {})),
        ),
      );
      update(() => ({ text, result }));
      this.store.setState({ status: 'ready' });
    } catch (error) {
      update(() => ({ result: { ended: 'stopped', tokens: 0, tokensPerSecond: 0 } }));
      this.#fail(error);
    }
  }

  /** Ends the text that is being written. */
  stopWriting(): void {
    void this.#client?.stop().catch(() => {});
  }

  /** Writes a text with the newest state, whether or not the chat is open, and leaves it as it was. */
  async sample(request: ChatRequest): Promise<{ readonly text: string; readonly state: StateName }> {
    return this.#inTurn(async (signal) => {
      const { backend } = this.store.getState();
      try {
        const state = await this.#open(backend ?? 'wasm', signal, backend === null);
        const { text } = await this.#generate(request, signal, () => {});
        return { text, state };
      } finally {
        if (this.store.getState().status === 'off') this.#end();
      }
    });
  }

  /** Frees everything: the worker, its memory, its threads. */
  close(): void {
    this.#end();
    this.store.setState({ ...OFF, problem: null, fellBack: false });
  }

  #end(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#client?.terminate();
    this.#client = null;
  }

  #fail(error: unknown): void {
    if (this.#client === null) return; // closed meanwhile: nobody waits for it
    this.#end();
    this.store.setState({ ...OFF, problem: chatProblem(error) });
  }

  /** `hidden`: for a sample; the chat stays off. */
  async #open(backend: ChatBackend, signal: AbortSignal, hidden = false): Promise<StateName> {
    const { source, session, start } = this.#o;
    const { manifest } = source;
    if (manifest === null) throw new RunUnknownError('the run is not known yet');
    this.#client ??= start();
    const client = this.#client;
    const tokenizer = await source.tokenizer(signal);
    let used = backend;
    for (let tries = 1; ; tries++) {
      const state = await source.state(signal);
      const heights = certifiedHeights(session, manifest.genesis.root);
      signal.throwIfAborted();
      try {
        const opened = await untilAborted(
          client.open({
            model: manifest.model,
            context: manifest.task.training.sequence,
            fractionBits: manifest.sparseloco.fractionBits,
            state,
            tokenizer,
            backend: used,
            certified: [...heights.keys()],
          }),
          signal,
        );
        const name = { root: opened.root, height: heights.get(opened.root) ?? 0 };
        if (!hidden) {
          const { threads } = opened;
          this.store.setState({ status: 'ready', backend: used, threads, state: name });
        }
        return name;
      } catch (error) {
        signal.throwIfAborted();
        if (isNamed(error, 'ChatRuntimeError') && used === 'webgpu') {
          used = 'wasm';
          if (!hidden) this.store.setState({ fellBack: true });
        } else if (!isNamed(error, 'UncertifiedStateError') || tries >= CERTIFIED_TRIES) throw error;
        else await pause(CERTIFIED_PAUSE_MS, signal);
      }
    }
  }

  #generate(request: ChatRequest, signal: AbortSignal, onText: (piece: string) => void): Promise<ChatAnswer> {
    if (this.#client === null) throw new Error('the model was closed');
    return untilAborted(this.#client.generate(request, gathered(onText)), signal);
  }

  /** One thing at a time; `close()` ends the one that runs and those that wait. */
  #inTurn<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.#abort;
    const result = this.#busy.then(() => {
      signal.throwIfAborted();
      return work(signal);
    });
    this.#busy = result.catch(() => undefined);
    return result;
  }
}

/** Height by root of every state that this tab has checked a certificate for, and of genesis. */
function certifiedHeights(session: AppStore, genesis: Uint8Array): ReadonlyMap<string, number> {
  const heights = new Map([[toHex(genesis), 0]]);
  for (const { root, height } of session.getState().rounds)
    if (root !== null && height !== null) heights.set(root, height);
  return heights;
}

/** Passes pieces on a few times a second: a page that redraws at every token would feel it. */
function gathered(onText: (piece: string) => void): (piece: string) => void {
  let pieces = '';
  return (piece) => {
    if (pieces === '')
      setTimeout(() => {
        onText(pieces);
        pieces = '';
      }, REDRAW_MS);
    pieces += piece;
  };
}

/** A terminated worker never answers. */
function untilAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
