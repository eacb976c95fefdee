/**
 * The chat worker as the main thread sees it: it runs one certified state of the model with onnxruntime-web, apart from
 * the trainer, so that writing text can neither touch a training buffer nor hold up the page.
 */
import type { ModelConfig } from '../model/config.ts';
import type { Generated, Sampling } from '../model/generate.ts';
import type { ChatBackend } from '../model/generate-ort.ts';

export type { ChatBackend } from '../model/generate-ort.ts';

/** θ in units of 2^-fractionBits, or a checkpoint file with it; transferred. */
export type ChatState =
  | { readonly kind: 'theta'; readonly theta: Int32Array }
  | { readonly kind: 'checkpoint'; readonly bytes: Uint8Array };

export interface ChatOpenRequest {
  readonly model: ModelConfig;
  /** Tokens that the model is trained to see at once. */
  readonly context: number;
  readonly state: ChatState;
  readonly fractionBits: number;
  /** Hugging Face tokenizer.json. */
  readonly tokenizer: Uint8Array;
  readonly backend: ChatBackend;
  /** Hexadecimal state roots that certificates vouch for; θ must have one of them. */
  readonly certified: readonly string[];
}

export interface ChatOpened {
  /** Hexadecimal state root, computed here from θ. */
  readonly root: string;
  /** WebAssembly threads; 0 on WebGPU. */
  readonly threads: number;
  readonly loadMs: number;
}

export interface ChatRequest {
  readonly prompt: string;
  readonly sampling: Sampling;
  readonly maxTokens: number;
  /** The same seed gives the same draws. */
  readonly seed: string;
}

export interface ChatAnswer {
  /** All of it: pieces come by another port and may arrive after the answer. */
  readonly text: string;
  readonly ended: Generated['ended'];
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

/** Errors carry name and facts across the thread: UncertifiedStateError, ChatRuntimeError, GenerationError. */
export interface ChatApi {
  /** Replaces the state that was open. Throws where θ has none of the certified roots or the runtime fails. */
  open(request: ChatOpenRequest): Promise<ChatOpened>;
  /** Continues a text; requests wait for each other. `onText` gets whole characters. */
  generate(request: ChatRequest, onText: (piece: string) => void): Promise<ChatAnswer>;
  /** Ends the text that is being written after its current token. */
  stop(): void;
  close(): Promise<void>;
}
