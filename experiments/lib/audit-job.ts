/**
 * Rounds as a contributor hands them in, true and false, and their replay on whatever GPU this runs on: how far apart
 * honest machines are, and how far a lie is from them. Started by audit-drift.ts, in Node or Deno.
 */
import { judgeReplay } from '../../src/gauntlet/replay.ts';
import { Replayer } from '../../src/measure/replayer.ts';
import { replayRequest } from '../../src/measure/replays.ts';
import { defaultChoice } from '../../src/kernels/choice.ts';
import { openGpu } from '../../src/kernels/gpu.ts';
import { parameterLayout } from '../../src/model/layout.ts';
import type { Manifest, Task } from '../../src/protocol/manifest.ts';
import type { Carry } from '../../src/training/carry.ts';

/** One claim to replay; each name is a file in the job's folder. */
export interface AuditCase {
  readonly name: string;
  readonly round: number;
  readonly theta: string;
  readonly before: CarryFiles | null;
  readonly after: CarryFiles;
  readonly submission: string;
  readonly innerSteps: number;
  /** 32 bytes as hex. */
  readonly seed: string;
  readonly height: number;
}

export interface CarryFiles {
  readonly error: string;
  readonly moment1: string;
  readonly moment2: string;
  readonly step: number;
}

export interface AuditJob {
  /** What of a manifest the replay needs. */
  readonly manifest: Pick<Manifest, 'model' | 'sparseloco'> & {
    readonly task: Pick<Task, 'training'> & {
      readonly data: { readonly train: readonly { readonly tokens: number }[] };
    };
  };
  /** The only shard, u16. */
  readonly shard: string;
  readonly cases: readonly AuditCase[];
}

export interface AuditHost {
  readonly gpu?: GPU;
  readonly read: (name: string) => Promise<Uint8Array<ArrayBuffer>>;
  readonly print: (line: string) => void;
}

export async function runAudits(job: AuditJob, host: AuditHost): Promise<void> {
  const gpu = await openGpu({ gpu: host.gpu });
  // The replayer reads no other field.
  const manifest = job.manifest as unknown as Manifest;
  const layout = parameterLayout(manifest.model);
  const floats = async (name: string) => new Float32Array((await host.read(name)).buffer);
  const carryOf = async (files: CarryFiles): Promise<Carry> => ({
    error: await floats(files.error),
    moment1: await floats(files.moment1),
    moment2: await floats(files.moment2),
    step: files.step,
  });
  const shards = new Map([[0, new Uint16Array((await host.read(job.shard)).buffer)]]);
  const f32 = defaultChoice(gpu.adapter);
  const kinds = gpu.adapter.shaderF16 ? [f32, { ...f32, storage: 'f16' as const }] : [f32];
  for (const choice of kinds) {
    const replayer = await Replayer.open(gpu, manifest, choice);
    for (const one of job.cases) await replayCase(one, replayer, choice.storage);
    replayer.close();
  }

  async function replayCase(one: AuditCase, replayer: Replayer, storage: string): Promise<void> {
    const before = one.before === null ? null : await carryOf(one.before);
    const job = {
      theta: new Int32Array((await host.read(one.theta)).buffer),
      before,
      seed: Uint8Array.from(one.seed.match(/../g) ?? [], (hex) => Number.parseInt(hex, 16)),
      height: one.height,
      innerSteps: one.innerSteps,
      shards,
    };
    const claim = { before, after: await carryOf(one.after) };
    const submission = await host.read(one.submission);
    const figures = await replayRequest(replayer, { layout, manifest }, { job, claim, submission });
    const { vendor, architecture, description } = gpu.adapter;
    host.print(
      JSON.stringify({
        name: `audit.${one.name}`,
        round: one.round,
        ...figures,
        outcome: judgeReplay(figures).outcome,
        operands: storage,
        adapter: `${vendor} ${architecture} ${description}`.trim(),
      }),
    );
  }
}
