/**
 * The trainer as it is seen across a thread or process: plain data in, plain data out, big arrays transferred.
 *
 * Implemented by trainer.ts. A tab reaches it through worker/client.ts, a Node contributor through platform/node/, a simulation
 * puts a double behind it.
 */
import type { AdapterReport } from '../../kernels/gpu.ts';
import type { CarryRoots } from '../../training/carry.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { CarrySnapshot } from './carry-keeper.ts';

export interface OpenReport {
  readonly adapter: AdapterReport;
  /** Bytes of GPU memory that this run needs. */
  readonly bytesNeeded: number;
}

/** Progress of the inner loop, at most a few times a second. */
export interface TrainProgress {
  readonly innerSteps: number;
  readonly tokens: number;
  /** Mean loss of the steps read back so far in this round. */
  readonly loss: number;
  readonly tokensPerSecond: number;
  /** Milliseconds of this round spent in inner steps, rests and pauses not counted. */
  readonly busyMs: number;
}

/** The best a contributor could do in the round. */
export interface RoundWork {
  readonly submission: Uint8Array<ArrayBuffer>;
  readonly innerSteps: number;
  readonly tokens: number;
  readonly trainLoss: number;
  readonly compressMs: number;
  /** Roots of what was carried into the round and out of it; null in a run without audits. */
  readonly carry: CarryRoots | null;
}

export interface Assignment {
  /** Seed of this round's sequences (training/assignment.ts). */
  readonly seed: Uint8Array;
  /** Outer rounds certified so far: drives the learning-rate schedule. */
  readonly height: number;
  /** The shards the seed selects, as u16 token ids, keyed by index into manifest.data.train. */
  readonly shards: ReadonlyMap<number, Uint16Array>;
}

/** What a submission's header binds, so that its bytes cannot be sent again under another name or round. */
export interface SubmissionTag {
  readonly run: Uint8Array;
  readonly round: number;
  readonly contributor: Uint8Array;
}

export type RoundOutcome = 'accepted' | 'refused' | 'undone' | 'reset';

type AsyncApi<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** {@link TrainerApi} from outside: everything answers later. */
export interface TrainerClient extends AsyncApi<TrainerApi> {
  /** Ends it whatever it is doing; every call that has not answered fails. */
  terminate(): void;
}

export interface TrainerApi {
  /** Opens the GPU and checks that the run fits. Throws GpuUnavailableError or an error with the numbers. */
  open(manifest: Manifest): Promise<OpenReport>;
  /** Takes over a certified state; returns its root, which the caller compares with the certificate's. */
  load(theta: Int32Array): Promise<Uint8Array>;
  /** Trains until `until` (epoch ms by this machine's clock), H steps, or `stop()`. */
  train(assignment: Assignment, until: number, onProgress: (p: TrainProgress) => void): Promise<void>;
  /** Ends the inner loop early; what was done counts. */
  stop(): void;
  /** Compresses what the inner loop moved. Null when not one step was done. */
  finish(tag: SubmissionTag): Promise<RoundWork | null>;
  /** Applies a certificate's submissions; returns the new state root. Local progress since finish() is dropped. */
  apply(submissions: readonly { bytes: Uint8Array; weight: number }[]): Promise<Uint8Array>;
  /**
   * Says what became of the last finished round, and goes back to the certified state. `refused` (or lost): what was
   * sent but not applied returns to the error feedback, so no work is lost. `undone`, in a run with audits: error feedback and
   * moments are again what the round started from. `reset`: start over as a newcomer does.
   */
  settle(outcome: RoundOutcome): Promise<void>;
  /** What an audit of a round is answered with; null when it is not the last finished one. Big: copied only for that. */
  carry(round: number): Promise<CarrySnapshot | null>;
  /** Share of the GPU's time to use, 0.1 to 1. */
  setGpuShare(share: number): void;
  setPaused(paused: boolean): void;
  /** Certified state, for checkpoints and late joiners. */
  theta(): Promise<Int32Array>;
  close(): Promise<void>;
}
