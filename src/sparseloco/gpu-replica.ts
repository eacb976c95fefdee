/**
 * The replica on WebGPU, beside the training engine: θ and the error feedback never leave the GPU. What crosses is the
 * kept entries on the way out, one integer for each coordinate that a certificate moves on the way in, and 32 bytes a
 * chunk for the root.
 */
import type { Gpu } from '../kernels/gpu.ts';
import { storageBuffer, uniformBuffer, uploadBuffer } from '../kernels/buffers.ts';
import { type BufferRange, encode, fold, type Launch, whole } from '../kernels/program.ts';
import { ReadBack } from '../kernels/read-back.ts';
import { settingsOf, type SparseLocoPrograms, sparseLocoPrograms } from '../kernels/sparseloco/kernels.ts';
import type { ModelConfig } from '../model/config.ts';
import { type ParameterLayout, parameterLayout } from '../model/layout.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { merkleRoot } from '../protocol/merkle.ts';
import { decodeAll, l2 } from './cpu-replica.ts';
import { mergeStep, prepareStep } from './outer-step.ts';
import { quantiseUpdate } from './quantise-update.ts';
import { type CertifiedSubmission, type CompressReport, NotFiniteError, type Replica } from './types.ts';
import { chunkPlaces, CODES, type SparseUpdate, tableValues, tensorNorms } from './update.ts';
import { encodeSubmission, type SubmissionHeader } from './wire.ts';

const NONE_BAD = 0xffffffff;
/** Modes of select.wgsl. */
const MODES = { tensor4: 0, sign1: 1, sign2: 2 } as const;

export class GpuReplica implements Replica {
  readonly layout: ParameterLayout;
  readonly settings: SparseLoco;
  /** Bytes of GPU memory held for as long as the replica lives. */
  readonly allocatedBytes: number;
  private readonly device: GPUDevice;
  private readonly programs: SparseLocoPrograms;
  private readonly reads: ReadBack;
  private readonly theta: GPUBuffer;
  private readonly error: GPUBuffer;
  /** [chunks] (first scalar, stride); and the same with the chunk's length, for hashing. */
  private readonly places: GPUBuffer;
  private readonly leafPlaces: GPUBuffer;
  private readonly digests: GPUBuffer;
  private readonly firstBad: GPUBuffer;
  private readonly kept: GPUBuffer;
  private readonly keptValues: GPUBuffer;
  private readonly summary: GPUBuffer;
  /** Uniforms, by the kernel that reads them; all that depends on the model and the run's settings. */
  private readonly uniforms: Readonly<Record<keyof SparseLocoPrograms | 'scatterAddMatrices', BufferRange>>;
  private readonly owned: readonly GPUBuffer[];
  private sent: SparseUpdate | null = null;
  private saturated = 0;

