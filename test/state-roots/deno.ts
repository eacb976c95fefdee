/** In Deno (wgpu): reads the scenarios from the file named on the command line, prints the roots as one JSON line. */
import { gpuRoots } from './scenarios.ts';

/** The little of Deno that is used here. */
interface DenoLike {
  readonly args: readonly string[];
  readTextFile(path: string): Promise<string>;
  exit(code: number): never;
}
const deno = (globalThis as unknown as { Deno: DenoLike }).Deno;

const [path] = deno.args;
console.log(JSON.stringify(await gpuRoots(JSON.parse(await deno.readTextFile(path ?? '')))));
deno.exit(0);
