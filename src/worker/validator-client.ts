/**
 * A validator's workers as the page uses them: a loss meter that comes up again after a crash with the state it had, and
 * replays. Each has a worker of its own, so that a replay of a whole round does not hold up a verdict.
 */
import { proxy, type Remote, wrap } from 'comlink';
import { LossError, type LossMeter, type TrialStep } from '../gauntlet/loss-meter.ts';
import { MAX_SOFTWARE_PARAMETERS, type Replays } from '../measure/replays.ts';
import { type AdapterReport, adapterLine } from '../kernels/gpu.ts';
import { parameterLayout } from '../model/layout.ts';
import { messageOf } from '../protocol/errors.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { Batch } from '../training/types.ts';
import { endable, WorkerEndedError } from './endable.ts';
import type { MeterKind, NoGpu, OpenedMeter, ValidatorApi } from './validator-api.ts';

function startWorker(name: string) {
  const worker = new Worker(new URL('./validator.worker.ts', import.meta.url), { type: 'module', name });
  const remote: Remote<ValidatorApi> = wrap<ValidatorApi>(worker);
  return { remote, ...endable(worker, remote, name) };
}

type Running = ReturnType<typeof startWorker>;

interface RunningMeter {
  readonly worker: Running;
  readonly ready: Promise<OpenedMeter>;
}

export class WorkerLossMeter implements LossMeter {
  readonly #manifest: Manifest;
  readonly #kind: MeterKind;
  readonly #onTick: { readonly ms: number; readonly callback: () => void } | null;
  #running: RunningMeter | null = null;
  #theta: Int32Array | null = null;
  #closed = false;

  /** `tick`: called back about so often, at full speed in a hidden tab too. */
  constructor(
    manifest: Manifest,
    kind: MeterKind = 'auto',
    tick: { readonly ms: number; readonly callback: () => void } | null = null,
  ) {
    this.#manifest = manifest;
    this.#kind = kind;
    this.#onTick = tick;
  }

  /** Opens it, if it is not open, and says what it runs on. Rejects with {@link LossError}. */
  opened(): Promise<OpenedMeter> {
    return this.#do((_worker, ready) => ready);
  }

  async load(theta: Int32Array): Promise<void> {
    this.#theta = theta;
    await this.#do((worker) => worker.ask(() => worker.remote.load(theta)));
  }

  losses(batch: Batch, step?: TrialStep): Promise<number[]> {
    return this.#do((worker) => worker.ask(() => worker.remote.losses(batch, step ?? null)));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#running?.worker.end();
    this.#running = null;
  }

  async #do<T>(work: (worker: Running, ready: Promise<OpenedMeter>) => Promise<T>): Promise<T> {
    if (this.#closed) throw new LossError('the validator was stopped');
    this.#running ??= this.#start();
    const running = this.#running;
    try {
      await running.ready;
      return await work(running.worker, running.ready);
    } catch (error) {
      // A GPU that is gone stays gone for this worker; the next question gets a new one.
      if (error instanceof WorkerEndedError || (error instanceof Error && error.name === 'DeviceLostError')) {
        running.worker.end();
        if (this.#running === running) this.#running = null;
      }
      throw new LossError(messageOf(error), { cause: error });
    }
  }

  #start(): RunningMeter {
    const worker = startWorker('validator');
    const { remote, ask } = worker;
    const open = async (): Promise<OpenedMeter> => {
      const tick = this.#onTick;
      if (tick !== null) void ask(() => remote.tick(tick.ms, proxy(tick.callback))).catch(() => {});
      const report = await ask(() => remote.openMeter(this.#manifest, this.#kind));
      const theta = this.#theta;
      if (theta !== null) await ask(() => remote.load(theta));
      return report;
    };
    return { worker, ready: open() };
  }
}

/** Opens this browser's GPU for audits, or says why there are none. `software`: a CPU driver will do, for small models. */
export async function openWorkerReplays(
  manifest: Manifest,
  software: boolean,
): Promise<{ readonly replays: Replays; readonly adapter: AdapterReport } | NoGpu> {
  const worker = startWorker('replays');
  const { remote, ask, end } = worker;
  try {
    const adapter = await ask(() => remote.openReplays(manifest));
    const small = parameterLayout(manifest.model).elements <= MAX_SOFTWARE_PARAMETERS;
    if (!adapter.software || (software && small)) {
      const replays: Replays = {
        replay: (request) => ask(() => remote.replay(request)),
        close: async () => end(),
      };
      return { replays, adapter };
    }
    end();
    return { why: 'software-gpu', adapter: adapterLine(adapter) };
  } catch (error) {
    end();
    return { why: 'no-gpu', error: messageOf(error) };
  }
}
