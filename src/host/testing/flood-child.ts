/** A host in a process of its own, so that a test can flood it and measure what that costs it: prints its port and RSS. */
import { join } from 'node:path';
import { startHost } from '../run.ts';
import { smallRun, writeCorpus } from './fixtures.ts';

const [dir = ''] = process.argv.slice(2);
const host = await startHost({
  ...smallRun(writeCorpus(dir)),
  startMs: Date.now() + 3_600_000,
  dataDir: join(dir, 'data'),
  appDir: null,
  port: 0,
  listen: '0.0.0.0',
  evaluator: 'ort',
});
const { hash } = host.opened.run.manifest.genesis.checkpoint;
process.send?.({ port: host.port, checkpoint: Buffer.from(hash).toString('hex') });
process.on('message', () => process.send?.({ rss: process.memoryUsage.rss() }));
process.on('disconnect', () => process.exit(0));
