/**
 * The training engine: has the buffers of memory.ts and the plan of plan.ts made once, and replays it every step. A step
 * creates no buffer, bind group or pipeline and reads nothing back.
 */
import { defaultChoice } from '../kernels/choice.ts';
import { type Launch, whole } from '../kernels/program.ts';
import { ReadBack } from '../kernels/read-back.ts';
import { parameterLayout } from '../model/layout.ts';
import { DeviceLostError } from './errors.ts';
import { assertFits } from './fits.ts';
import { orderByToken } from './plan/embed.ts';
import { STATS } from './plan/frame.ts';
import { type PreparedPlan, preparePlan } from './prepare.ts';
import { SubmitQueue } from './queue.ts';
import type { Batch, EngineOptions, OptimizerState, StepReport, TrainingEngine } from './types.ts';

/** Makes an engine; parameters and moments are zero until set. Throws {@link DoesNotFitError} with the numbers. */
export async function createEngine(options: EngineOptions): Promise<WebGpuEngine> {
  const { gpu, config, batch, sequence } = options;
  const choice = options.choice ?? defaultChoice(gpu.adapter);
  const storage = options.storage ?? choice.storage;
  if (storage === 'f16' && !gpu.adapter.shaderF16)
    throw new RangeError('f16 storage needs an adapter with shader-f16; this one has none');
  const recompute = options.recompute === true;
  assertFits(
    config,
    batch,
    sequence,
    { ...gpu.adapter, budgetBytes: options.budgetBytes },
    { storage, recompute },
  );
  const { optimizer, accumulation } = options;
  return new WebGpuEngine(
    options,
    await preparePlan({
      gpu,
      config,
      batch,
      sequence,
      accumulation,
      optimizer,
      recompute,
      choice,
      storage,
    }),
  );
}

export class WebGpuEngine implements TrainingEngine {
  readonly gpu: EngineOptions['gpu'];
  readonly layout: TrainingEngine['layout'];
  readonly parameters: GPUBuffer;
  readonly gradients: GPUBuffer;
  readonly allocatedBytes: number;
  /** Compute dispatches of one step. */
  readonly dispatchesPerStep: number;
  readonly #options: EngineOptions;
  readonly #buffers: ReadonlyMap<string, GPUBuffer>;
  readonly #plan: PreparedPlan;
  /** One micro-batch: forward, loss, backward. */
  readonly #micro: readonly Launch[];
  readonly #evaluation: readonly Launch[];
  readonly #clear: ((encoder: GPUCommandEncoder) => void) | undefined;
  readonly #queue: SubmitQueue;
  readonly #reads: ReadBack;
  #lost: DeviceLostError | undefined;
  /** Rejects each call under way. */
  readonly #waiting = new Set<(error: unknown) => void>();
  /** Calls that use the shared activations run one after the other. */
  #tail: Promise<unknown> = Promise.resolve();
  #steps = 0;
  #counted = 0;
  readonly #scalars = new Float32Array(4);
  readonly #order: Int32Array<ArrayBuffer>;
  /** Scratch of the sort by token. */
  readonly #starts: Int32Array<ArrayBuffer>;

