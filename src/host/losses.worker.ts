/** Helper that measures losses, on the CPU or on a GPU; holds one state θ at a time. Asked through losses.ts. */
import { GpuLossMeter } from '../measure/gpu-losses.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import { OrtLossMeter } from '../measure/ort-losses.ts';
import { adapterLine } from '../kernels/gpu.ts';
import { openNodeGpu } from '../kernels/node-gpu.ts';
import type { LossAnswer, LossQuestion, LossWorkerData } from './losses.ts';
import { helperData, serveCalls } from './serve-calls.ts';

const opened = open();
opened.catch(() => {}); // reported by the first question

async function open(): Promise<{ meter: LossMeter; name: string }> {
  const { evaluator, threads, ...options } = (await helperData()) as LossWorkerData;
  const cpu = () => ({
    meter: new OrtLossMeter({ ...options, threads }),
    name: 'CPU (onnxruntime-web)',
  });
  if (evaluator === 'ort') return cpu();
  try {
    // Somebody who asks for WebGPU gets a CPU driver too; by itself a host prefers onnxruntime-web to that.
    const gpu = await openNodeGpu(evaluator === 'auto' ? { hardware: true } : {});
    if (evaluator === 'webgpu' || !gpu.adapter.software)
      return { meter: await GpuLossMeter.open(gpu, options), name: adapterLine(gpu.adapter) };
    gpu.device.destroy();
  } catch (error) {
    // No GPU, or one too small for the model: the CPU measures just as well, only slower.
    if (evaluator === 'webgpu') throw error;
  }
  return cpu();
}

serveCalls<LossQuestion, LossAnswer>(async (question) => {
  const { meter, name } = await opened;
  if (question.kind === 'name') return name;
  if (question.kind === 'losses') return meter.losses(question.batch, question.step ?? undefined);
  await meter.load(question.theta);
  return [];
});
