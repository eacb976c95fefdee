/** What a validator's tab asks of its workers: one measures losses, another replays audited rounds. */
import type { TrialStep } from '../gauntlet/loss-meter.ts';
import type { ReplayFigures } from '../gauntlet/replay.ts';
import type { ReplayRequest } from '../measure/replays.ts';
import type { AdapterReport } from '../kernels/gpu.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { Batch } from '../training/types.ts';

/** auto: a real GPU where the browser offers one, else WebAssembly, which is quicker than a CPU driver. */
export type MeterKind = 'auto' | 'webgpu' | 'ort';

/** Why a GPU is not used. */
export type NoGpu =
  | { readonly why: 'software-gpu'; readonly adapter: string }
  | { readonly why: 'no-gpu'; readonly error: string };

export interface OpenedMeter {
  /** For the log and the validator's sign of life. */
  readonly name: string;
  /** Why it is not WebGPU; null when it is, or when nobody asked for it. */
  readonly fallback: NoGpu | null;
}

export interface ValidatorApi {
  openMeter(manifest: Manifest, kind: MeterKind): Promise<OpenedMeter>;
  load(theta: Int32Array): Promise<void>;
  losses(batch: Batch, step: TrialStep | null): Promise<number[]>;
  /** Opens a GPU for replays. Throws GpuUnavailableError or DoesNotFitError. */
  openReplays(manifest: Manifest): Promise<AdapterReport>;
  replay(request: ReplayRequest): Promise<ReplayFigures>;
  /** Calls back about every so many milliseconds: a worker's timers go on at full speed in a hidden tab. */
  tick(ms: number, callback: () => unknown): void;
}
