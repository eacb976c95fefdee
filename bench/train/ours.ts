/** Our own engine as a candidate; runs in a page and in Node alike. */
import { adapterLine, type Gpu, openGpu } from '../../src/kernels/gpu.ts';
import { createEngine } from '../../src/training/engine.ts';
import type { CandidateKind } from './candidate.ts';
import { LEARNING_RATE, OPTIMIZER } from './problem.ts';

/** `gpu` is the WebGPU entry point; default `navigator.gpu`. */
export function ours(gpu?: GPU): CandidateKind {
  let opened: Gpu | undefined;
  return {
    name: 'ours',
    peer: false,
    async start() {
      // Models of the larger sizes need bindings past the default limit.
      opened ??= await openGpu({ gpu, bufferBytes: 2 ** 32 });
      return adapterLine(opened.adapter);
    },
    async load({ config, batch, sequence, parameters, data }) {
      if (opened === undefined) throw new Error('start() comes before load()');
      const engine = await createEngine({
        gpu: opened,
        config,
        batch,
        sequence,
        accumulation: 1,
        optimizer: OPTIMIZER,
      });
      engine.setParameters(parameters);
      engine.resetOptimizer();
      let javascriptMs = 0;
      return {
        async step() {
          const before = engine.javascriptMs;
          await engine.step([data], LEARNING_RATE);
          javascriptMs = engine.javascriptMs - before;
          return (await engine.report()).loss;
        },
        get javascriptMs() {
          return javascriptMs;
        },
        bytes: () => engine.allocatedBytes,
        dispose: () => engine.destroy(),
      };
    },
  };
}
