/** In Deno (wgpu): replays the audits of the folder named on the command line. Bundled and started by audit-drift.ts. */
import { runAudits } from './lib/audit-job.ts';

/** The little of Deno that is used here. */
interface DenoLike {
  readonly args: readonly string[];
  readFile(path: string): Promise<Uint8Array<ArrayBuffer>>;
  readTextFile(path: string): Promise<string>;
  exit(code: number): never;
}
const deno = (globalThis as unknown as { Deno: DenoLike }).Deno;
const [folder] = deno.args;

await runAudits(JSON.parse(await deno.readTextFile(`${folder}/job.json`)), {
  read: (name) => deno.readFile(`${folder}/${name}`),
  print: (line) => console.log(line),
});
deno.exit(0);
