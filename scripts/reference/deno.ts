/** In Deno (wgpu): checks the golden files named on the command line, one JSON line each. Bundled by main.ts. */
import { checkFile } from './check.ts';

/** The little of Deno that is used here. */
interface DenoLike {
  readonly args: readonly string[];
  readFile(path: string): Promise<Uint8Array>;
  exit(code: number): never;
}
const deno = (globalThis as unknown as { Deno: DenoLike }).Deno;

for (const path of deno.args) {
  try {
    console.log(JSON.stringify({ path, figures: await checkFile(await deno.readFile(path)) }));
  } catch (error) {
    console.log(JSON.stringify({ path, error: error instanceof Error ? error.message : String(error) }));
  }
}
deno.exit(0);
