/** In Deno (wgpu): the runs of the job file named on the command line. Bundled and started by lib/launch.ts. */
import { runJob } from './lib/job.ts';

/** The little of Deno that is used here. */
interface DenoLike {
  readonly args: readonly string[];
  readonly version: { readonly deno: string };
  readFile(path: string): Promise<Uint8Array>;
  exit(code: number): never;
}
const deno = (globalThis as unknown as { Deno: DenoLike }).Deno;

await runJob(deno.args[0], {
  runtime: `Deno ${deno.version.deno} (wgpu)`,
  read: (path) => deno.readFile(path),
  progress: (line) => console.error(line),
});
deno.exit(0);
