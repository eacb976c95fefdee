/**
 * A validator's worker in a tab: losses by WebGPU or onnxruntime-web, and replays of audited rounds. It holds no key; what is
 * judged and signed stays with the page (src/peer/).
 */
import { expose } from 'comlink';
import { GpuLossMeter } from '../measure/gpu-losses.ts';
import { LossError, type LossMeter } from '../gauntlet/loss-meter.ts';
import { OrtLossMeter } from '../measure/ort-losses.ts';
import { Replayer } from '../measure/replayer.ts';
import { replayRequest } from '../measure/replays.ts';
import { adapterLine, type Gpu, openGpu } from '../kernels/gpu.ts';
import { parameterLayout } from '../model/layout.ts';
import { messageOf } from '../protocol/errors.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { estimateMemory } from '../training/memory.ts';
import type { MeterKind, NoGpu, OpenedMeter, ValidatorApi } from './validator-api.ts';
import { carryFacts } from './thrown.ts';

/** WebAssembly threads at most; the page and the relay's links need cores too. */
const MOST_THREADS = 4;

let meter: LossMeter | null = null;
let replays: { readonly replayer: Replayer; readonly manifest: Manifest } | null = null;

const api: ValidatorApi = {
  openMeter,
  async load(theta) {
    await opened(meter).load(theta);
  },
  losses: (batch, step) => opened(meter).losses(batch, step ?? undefined),
  async openReplays(manifest) {
    const gpu = await openFor(manifest, manifest.task.training.batch);
    replays = { replayer: await Replayer.open(gpu, manifest), manifest };
    return gpu.adapter;
  },
  replay(request) {
    const { replayer, manifest } = opened(replays);
    return replayRequest(replayer, { layout: parameterLayout(manifest.model), manifest }, request);
  },
  tick(ms, callback) {
    setInterval(() => void callback(), ms);
  },
};
carryFacts();
expose(api);

async function openMeter(manifest: Manifest, kind: MeterKind): Promise<OpenedMeter> {
  const { model, sparseloco, task } = manifest;
  const options = { model, sparseloco, sequence: task.training.sequence };
  let fallback: NoGpu | null = null;
  if (kind !== 'ort') {
    try {
      const gpu = await openFor(manifest, 1);
      if (kind === 'webgpu' || !gpu.adapter.software) {
        meter = await GpuLossMeter.open(gpu, options);
        return { name: adapterLine(gpu.adapter), fallback };
      }
      fallback = { why: 'software-gpu', adapter: adapterLine(gpu.adapter) };
      gpu.device.destroy();
    } catch (error) {
      // No GPU, or one too small for the model: the CPU measures just as well, only slower.
      if (kind === 'webgpu') throw error;
      fallback = { why: 'no-gpu', error: messageOf(error) };
    }
  }
  const isolated = globalThis.crossOriginIsolated;
  const threads = isolated ? Math.max(1, Math.min(MOST_THREADS, navigator.hardwareConcurrency >> 1)) : 1;
  meter = new OrtLossMeter({ ...options, threads, runtime: () => import('onnxruntime-web/wasm') });
  return { name: 'CPU (onnxruntime-web)', fallback };
}

function openFor({ model, task }: Manifest, batch: number): Promise<Gpu> {
  return openGpu({ bufferBytes: estimateMemory(model, batch, task.training.sequence).largestBuffer });
}

function opened<T>(part: T | null): T {
  if (part === null) throw new LossError('the validator’s worker was not opened');
  return part;
}
