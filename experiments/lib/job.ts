/**
 * A list of runs for a child process, in whichever runtime its WebGPU is: the same code in Node and in Deno. Each
 * result is printed as one JSON line; progress goes to stderr.
 */
import { openGpu } from '../../src/kernels/gpu.ts';
import type { ByteCorpus } from './data.ts';
import type { RunSettings } from './settings.ts';
import { EnginePool, simulate } from './simulate.ts';

/** Written as JSON by the parent; texts are files beside it. */
export interface Job {
  readonly runs: readonly RunSettings[];
  readonly corpora: Readonly<
    Record<string, { train: string; documents: readonly number[]; heldOut: string }>
  >;
}

export type JobLine = { run: number; result: unknown } | { run: number; error: string };

export interface JobHost {
  readonly runtime: string;
  readonly gpu?: GPU | undefined;
  read(path: string): Promise<Uint8Array>;
  progress(line: string): void;
}

export async function runJob(path: string, host: JobHost): Promise<void> {
  const job = JSON.parse(new TextDecoder().decode(await host.read(path))) as Job;
  const pool = new EnginePool(await openGpu({ gpu: host.gpu }));
  const corpora = new Map<string, ByteCorpus>();
  for (const [name, { train, documents, heldOut }] of Object.entries(job.corpora)) {
    corpora.set(name, { train: await host.read(train), documents, heldOut: await host.read(heldOut) });
  }
  for (const [run, settings] of job.runs.entries()) {
    const print = (line: JobLine) => console.log(JSON.stringify(line));
    try {
      const corpus = corpora.get(settings.corpus);
      if (corpus === undefined) throw new Error(`no text "${settings.corpus}"`);
      const result = await simulate(settings, corpus, pool, host.runtime, {
        onProgress: (line) => host.progress(line),
      });
      print({ run, result });
    } catch (error) {
      print({ run, error: error instanceof Error ? error.message : String(error) });
    }
  }
}