  private constructor(
    device: GPUDevice,
    programs: SparseLocoPrograms,
    layout: ParameterLayout,
    settings: SparseLoco,
  ) {
    this.device = device;
    this.programs = programs;
    this.reads = new ReadBack(device);
    this.layout = layout;
    this.settings = settings;
    const places = chunkPlaces(layout);
    const bytes = 4 * layout.elements;
    const keptBytes = 4 * layout.matrixChunks * settings.topK;
    const storage = (size: number, label: string) => storageBuffer(device, size, label);
    this.theta = storage(bytes, 'theta');
    this.error = storage(bytes, 'error feedback');
    this.places = uploadBuffer(device, Uint32Array.from(places.flatMap((p) => [p.base, p.stride])), 'places');
    this.leafPlaces = uploadBuffer(
      device,
      Uint32Array.from(places.flatMap((p) => [p.base, p.stride, p.length, 0])),
      'leaf places',
    );
    this.digests = storage(32 * layout.chunks, 'leaf digests');
    this.firstBad = storage(16, 'first bad scalar');
    this.kept = storage(keptBytes, 'kept entries');
    this.keptValues = storage(settings.quantiser === 'tensor4' ? keptBytes : 16, 'kept values');
    this.summary = storage(16 * layout.matrixChunks, 'chunk summaries');
    const { beta, topK } = settings;
    const { chunks, matrixChunks, matrixElements, elements } = layout;
    const unit = 2 ** -settings.fractionBits;
    const uniform = (kernel: keyof SparseLocoPrograms, values: Readonly<Record<string, number>>) =>
      whole(uniformBuffer(device, settingsOf(kernel, values), `${kernel} settings`));
    this.uniforms = {
      accumulate: uniform('accumulate', {
        first: matrixElements,
        length: elements - matrixElements,
        beta,
        unit,
      }),
      checkFinite: uniform('checkFinite', { length: elements / 4 }),
      leafHash: uniform('leafHash', { chunks }),
      scatterAdd: uniform('scatterAdd', { chunks }),
      scatterAddMatrices: uniform('scatterAdd', { chunks: matrixChunks }),
      select: uniform('select', {
        beta,
        unit,
        topK,
        mode: MODES[settings.quantiser],
        chunks: matrixChunks,
      }),
      subtract: uniform('subtract', { chunks }),
      toFloat: uniform('toFloat', { length: elements / 4, unit }),
    };
    this.owned = [
      this.theta,
      this.error,
      this.places,
      this.leafPlaces,
      this.digests,
      this.firstBad,
      this.kept,
      this.keptValues,
      this.summary,
      ...Object.values(this.uniforms).map(({ buffer }) => buffer),
    ];
    this.allocatedBytes = this.owned.reduce((n, buffer) => n + buffer.size, 0);
  }

  /** A zero state with no error feedback. Rejects with the shader compiler's message. */
  static async create({ device }: Gpu, model: ModelConfig, settings: SparseLoco): Promise<GpuReplica> {
    return new GpuReplica(device, await sparseLocoPrograms(device), parameterLayout(model), settings);
  }

  async load(theta: Int32Array): Promise<void> {
    if (theta.length !== this.layout.elements) {
      throw new RangeError(`a state of ${theta.length} scalars, but the model has ${this.layout.elements}`);
    }
    this.device.queue.writeBuffer(this.theta, 0, theta as Int32Array<ArrayBuffer>);
  }

  async read(): Promise<Int32Array> {
    const [data] = await this.reads.read([whole(this.theta)]);
    return new Int32Array(data).subarray(0, this.layout.elements);
  }

  async root(): Promise<Uint8Array> {
    return this.hash(this.device.createCommandEncoder());
  }

  /** Records the leaf hashes, submits, and builds the tree above them. */
  private async hash(encoder: GPUCommandEncoder, extra: GPUBuffer | null = null): Promise<Uint8Array> {
    const { chunks } = this.layout;
    record(
      encoder,
      this.programs.leafHash.launch(
        {
          settings: this.uniforms.leafHash,
          theta: whole(this.theta),
          places: whole(this.leafPlaces),
          digests: whole(this.digests),
        },
        fold(Math.ceil(chunks / 32)),
      ),
    );
    const [digests, more] = await this.reads.read(
      [first(this.digests, 32 * chunks), ...(extra === null ? [] : [first(extra, 4)])],
      encoder,
    );
    if (more !== undefined) this.saturated += new Uint32Array(more)[0];
    // The kernel writes words; a digest is their big-endian bytes.
    const view = new DataView(digests);
    for (let at = 0; at < view.byteLength; at += 4) view.setUint32(at, view.getUint32(at, true));
    return merkleRoot(new Uint8Array(view.buffer));
  }

