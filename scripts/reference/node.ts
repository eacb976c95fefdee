/** In Node (Dawn): checks the golden files named on the command line, one JSON line each. Started by main.ts. */
import { readFileSync } from 'node:fs';
import { nodeGpuEntry } from '../../src/kernels/node-gpu.ts';
import { checkFile } from './check.ts';

for (const path of process.argv.slice(2)) {
  try {
    const figures = await checkFile(new Uint8Array(readFileSync(path)), await nodeGpuEntry());
    console.log(JSON.stringify({ path, figures }));
  } catch (error) {
    console.log(JSON.stringify({ path, error: error instanceof Error ? error.message : String(error) }));
  }
}
// Dawn's background thread would keep the process alive.
process.exit(0);
