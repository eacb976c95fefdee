/** In Node (Dawn): the runs of the job file named on the command line. Started by lib/launch.ts. */
import { readFile } from 'node:fs/promises';
import { nodeGpuEntry } from '../src/kernels/node-gpu.ts';
import { runJob } from './lib/job.ts';

await runJob(process.argv[2], {
  runtime: `Node ${process.version} (Dawn)`,
  gpu: await nodeGpuEntry(),
  read: async (path) => new Uint8Array(await readFile(path)),
  progress: (line) => console.error(line),
});
// Dawn's background thread would keep the process alive.
process.exit(0);