  async apply(submissions: readonly CertifiedSubmission[]): Promise<Uint8Array> {
    const accepted = decodeAll(submissions, this.layout, this.settings);
    const step = prepareStep(accepted, this.layout, this.settings);
    const change = mergeStep(accepted, step, this.layout, this.settings);
    const { device, layout } = this;
    const saturated = storageBuffer(device, 16, 'saturated coordinates');
    const starts = uploadBuffer(device, change.starts, 'step starts');
    const positions = uploadBuffer(device, change.positions, 'step positions');
    const changes = uploadBuffer(device, change.changes, 'step changes');
    const encoder = device.createCommandEncoder();
    record(
      encoder,
      this.programs.subtract.launch(
        {
          settings: this.uniforms.subtract,
          theta: whole(this.theta),
          places: whole(this.places),
          starts: whole(starts),
          positions: whole(positions),
          changes: whole(changes),
          saturated: whole(saturated),
        },
        fold(layout.chunks),
      ),
    );
    this.saturated = step.saturated;
    const root = await this.hash(encoder, saturated);
    for (const buffer of [starts, positions, changes, saturated]) buffer.destroy();
    return root;
  }

  /** Values and coordinates that the last apply() cut to their range. Not 0: α, weights or fractionBits are off. */
  get saturatedCount(): number {
    return this.saturated;
  }

  /** Fills the engine's f32 buffer with the model that inner steps start from. */
  writeParameters(parameters: GPUBuffer): void {
    const encoder = this.device.createCommandEncoder();
    this.recordToFloat(encoder, parameters);
    this.device.queue.submit([encoder.finish()]);
  }

  /** The same, then minus `scale` x an update (each tensor's share times `factors`): a validator's trial model. */
  writeTrial(parameters: GPUBuffer, update: SparseUpdate, scale: number, factors?: Float64Array): void {
    const encoder = this.device.createCommandEncoder();
    this.recordToFloat(encoder, parameters);
    const temporary = this.recordScatter(encoder, parameters, update, -scale, factors);
    this.device.queue.submit([encoder.finish()]);
    for (const buffer of temporary) buffer.destroy();
  }

  private recordToFloat(encoder: GPUCommandEncoder, parameters: GPUBuffer): void {
    record(
      encoder,
      this.programs.toFloat.launch(
        { settings: this.uniforms.toFloat, theta: whole(this.theta), parameters: whole(parameters) },
        fold(Math.ceil(this.layout.elements / 4 / 256)),
      ),
    );
  }

  /** target += scale x update, of all tensors or the matrices only; returns buffers to destroy once submitted. */
  private recordScatter(
    encoder: GPUCommandEncoder,
    target: GPUBuffer,
    update: SparseUpdate,
    scale: number,
    factors?: Float64Array,
    tensors: 'all' | 'matrices' = 'all',
  ): GPUBuffer[] {
    const values = Float32Array.from(tableValues(update), (v) => scale * v);
    if (factors !== undefined) {
      this.layout.tensors.forEach((tensor, t) => {
        const end = (tensor.firstChunk + tensor.chunks) * CODES;
        for (let i = tensor.firstChunk * CODES; i < end; i++) {
          values[i] = values[i] * factors[t];
        }
      });
    }
    const starts = uploadBuffer(this.device, update.starts, 'update starts');
    const entries = uploadBuffer(this.device, update.entries, 'update entries');
    const table = uploadBuffer(this.device, values, 'update values');
    const all = tensors === 'all';
    record(
      encoder,
      this.programs.scatterAdd.launch(
        {
          settings: all ? this.uniforms.scatterAdd : this.uniforms.scatterAddMatrices,
          target_: whole(target),
          places: whole(this.places),
          starts: whole(starts),
          entries: whole(entries),
          values: whole(table),
        },
        fold(all ? this.layout.chunks : this.layout.matrixChunks),
      ),
    );
    return [starts, entries, table];
  }

