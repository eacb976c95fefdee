/**
 * What every runtime computes from the same submissions: state roots after two outer steps, for both averages, a
 * saturating state and every quantiser. Runs in Node, Chromium and Deno, so it imports nothing that only one has.
 */
import { adapterLine, openGpu } from '../../src/kernels/gpu.ts';
import { fromHex, toHex } from '../../src/protocol/bytes.ts';
import type { SparseLoco } from '../../src/protocol/manifest.ts';
import { CpuReplica } from '../../src/sparseloco/cpu-replica.ts';
import { GpuReplica } from '../../src/sparseloco/gpu-replica.ts';
import {
  randomDelta,
  randomTheta,
  smallConfig,
  smallLayout,
  testHeader,
  testSettings,
  tiedDelta,
} from '../../src/sparseloco/testing.ts';
import type { Replica } from '../../src/sparseloco/types.ts';

/** Plain JSON, so that it travels to another process. */
export interface Scenario {
  readonly settings: SparseLoco;
  /** Values near the ends of i32, so that the step saturates. */
  readonly extreme: boolean;
  readonly rounds: readonly (readonly { readonly hex: string; readonly weight: number }[])[];
}

export interface RuntimeRoots {
  readonly adapter: string;
  /** After load and after each round, of each scenario. */
  readonly roots: readonly (readonly string[])[];
  readonly saturated: readonly number[];
  /** A submission of values with exact sums and many ties, which every device must compress alike. */
  readonly compressed: string;
}

const layout = smallLayout();
const exactSettings = testSettings({ topK: 16, beta: 0, quantiser: 'sign2' });

/** Submissions are made once, by the caller: what is compared is how they are applied. */
export async function makeScenarios(): Promise<Scenario[]> {
  const cases: [Partial<SparseLoco>, boolean][] = [
    [{ average: 'senders', quantiser: 'sign1' }, false],
    [{ average: 'all', quantiser: 'sign2', fractionBits: 20, alpha: 0.9 }, false],
    [{ average: 'senders', quantiser: 'tensor4', topK: 300 }, false],
    [{ average: 'senders', quantiser: 'sign1', fractionBits: 30, alpha: 10 }, true],
  ];
  return Promise.all(
    cases.map(async ([change, extreme], n) => {
      const settings = testSettings(change);
      const peer = new CpuReplica(layout, settings);
      const rounds: { hex: string; weight: number }[][] = [];
      for (const round of [1, 2]) {
        const accepted: { hex: string; weight: number }[] = [];
        for (let i = 0; i < 4; i++) {
          await peer.clearError();
          const delta = randomDelta(layout, 1000 * n + 10 * round + i).map((x) => -x * (1 + i));
          const { bytes } = await peer.compress(delta, testHeader(round, i + 1));
          accepted.push({ hex: toHex(bytes), weight: 1 + ((n * 71 + round * 331 + i * 517) % 1024) });
        }
        rounds.push(accepted);
      }
      return { settings, extreme, rounds };
    }),
  );
}

function startState(settings: SparseLoco, extreme: boolean): Int32Array {
  const theta = randomTheta(layout, 77, extreme ? 24 : settings.fractionBits);
  if (!extreme) return theta;
  return theta.map((x) => (x > 0 ? 2 ** 31 - 1 - (x & 0xff) : -(2 ** 31) + (-x & 0xff)));
}

async function run(
  scenarios: readonly Scenario[],
  open: (settings: SparseLoco) => Promise<Replica & { readonly saturatedCount: number }>,
): Promise<Omit<RuntimeRoots, 'adapter' | 'compressed'>> {
  const roots: string[][] = [];
  const saturated: number[] = [];
  for (const { settings, extreme, rounds } of scenarios) {
    const replica = await open(settings);
    await replica.load(startState(settings, extreme));
    const seen = [toHex(await replica.root())];
    let cut = 0;
    for (const round of rounds) {
      const accepted = round.map(({ hex, weight }) => ({ bytes: fromHex(hex), weight }));
      seen.push(toHex(await replica.apply(accepted)));
      cut += replica.saturatedCount;
    }
    roots.push(seen);
    saturated.push(cut);
  }
  return { roots, saturated };
}

/** The plain TypeScript reference. */
export async function cpuRoots(scenarios: readonly Scenario[]): Promise<RuntimeRoots> {
  const { bytes } = await new CpuReplica(layout, exactSettings).compress(tiedDelta(layout), testHeader());
  const result = await run(scenarios, async (s) => new CpuReplica(layout, s));
  return { adapter: 'none', ...result, compressed: toHex(bytes) };
}

/** This runtime's WebGPU; `gpu` where it has no `navigator.gpu`. */
export async function gpuRoots(scenarios: readonly Scenario[], gpu?: GPU): Promise<RuntimeRoots> {
  const device = await openGpu({ gpu });
  const result = await run(scenarios, (s) => GpuReplica.create(device, smallConfig, s));
  const replica = await GpuReplica.create(device, smallConfig, exactSettings);
  const values = tiedDelta(layout);
  const parameters = device.device.createBuffer({
    size: values.byteLength,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
  });
  device.device.queue.writeBuffer(parameters, 0, values as Float32Array<ArrayBuffer>);
  const { bytes } = await replica.compress(parameters, testHeader());
  return { adapter: adapterLine(device.adapter), ...result, compressed: toHex(bytes) };
}
