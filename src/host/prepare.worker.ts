/** The thread that prepares a run: text, tokenizer, shards, first state. Asked through prepare-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../protocol/errors.ts';
import { type Fault, HostFault } from './faults.ts';
import { prepareGenesis } from './genesis.ts';
import { type PrepareProgress, prepareData } from './prepare.ts';
import type { PreparationNews, PreparationOrder, PreparedRun } from './prepare-thread.ts';

/** A person reads progress, at most this often. */
const PROGRESS_MS = 100;

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Node worker, not a window
const say = (news: PreparationNews): void => parentPort?.postMessage(news);

let told: { readonly stage: string; readonly at: number } = { stage: '', at: 0 };

function onProgress(progress: PrepareProgress): void {
  const at = performance.now();
  if (progress.stage === told.stage && at - told.at < PROGRESS_MS) return;
  told = { stage: progress.stage, at };
  say({ is: 'progress', progress });
}

async function prepare({ dataDir, data, genesis }: PreparationOrder): Promise<PreparedRun> {
  const prepared = await prepareData(dataDir, {
    ...data,
    onProgress,
    onText: (listing) => say({ is: 'text', listing }),
  });
  onProgress({ stage: 'genesis', done: 0, of: null });
  return { data: prepared, genesis: await prepareGenesis(dataDir, genesis) };
}

function faultOf(error: unknown): Fault {
  if (error instanceof HostFault) return error.fault;
  return { code: 'preparation-failed', facts: { error: messageOf(error) } };
}

try {
  say({ is: 'prepared', run: await prepare(workerData as PreparationOrder) });
} catch (error) {
  say({ is: 'failed', fault: faultOf(error) });
}