  /**
   * Compresses what inner steps made of the model in `parameters`. Rejects with NotFiniteError, error feedback
   * unchanged, when it has a NaN or infinity. `parameters` is read only.
   */
  async compress(parameters: GPUBuffer, header: SubmissionHeader): Promise<CompressReport> {
    const { layout, settings } = this;
    const { matrixChunks, matrixElements } = layout;
    const vectorElements = layout.elements - matrixElements;
    this.device.queue.writeBuffer(this.firstBad, 0, Uint32Array.of(NONE_BAD));
    const encoder = this.device.createCommandEncoder();
    record(encoder, ...this.compression(parameters));
    const raw = settings.quantiser === 'tensor4';
    const keptSize = 4 * matrixChunks * settings.topK;
    const [bad, summary, kept, vectors, keptValues] = (
      await this.reads.read(
        [
          first(this.firstBad, 4),
          first(this.summary, 16 * matrixChunks),
          first(this.kept, keptSize),
          { buffer: this.error, offset: 4 * matrixElements, size: 4 * vectorElements },
          ...(raw ? [first(this.keptValues, keptSize)] : []),
        ],
        encoder,
      )
    ).map((b) => new Uint32Array(b)) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array?];
    const badAt = bad[0];
    if (badAt !== NONE_BAD) {
      const tensor = layout.tensors.find((t) => badAt < t.offset + t.size);
      throw new NotFiniteError(tensor?.name ?? `scalar ${badAt}`);
    }
    const { update, vectorError, matrixSquare } = this.assemble(summary, kept, vectors, keptValues);
    if (raw) {
      const subtract = this.device.createCommandEncoder();
      const temporary = this.recordScatter(subtract, this.error, update, -1, undefined, 'matrices');
      this.device.queue.submit([subtract.finish()]);
      for (const buffer of temporary) buffer.destroy();
    }
    this.device.queue.writeBuffer(this.error, 4 * matrixElements, vectorError);
    this.sent = update;
    return {
      bytes: encodeSubmission(update, header, layout, settings),
      sentNorm: l2(tensorNorms(update, layout)),
      errorNorm: Math.sqrt(matrixSquare + l2(vectorError) ** 2),
    };
  }

  /** The launches of compress(): is it finite, the matrices' choice, the vectors' sums. */
  private compression(model: GPUBuffer): Launch[] {
    const { layout, programs, uniforms } = this;
    const [theta, error, firstBad] = [whole(this.theta), whole(this.error), whole(this.firstBad)];
    const parameters = whole(model);
    return [
      programs.checkFinite.launch(
        { settings: uniforms.checkFinite, parameters, firstBad },
        fold(Math.ceil(layout.elements / 1024)),
      ),
      programs.select.launch(
        {
          settings: uniforms.select,
          theta,
          parameters,
          error,
          places: whole(this.places),
          firstBad,
          kept: whole(this.kept),
          keptValues: whole(this.keptValues),
          summary: whole(this.summary),
        },
        fold(layout.matrixChunks),
      ),
      programs.accumulate.launch(
        { settings: uniforms.accumulate, theta, parameters, error, firstBad },
        fold(Math.ceil((layout.elements - layout.matrixElements) / 64)),
      ),
    ];
  }

  /** The update from what select.wgsl left, with the vectors and (tensor4) the matrices quantised here. */
  private assemble(
    summary: Uint32Array,
    kept: Uint32Array,
    vectorBits: Uint32Array,
    keptBits: Uint32Array | undefined,
  ): { update: SparseUpdate; vectorError: Float32Array<ArrayBuffer>; matrixSquare: number } {
    const { layout, settings } = this;
    const { topK } = settings;
    const vectors = new Float32Array(vectorBits.buffer as ArrayBuffer);
    const keptFloats = keptBits === undefined ? undefined : new Float32Array(keptBits.buffer);
    const squares = new Float32Array(summary.buffer);
    const places = chunkPlaces(layout);
    const starts = new Uint32Array(layout.chunks + 1);
    const entries = new Uint16Array(layout.matrixChunks * topK + vectors.length);
    const values = new Float32Array(entries.length);
    let at = 0;
    let matrixSquare = 0;
    for (let c = 0; c < layout.matrixChunks; c++) {
      const count = summary[4 * c];
      for (let i = 0; i < count; i++) {
        entries[at + i] = kept[c * topK + i];
        if (keptFloats !== undefined) values[at + i] = keptFloats[c * topK + i];
      }
      at += count;
      starts[c + 1] = at;
      matrixSquare += squares[4 * c + 2];
    }
    for (let c = layout.matrixChunks; c < layout.chunks; c++) {
      const { base, length } = places[c];
      const from = base - layout.matrixElements;
      const part = vectors.subarray(from, from + length);
      if (part.some((x) => x !== 0)) {
        for (let i = 0; i < length; i++) entries[at + i] = i;
        values.set(part, at);
        at += length;
      }
      starts[c + 1] = at;
    }
    const selection = { starts, entries: entries.slice(0, at), values: values.subarray(0, at) };
    const quantisedChunks = keptFloats === undefined ? layout.matrixChunks : 0;
    const update = quantiseUpdate(selection, layout, settings, quantisedChunks);
    takeLevels(update.tables, summary, quantisedChunks);
    const quantised = tableValues(update);
    if (keptFloats !== undefined) {
      // select.wgsl summed a before anything was sent.
      for (let c = 0; c < layout.matrixChunks; c++) {
        for (let i = starts[c]; i < starts[c + 1]; i++) {
          const a = values[i];
          const left = a - quantised[c * CODES + (update.entries[i] >> 12)];
          matrixSquare += left * left - a * a;
        }
      }
    }
    const vectorError = vectors.slice();
    for (let c = layout.matrixChunks; c < layout.chunks; c++) {
      const from = places[c].base - layout.matrixElements;
      for (let i = starts[c]; i < starts[c + 1]; i++) {
        const entry = update.entries[i];
        const p = from + (entry & 0xfff);
        vectorError[p] = vectorError[p] - quantised[c * CODES + (entry >> 12)];
      }
    }
    return { update, vectorError, matrixSquare: Math.max(0, matrixSquare) };
  }

  /** Puts what was sent last back into the error feedback: it was not applied, so it is still owed. Once a send. */
  async restoreError(): Promise<void> {
    if (this.sent === null) return;
    const encoder = this.device.createCommandEncoder();
    const temporary = this.recordScatter(encoder, this.error, this.sent, 1);
    this.device.queue.submit([encoder.finish()]);
    for (const buffer of temporary) buffer.destroy();
    this.sent = null;
  }

  /** Forgets all error feedback, as a joiner starts. */
  async clearError(): Promise<void> {
    const encoder = this.device.createCommandEncoder();
    encoder.clearBuffer(this.error);
    this.device.queue.submit([encoder.finish()]);
    this.sent = null;
  }

  /** Puts this in the place of the error feedback; what was sent last counts as settled. */
  writeError(values: Float32Array<ArrayBuffer>): void {
    if (values.length !== this.layout.elements)
      throw new RangeError(`an error feedback of ${values.length} scalars, not ${this.layout.elements}`);
    this.device.queue.writeBuffer(this.error, 0, values);
    this.sent = null;
  }

  /** Error feedback, f32. */
  async readError(): Promise<Float32Array<ArrayBuffer>> {
    return (await this.reads.floats(whole(this.error))).subarray(0, this.layout.elements);
  }

  destroy(): void {
    this.reads.destroy();
    for (const buffer of this.owned) buffer.destroy();
  }
}

/** Records launches one after the other in a pass. */
function record(encoder: GPUCommandEncoder, ...launches: readonly Launch[]): void {
  const pass = encoder.beginComputePass({ label: 'sparseloco' });
  for (const launch of launches) encode(pass, launch);
  pass.end();
}

/** The first `size` bytes of a buffer. */
const first = (buffer: GPUBuffer, size: number): BufferRange => ({ buffer, offset: 0, size });

/** Puts the levels that select.wgsl chose for the first `chunks` chunks into their tables. */
function takeLevels(tables: Int16Array, summary: Uint32Array, chunks: number): void {
  for (let c = 0; c < chunks; c++) {
    const levels = summary[4 * c + 1];
    const low = levels & 0xffff;
    const high = levels >>> 16;
    tables.set([low, -low, high, -high], c * CODES);
  }
}