  /** Use {@link createEngine}. */
  constructor(options: EngineOptions, plan: PreparedPlan) {
    const { buffers, cleared } = plan;
    this.#options = options;
    this.#buffers = buffers;
    this.#plan = plan;
    this.#micro = [...plan.forward, ...plan.head, ...plan.backward];
    this.#evaluation = [...plan.forward, ...plan.loss];
    this.#clear = cleared && ((encoder) => encoder.clearBuffer(cleared.buffer, cleared.offset, cleared.size));
    this.gpu = options.gpu;
    this.layout = parameterLayout(options.config);
    this.parameters = this.#buffer('parameters');
    this.gradients = this.#buffer('gradients');
    this.#starts = new Int32Array(options.config.vocabSize + 1);
    this.#order = new Int32Array(2 * options.batch * options.sequence + 2);
    let bytes = 0;
    for (const b of buffers.values()) bytes += b.size;
    this.allocatedBytes = bytes;
    this.dispatchesPerStep =
      plan.prepare.length + options.accumulation * this.#micro.length + plan.update.length;
    const { device } = options.gpu;
    void device.lost.then((info) => {
      this.#lost = new DeviceLostError(`the GPU was lost (${info.reason}): ${info.message}`);
      for (const fail of this.#waiting) fail(this.#lost);
    });
    const guard = <T>(work: Promise<T>) => this.#guard(work);
    this.#queue = new SubmitQueue(device, options.gpu.adapter.software, guard);
    this.#reads = new ReadBack(device, { staging: this.#buffer('readback'), guard });
  }

  setParameters(values: Float32Array): void {
    if (values.length !== this.layout.elements) {
      throw new RangeError(`expected ${this.layout.elements} parameters, got ${values.length}`);
    }
    this.#write('parameters', values);
  }

  readParameters(): Promise<Float32Array> {
    return this.#exclusive(() => this.#read(this.parameters));
  }

  /** The flat gradient of the last step, before clipping; for checks. */
  readGradients(): Promise<Float32Array> {
    return this.#exclusive(() => this.#read(this.gradients));
  }

  resetOptimizer(): void {
    this.#steps = 0;
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.clearBuffer(this.#buffer('moment1'));
    encoder.clearBuffer(this.#buffer('moment2'));
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  readOptimizer(): Promise<OptimizerState> {
    return this.#exclusive(async () => ({
      m: await this.#read(this.#buffer('moment1'), this.layout.elements),
      v: await this.#read(this.#buffer('moment2'), this.layout.elements),
      step: this.#steps,
    }));
  }

  setOptimizer({ m, v, step }: OptimizerState): void {
    const { elements } = this.layout;
    if (m.length !== elements || v.length !== elements) {
      throw new RangeError(`expected ${elements} moments of each order, got ${m.length} and ${v.length}`);
    }
    if (!Number.isSafeInteger(step) || step < 0) throw new RangeError(`no count of steps: ${step}`);
    this.#write('moment1', m);
    this.#write('moment2', v);
    this.#steps = step;
  }

  step(batches: readonly Batch[], learningRate: number): Promise<void> {
    return this.#exclusive(async () => {
      const { accumulation, optimizer } = this.#options;
      if (batches.length !== accumulation) {
        throw new RangeError(`a step takes ${accumulation} micro-batches, got ${batches.length}`);
      }
      await this.#queue.room();
      const t = this.#steps + 1;
      const counted = this.#queue.timed(() => {
        let count = 0;
        for (const b of batches) {
          this.#check(b);
          count += countTargets(b.targets);
        }
        this.#scalars[0] = learningRate;
        this.#scalars[1] = 1 / (1 - optimizer.beta1 ** t);
        this.#scalars[2] = 1 / Math.sqrt(1 - optimizer.beta2 ** t);
        this.#scalars[3] = count === 0 ? 0 : 1 / count;
        this.#write('step', this.#scalars);
        return count;
      });
      await this.#queue.run(this.#plan.prepare, false);
      for (const [i, b] of batches.entries()) {
        this.#queue.timed(() => this.#upload(b));
        await this.#queue.run(this.#micro, i > 0, i === 0 ? this.#clear : undefined);
      }
      await this.#queue.run(this.#plan.update, false);
      this.#steps = t;
      this.#counted = counted;
      await this.#queue.room();
    });
  }

  report(): Promise<StepReport> {
    return this.#exclusive(async () => {
      const stats = await this.#stats();
      return {
        loss: stats[STATS.loss] / Math.max(1, this.#counted),
        gradientNorm: stats[STATS.norm],
      };
    });
  }

  evaluate(batch: Batch): Promise<number> {
    return this.#exclusive(async () => {
      this.#check(batch);
      this.#upload(batch);
      await this.#queue.run(this.#plan.prepare, false);
      await this.#queue.run(this.#evaluation, false);
      const stats = await this.#stats();
      return stats[STATS.evaluation] / Math.max(1, countTargets(batch.targets));
    });
  }

  /** Logits `[batch * sequence, vocabulary]` at the present parameters; for checks, all of them on the host. */
  logits(batch: Batch): Promise<Float32Array> {
    return this.#exclusive(async () => {
      this.#check(batch);
      this.#upload(batch);
      const vocab = this.#options.config.vocabSize;
      const out = new Float32Array(batch.tokens.length * vocab);
      await this.#queue.run(this.#plan.prepare, false);
      await this.#queue.run(this.#plan.forward, false);
      for (const { launches, first, rows } of this.#plan.logits) {
        await this.#queue.run(launches, false);
        out.set(await this.#read(this.#buffer('logits'), rows * vocab), first * vocab);
      }
      return out;
    });
  }

  /** Milliseconds of the longest submission so far, as the queue measured it. */
  get longestSubmissionMs(): number {
    return this.#queue.longest;
  }

  /** Milliseconds of JavaScript that steps took so far, waiting left out. */
  get javascriptMs(): number {
    return this.#queue.javascriptMs;
  }

  /** The launches of one step, for a table of kernel times. */
  profileLaunches(): readonly Launch[] {
    return [...this.#plan.prepare, ...this.#micro, ...this.#plan.update];
  }

  /** Frees the buffers. Calls under way fail; the device stays. */
  destroy(): void {
    this.#reads.destroy();
    for (const b of this.#buffers.values()) b.destroy();
  }

  #buffer(name: string): GPUBuffer {
    const buffer = this.#buffers.get(name);
    if (buffer === undefined) throw new Error(`no buffer "${name}"`);
    return buffer;
  }

  #write(name: string, data: Float32Array | Int32Array): void {
    this.gpu.device.queue.writeBuffer(this.#buffer(name), 0, data.buffer, data.byteOffset, data.byteLength);
  }

  #check({ tokens, targets }: Batch): void {
    const { batch, sequence, config } = this.#options;
    const n = batch * sequence;
    if (tokens.length !== n || targets.length !== n) {
      throw new RangeError(`a batch has ${n} tokens and targets, got ${tokens.length} and ${targets.length}`);
    }
    for (let i = 0; i < n; i++) {
      const token = tokens[i];
      const target = targets[i];
      if (token < 0 || token >= config.vocabSize || target < -1 || target >= config.vocabSize) {
        throw new RangeError(`position ${i}: token ${token} or target ${target} is outside the vocabulary`);
      }
    }
  }

  #upload({ tokens, targets }: Batch): void {
    this.#write('tokens', tokens);
    this.#write('targets', targets);
    orderByToken(tokens, this.#order, this.#starts);
    this.#write('order', this.#order);
  }

  #stats(): Promise<Float32Array> {
    return this.#reads.floats(whole(this.#buffer('stats')));
  }

  #read(source: GPUBuffer, elements = source.size / 4): Promise<Float32Array> {
    return this.#reads.floats({ buffer: source, offset: 0, size: 4 * elements });
  }

  /**
   * Fails with {@link DeviceLostError} as soon as the device is lost, whatever the driver does with `work`. No
   * Promise.race with `device.lost`: a promise that outlives a million races keeps what each left on it.
   */
  #guard<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        this.#waiting.delete(fail);
        reject(error);
      };
      this.#waiting.add(fail);
      work.then(
        (value) => {
          this.#waiting.delete(fail);
          resolve(value);
        },
        (error: unknown) => {
          // Drivers may reject their own promises, in words of their own, before `device.lost` resolves.
          const gone = /device.*(lost|destroyed)|instance reference/is.test(String(error));
          fail(this.#lost ?? (gone ? new DeviceLostError(String(error)) : error));
        },
      );
      if (this.#lost !== undefined) fail(this.#lost);
    });
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => this.#guard(work()));
    this.#tail = result.catch(() => {});
    return await result;
  }
}

function countTargets(targets: Int32Array): number {
  let n = 0;
  for (const t of targets) if (t >= 0) n++;
  return n;
}
