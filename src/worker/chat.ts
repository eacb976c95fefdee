/**
 * The chat behind {@link ChatApi}: checks a state's root, opens it in onnxruntime-web and writes text. Free of comlink
 * and of `self`, so that tests in Node drive the very same object.
 */
import { decodeCheckpoint } from '../model/checkpoint.ts';
import { generate } from '../model/generate.ts';
import {
  type ChatBackend,
  createOrtDecoder,
  type OrtDecoder,
  type OrtRuntime,
} from '../model/generate-ort.ts';
import { thetaToFloat } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { createRandom } from '../model/random.ts';
import { Tokenizer } from '../model/tokenizer.ts';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import { stateRoot } from '../sparseloco/state.ts';
import type { ChatAnswer, ChatApi, ChatOpened, ChatOpenRequest, ChatRequest } from './chat-api.ts';

/** A loaded build of onnxruntime-web. */
export interface LoadedRuntime {
  readonly ort: OrtRuntime;
  readonly threads: number;
}

/** onnxruntime-web could not be loaded or would not take the model. */
export class ChatRuntimeError extends Error {
  static override readonly name = 'ChatRuntimeError';
  override readonly name = 'ChatRuntimeError';
  readonly facts: { readonly backend: ChatBackend; readonly error: string };

  constructor(facts: ChatRuntimeError['facts'], options?: ErrorOptions) {
    super(`${facts.backend}: ${facts.error}`, options);
    this.facts = facts;
  }
}

/** The state is not one that a certificate vouches for. */
export class UncertifiedStateError extends Error {
  static override readonly name = 'UncertifiedStateError';
  override readonly name = 'UncertifiedStateError';
  readonly facts: { readonly root: string };

  constructor(root: string) {
    super(`no certificate names the root ${root}`);
    this.facts = { root };
  }
}

interface Open {
  readonly decoder: OrtDecoder;
  readonly tokenizer: Tokenizer;
}

/** How long the worker may be deaf: WebAssembly computes without a pause, and `stop()` is a message. */
const DEAF_MS = 30;

/** Lets messages in, when the last time was long ago. */
function breather(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < DEAF_MS) return;
    await new Promise((resolve) => setTimeout(resolve));
    last = performance.now();
  };
}

export class Chat implements ChatApi {
  readonly #load: (backend: ChatBackend) => Promise<LoadedRuntime>;
  #open: Open | null = null;
  /** A session runs one request at a time. */
  #last: Promise<unknown> = Promise.resolve();
  #stopRequested = false;

  constructor(load: (backend: ChatBackend) => Promise<LoadedRuntime>) {
    this.#load = load;
  }

  open(request: ChatOpenRequest): Promise<ChatOpened> {
    return this.#inTurn(() => this.#openState(request));
  }

  generate(request: ChatRequest, onText: (piece: string) => void): Promise<ChatAnswer> {
    this.#stopRequested = false;
    return this.#inTurn(() => this.#write(request, onText));
  }

  stop(): void {
    this.#stopRequested = true;
  }

  close(): Promise<void> {
    this.stop();
    return this.#inTurn(() => this.#release());
  }

  async #openState(request: ChatOpenRequest): Promise<ChatOpened> {
    const begun = performance.now();
    const { model, backend, state } = request;
    const theta = state.kind === 'theta' ? state.theta : decodeCheckpoint(state.bytes, model).theta;
    const root = toHex(await stateRoot(theta, parameterLayout(model)));
    if (!request.certified.includes(root)) throw new UncertifiedStateError(root);
    const tokenizer = Tokenizer.fromJson(request.tokenizer);
    // The old session first: two states at once may not fit.
    await this.#release();
    try {
      const { ort, threads } = await this.#load(backend);
      const weights = thetaToFloat(theta, request.fractionBits);
      const decoder = await createOrtDecoder(ort, model, weights, { backend, context: request.context });
      this.#open = { decoder, tokenizer };
      return { root, threads, loadMs: performance.now() - begun };
    } catch (cause) {
      throw new ChatRuntimeError({ backend, error: String(cause) }, { cause });
    }
  }

  async #write(request: ChatRequest, onText: (piece: string) => void): Promise<ChatAnswer> {
    const open = this.#open;
    if (open === null) throw new ChatRuntimeError({ backend: 'wasm', error: 'no model is open' });
    const begun = performance.now();
    const breathe = breather();
    let text = '';
    const { tokens, ended } = await generate({
      model: open.decoder,
      tokenizer: open.tokenizer,
      prompt: request.prompt,
      sampling: request.sampling,
      maxTokens: request.maxTokens,
      random: createRandom(sha256Sync(new TextEncoder().encode(request.seed))),
      stopped: async () => {
        await breathe();
        return this.#stopRequested;
      },
      onText: (piece) => {
        text += piece;
        onText(piece);
      },
    });
    const seconds = (performance.now() - begun) / 1000;
    return { text, ended, tokens: tokens.length, tokensPerSecond: tokens.length / seconds };
  }

  async #release(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.decoder.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
