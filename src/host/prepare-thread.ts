/**
 * Prepares a run in a thread of its own: reading, tokenizer, shards and the first state are minutes of synchronous work
 * for a large text or model. Meanwhile the host answers HTTP, prints progress, and ends at once when it is told to.
 */
import { Worker } from 'node:worker_threads';
import { messageOf } from '../protocol/errors.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { CorpusListing } from './corpus.ts';
import { type Fault, fault, HostFault } from './faults.ts';
import type { GenesisOptions } from './genesis.ts';
import type { PreparedData, PrepareOptions, PrepareProgress } from './prepare.ts';
import { EXEC_ARGV } from './worker-calls.ts';

/** What the thread is told at its start. */
export interface PreparationOrder {
  readonly dataDir: string;
  readonly data: Omit<PrepareOptions, 'onProgress' | 'onText'>;
  readonly genesis: GenesisOptions;
}

export interface PreparedRun {
  readonly data: PreparedData;
  readonly genesis: Manifest['genesis'];
}

/** What the thread says. After `prepared` or `failed` it ends. */
export type PreparationNews =
  | { readonly is: 'progress'; readonly progress: PrepareProgress }
  | { readonly is: 'text'; readonly listing: CorpusListing }
  | { readonly is: 'prepared'; readonly run: PreparedRun }
  | { readonly is: 'failed'; readonly fault: Fault };

export interface PrepareEvents {
  /** Told some times a second, and once at least in each stage. */
  readonly onProgress?: ((progress: PrepareProgress) => void) | undefined;
  /** Told once, what of the text is published and what is skipped. */
  readonly onText?: ((listing: CorpusListing) => void) | undefined;
  /** Ends the thread wherever it is. What it has written stays, and the next preparation uses it. */
  readonly signal?: AbortSignal | undefined;
}

/** Data and first state of a run, ready for the manifest. Throws HostFault, or the signal's reason when aborted. */
export async function prepareInThread(order: PreparationOrder, events: PrepareEvents): Promise<PreparedRun> {
  const { onProgress, onText, signal } = events;
  signal?.throwIfAborted();
  const worker = new Worker(new URL('./prepare.worker.ts', import.meta.url), {
    workerData: order,
    execArgv: EXEC_ARGV,
  });
  const ended = Promise.withResolvers<PreparedRun>();
  const abort = (): void => ended.reject(signal?.reason);
  worker.on('message', (news: PreparationNews) => {
    // What was on its way when it was stopped.
    if (signal?.aborted === true) return;
    if (news.is === 'progress') onProgress?.(news.progress);
    else if (news.is === 'text') onText?.(news.listing);
    else if (news.is === 'prepared') ended.resolve(news.run);
    else ended.reject(new HostFault(news.fault));
  });
  // Out of memory, for one.
  worker.on('error', (error) =>
    ended.reject(fault('preparation-failed', { error: messageOf(error) }, error)),
  );
  worker.on('exit', (code) => ended.reject(fault('preparation-failed', { error: `exit code ${code}` })));
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await ended.promise;
  } finally {
    signal?.removeEventListener('abort', abort);
    await worker.terminate();
  }
}
