/**
 * C = A·B of square f32 matrices on each engine, as its users would call it. `run` queues products without waiting;
 * `finish` waits for the GPU by reading one number of the last product back, the same for all.
 */
import { blockUntilReady, defaultDevice, init, jit, numpy as np } from '@jax-js/jax';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import { defaultChoice } from '../../src/kernels/choice.ts';
import { adapterLine, type Gpu, openGpu } from '../../src/kernels/gpu.ts';
import { createMatmul } from '../../src/kernels/matmul.ts';
import { ReadBack } from '../../src/kernels/read-back.ts';

export interface MatmulRun {
  /** Variant of the kernel, where the engine says. */
  readonly variant?: string;
  /** To be called before each series of runs, where engines share a global. */
  select?(): Promise<unknown>;
  run(): void;
  /** The product's entry at a flat index. */
  finish(index: number): Promise<number>;
  dispose(): void;
}

export interface MatmulEngine {
  readonly name: string;
  readonly peer: boolean;
  start(): Promise<string>;
  /** `a` and `b` are `[n, n]`, row-major. */
  load(n: number, a: Float32Array<ArrayBuffer>, b: Float32Array<ArrayBuffer>): Promise<MatmulRun>;
}

let gpu: Gpu | undefined;

const ours: MatmulEngine = {
  name: 'ours',
  peer: false,
  async start() {
    gpu ??= await openGpu({ bufferBytes: 4 * 4096 ** 2 });
    return adapterLine(gpu.adapter);
  },
  async load(n, a, b) {
    if (gpu === undefined) throw new Error('start() comes before load()');
    const { device, adapter } = gpu;
    const variant = defaultChoice(adapter).matmul({ form: 'NN', m: n, n, k: n });
    const matmul = await createMatmul(gpu, n, n, n, { variant });
    device.queue.writeBuffer(matmul.a, 0, a);
    device.queue.writeBuffer(matmul.b, 0, b);
    const reads = new ReadBack(device);
    return {
      variant: matmul.variant,
      run: () => matmul.run(),
      async finish(index) {
        const [value = Number.NaN] = await reads.floats({ buffer: matmul.c, offset: index * 4, size: 4 });
        return value;
      },
      dispose() {
        matmul.destroy();
        reads.destroy();
      },
    };
  },
};

const jax: MatmulEngine = {
  name: 'jax-js webgpu',
  peer: true,
  async start() {
    if (!(await init('webgpu')).includes('webgpu')) throw new Error('jax-js found no WebGPU');
    defaultDevice('webgpu');
    return 'webgpu';
  },
  async load(n, a, b) {
    const [x, y] = [np.array(a).reshape([n, n]), np.array(b).reshape([n, n])];
    const product = jit((p: np.Array, q: np.Array) => np.matmul(p, q));
    const entry = jit((c: np.Array, i: np.Array) => c.reshape([n * n]).slice(i));
    // Its arrays are lazy: one that is disposed of unread is never computed. So all are kept until waited for.
    let queued: np.Array[] = [];
    return {
      run: () => void queued.push(product(x.ref, y.ref)),
      async finish(index) {
        await blockUntilReady(queued);
        const last = queued.pop() as np.Array;
        for (const array of queued) array.dispose();
        queued = [];
        const i = np.array(new Int32Array([index]), { dtype: np.int32 });
        const value = await entry(last, i).data();
        return value[0];
      },
      dispose() {
        for (const array of [x, y, ...queued]) array.dispose();
        product.dispose();
        entry.dispose();
      },
    };
  },
};

const tfjs = (backend: 'webgpu' | 'webgl'): MatmulEngine => ({
  name: `tfjs ${backend}`,
  peer: true,
  async start() {
    if (!(await tf.setBackend(backend))) throw new Error(`tfjs could not start ${backend}`);
    return backend;
  },
  async load(n, a, b) {
    await tf.setBackend(backend);
    const [x, y] = [tf.tensor2d(a, [n, n]), tf.tensor2d(b, [n, n])];
    let last: tf.Tensor | undefined;
    return {
      select: () => tf.setBackend(backend),
      run() {
        last?.dispose();
        last = tf.matMul(x, y);
      },
      async finish(index) {
        const entry = tf.tidy(() => (last as tf.Tensor).slice([Math.floor(index / n), index % n], [1, 1]));
        const [value = Number.NaN] = await entry.data();
        entry.dispose();
        return value;
      },
      dispose: () => tf.dispose([x, y, ...(last === undefined ? [] : [last])]),
    };
  },
});

export const ENGINES: readonly MatmulEngine[] = [ours, jax, tfjs('webgpu'), tfjs('webgl')];
