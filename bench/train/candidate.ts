/** What the training bench asks of each engine that it compares. */
import type { Problem } from './problem.ts';

export interface Candidate {
  /** One AdamW step on the problem's batch; resolves with the loss before the update, i.e. when the GPU is done. */
  step(): Promise<number>;
  /** Bytes of GPU memory held, as the engine itself reports them, where WebGPU's own objects cannot be counted. */
  bytes?(): number;
  /** Of the last step: milliseconds of JavaScript, waiting left out; of peers, until they first waited. */
  readonly javascriptMs?: number;
  dispose(): void;
}

export interface CandidateKind {
  readonly name: string;
  /** Whose engine it is: 'ours' or a peer. */
  readonly peer: boolean;
  /** Starts the backend; resolves with the adapter's name. */
  start(): Promise<string>;
  load(problem: Problem): Promise<Candidate>;
}
