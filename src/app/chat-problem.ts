/** Why the model cannot be used on the page, typed; ui/strings/chat.ts has words for each. */
import type { Trouble } from '../peer/reasons.ts';
import { toTrouble } from '../peer/trouble.ts';
import type { ChatRuntimeError, UncertifiedStateError } from '../worker/chat.ts';
import type { ChatBackend } from '../worker/chat-api.ts';

export type ChatProblem =
  /** The run's description has not come yet. */
  | { readonly code: 'run-unknown' }
  /** onnxruntime-web could not be loaded, or would not take the model. */
  | { readonly code: 'no-runtime'; readonly backend: ChatBackend; readonly error: string }
  /** No certificate vouches for the state that was offered. */
  | { readonly code: 'uncertified'; readonly root: string }
  /** The model gives NaN. */
  | { readonly code: 'not-finite' }
  | { readonly code: 'trouble'; readonly trouble: Trouble };

/** The chat was asked for before the run is known. */
export class RunUnknownError extends Error {
  static override readonly name = 'RunUnknownError';
  override readonly name = 'RunUnknownError';
}

/** Errors of the chat's worker have lost their class, but not their name and facts (worker/thrown.ts). */
export const isNamed = <E extends Error>(error: unknown, name: E['name']): error is E =>
  error instanceof Error && error.name === name;

export function chatProblem(error: unknown): ChatProblem {
  if (error instanceof RunUnknownError) return { code: 'run-unknown' };
  if (isNamed<ChatRuntimeError>(error, 'ChatRuntimeError')) return { code: 'no-runtime', ...error.facts };
  if (isNamed<UncertifiedStateError>(error, 'UncertifiedStateError'))
    return { code: 'uncertified', root: error.facts.root };
  if (isNamed(error, 'GenerationError')) return { code: 'not-finite' };
  return { code: 'trouble', trouble: toTrouble(error) };
}
