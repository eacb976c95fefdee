/**
 * Continues a text: picks one token after the other from a model's logits, greedily or by temperature and nucleus
 * (top-p, Holtzman et al. 2019), and hands the text out as it grows.
 *
 * What the run trains is a completion model: it has seen text, no conversations, so it goes on where the prompt stops.
 */
import type { Random } from './random.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface Sampling {
  /** 0: always the most probable token (greedy). */
  readonly temperature: number;
  /** Draw only from the fewest tokens whose probabilities together reach this, in (0, 1]. */
  readonly topP: number;
}

export const GREEDY: Sampling = { temperature: 0, topP: 1 };

/** A model that remembers what it was fed; see generate-ort.ts. */
export interface NextToken {
  /** Tokens that it can remember. */
  readonly context: number;
  /** Tokens that it remembers now. */
  readonly used: number;
  /** Reads `tokens` (at least one) after what it remembers; logits `[vocabSize]` for the token that follows. */
  feed(tokens: Int32Array): Promise<Float32Array>;
  /** Forgets everything that was fed. */
  reset(): void;
}

/** The model gives no usable probabilities: its parameters are not finite. */
export class GenerationError extends Error {
  static override readonly name = 'GenerationError';
  override readonly name = 'GenerationError';
}

/** One token id. Of equal logits the lowest id wins, so greedy text is the same on every machine that agrees on logits. */
export function pickToken(logits: Float32Array, { temperature, topP }: Sampling, random: Random): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) throw new GenerationError('the model gives numbers that are no numbers');
    if (logits[i] > logits[best]) best = i;
  }
  if (temperature <= 0) return best;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - logits[best]) / temperature));
  const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a] || a - b);
  const total = weights.reduce((sum, w) => sum + w, 0);
  let kept = 0;
  let mass = 0;
  while (kept < order.length && (kept === 0 || mass < topP * total)) mass += weights[order[kept++]];
  let left = (random.uint32() / 2 ** 32) * mass;
  for (const id of order.slice(0, kept)) {
    left -= weights[id];
    if (left < 0) return id;
  }
  return order[kept - 1];
}

export interface GenerateOptions {
  readonly model: NextToken;
  readonly tokenizer: Tokenizer;
  readonly prompt: string;
  readonly sampling: Sampling;
  readonly maxTokens: number;
  readonly random: Random;
  /** Checked before every token. */
  readonly stopped: () => boolean | Promise<boolean>;
  /** A piece of the text, whole characters only. */
  readonly onText: (piece: string) => void;
}

export interface Generated {
  readonly tokens: readonly number[];
  /** `end`: the model ended the text; `length`: maxTokens; `stopped`: by the caller. */
  readonly ended: 'end' | 'length' | 'stopped';
}

/**
 * Generates after `prompt`; an empty prompt begins a new text. Where the model's memory is full it goes on with the
 * newest half, at the cost of reading that again.
 */
export async function generate(options: GenerateOptions): Promise<Generated> {
  const { model, tokenizer, sampling, maxTokens, random, onText } = options;
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  const half = Math.max(1, model.context >> 1);
  const prompt = tokenizer.encode(options.prompt);
  // Texts are set apart by end-of-text in the training data, so after one a new text begins.
  const text = prompt.length === 0 ? [tokenizer.endOfText] : [...prompt];
  const tokens: number[] = [];
  const say = (piece: string): void => {
    if (piece !== '') onText(piece);
  };
  let ended: Generated['ended'] = 'length';
  let unread = text.slice(-Math.max(half, model.context - maxTokens));
  model.reset();
  while (tokens.length < maxTokens) {
    if (await options.stopped()) {
      ended = 'stopped';
      break;
    }
    if (model.used + unread.length > model.context) {
      model.reset();
      unread = text.slice(-half);
    }
    const logits = await model.feed(Int32Array.from(unread));
    // A text of the model's own that is over before it began is nothing to show.
    if (prompt.length === 0 && tokens.length === 0) logits[tokenizer.endOfText] = Number.NEGATIVE_INFINITY;
    const id = pickToken(logits, sampling, random);
    if (id === tokenizer.endOfText) {
      ended = 'end';
      break;
    }
    tokens.push(id);
    text.push(id);
    unread = [id];
    // The vocabulary is padded to whole tiles; a padding token has no text, and an untrained model may pick one.
    if (id < tokenizer.vocabSize) say(utf8.decode(tokenizer.tokenBytes(id), { stream: true }));
  }
  say(utf8.decode());
  return { tokens, ended };
}
