/** In Node (Dawn): our engine alone, one JSON line per plan given on the command line. Started by train.ts. */
import { installGpuCounters } from '../lib/gpu-counters.ts';
import { nodeGpuEntry } from '../../src/kernels/node-gpu.ts';
import { compareTraining, type Plan } from './compare.ts';
import { ours } from './ours.ts';

const gpu = await nodeGpuEntry();
installGpuCounters();
const kind = ours(gpu);
for (const text of process.argv.slice(2)) {
  const results = await compareTraining([kind], JSON.parse(text) as Plan, (line) => console.error(line));
  console.log(JSON.stringify(results));
}
// Dawn's background thread would keep the process alive.
process.exit(0);
