/** 10,000 training steps at small size: the process and the JavaScript heap must not grow once warm. */
import { adapterLine } from '../../src/kernels/gpu.ts';
import { testGpu } from '../../src/kernels/testing.ts';
import { noise } from '../../src/kernels/testing-buffers.ts';
import { createEngine } from '../../src/training/engine.ts';

const STEPS = 10_000;
/** Share by which the resident set may end above its value after a tenth of the steps. */
const MOST_GROWTH = 0.1;

export async function soakEngine(options: { json: boolean; steps?: number | undefined }): Promise<boolean> {
  const steps = options.steps ?? STEPS;
  const gpu = await testGpu();
  const vocabSize = 64;
  const engine = await createEngine({
    gpu,
    config: {
      vocabSize,
      hiddenSize: 64,
      intermediateSize: 64,
      layers: 1,
      heads: 2,
      kvHeads: 2,
      tiedEmbeddings: true,
      ropeTheta: 10_000,
      rmsNormEps: 1e-5,
    },
    batch: 1,
    sequence: 16,
    accumulation: 1,
    optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 },
  });
  engine.setParameters(
    noise(engine.layout.elements, 1).map((x, i) => (i < engine.layout.matrixElements ? 0.1 * x : 1)),
  );
  engine.resetOptimizer();
  const print = (name: string, value: number, unit: string, extra: object = {}) =>
    console.log(options.json ? JSON.stringify({ name, value, unit, ...extra }) : `${name} ${value} ${unit}`);
  let warm = 0;
  let first = Number.NaN;
  const every = Math.max(1, Math.floor(steps / 10));
  for (let i = 1; i <= steps; i++) {
    const raw = noise(17, i).map((x) => Math.floor(((x + 1) / 2) * vocabSize) % vocabSize);
    // A learnable rule, so that the loss shows that steps do something.
    const tokens = Int32Array.from(raw.subarray(0, 16));
    const targets = tokens.map((t) => (t * 5 + 3) % vocabSize);
    await engine.step([{ tokens, targets }], 1e-3);
    if (i % every === 0) {
      const { loss } = await engine.report();
      if (i === every) first = loss;
      const rss = process.memoryUsage().rss;
      if (i === every) warm = rss;
      print('soak.engine.rss', Math.round(rss / 2 ** 20), 'MiB', { step: i, loss });
    }
  }
  const { loss } = await engine.report();
  const growth = process.memoryUsage().rss / warm - 1;
  print('soak.engine.growth', Math.round(growth * 1000) / 1000, 'share', {
    steps,
    adapter: adapterLine(gpu.adapter),
    bytes: engine.allocatedBytes,
  });
  engine.destroy();
  return growth <= MOST_GROWTH && loss <= first;
}
