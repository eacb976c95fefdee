/**
 * A validator's verdicts in a browser's worker: losses by onnxruntime-web or WebGPU, and the same judging code as on
 * the host. It holds no seat and signs nothing: a tab with a validator's key does not exist yet.
 */
import { expose } from 'comlink';
import { GpuLossMeter } from '../gauntlet/gpu-losses.ts';
import { judgeRound, type SeenRound } from '../gauntlet/judge-round.ts';
import { OrtLossMeter } from '../gauntlet/ort-losses.ts';
import { RoundLosses } from '../gauntlet/round-losses.ts';
import { adapterLine, openGpu } from '../kernels/gpu.ts';
import { toHex } from '../protocol/bytes.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { MessageOf } from '../protocol/messages.ts';

export interface ValidatorWork {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  /** 32 bytes that fix the unassigned text. */
  readonly secret: Uint8Array;
  readonly evaluator: 'ort' | 'webgpu';
  /** The run's shards by hex hash. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  readonly height: number;
  readonly theta: Int32Array;
}

export interface ValidatorApi {
  /** Judges one round; says what it measured on. */
  judge(work: ValidatorWork, seen: SeenRound): Promise<{ verdict: MessageOf<'verdict'>; machine: string }>;
}

const api: ValidatorApi = {
  async judge(work, seen) {
    const { manifest, runId, secret, blobs } = work;
    const options = {
      model: manifest.model,
      sparseloco: manifest.sparseloco,
      sequence: manifest.training.sequence,
    };
    const gpu = work.evaluator === 'webgpu' ? await openGpu() : null;
    const meter =
      gpu === null
        ? new OrtLossMeter({ ...options, threads: 1, runtime: () => import('onnxruntime-web/wasm') })
        : await GpuLossMeter.open(gpu, options);
    try {
      const losses = new RoundLosses({
        manifest,
        runId,
        meter,
        secret,
        readBlob: async (ref) => blobs.get(toHex(ref.hash)) ?? null,
      });
      await losses.load(work.height, work.theta);
      const verdict = await judgeRound(manifest, runId, seen, losses);
      return { verdict, machine: gpu === null ? 'onnxruntime-web' : adapterLine(gpu.adapter) };
    } finally {
      await meter.close();
      gpu?.device.destroy();
    }
  },
};
expose(api);
