/** The other end of worker-calls.ts, in a thread or a process: answers questions, one after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../protocol/errors.ts';
import type { WorkerReply } from './worker-calls.ts';

/** What this helper was started with. */
export function helperData(): Promise<unknown> {
  if (parentPort !== null) return Promise.resolve(workerData);
  return new Promise((resolve) =>
    process.once('message', (message: { readonly data: unknown }) => resolve(message.data)),
  );
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- Q is what the other end declares that it asks
export function serveCalls<Q, R>(answer: (question: Q) => Promise<R>): void {
  const port = parentPort;
  let queue: Promise<void> = Promise.resolve();
  const take = (message: { readonly id?: number; readonly question?: Q }): void => {
    const { id, question } = message;
    if (id === undefined || question === undefined) return; // what it was started with
    queue = queue.then(async () => {
      let reply: WorkerReply<R>;
      try {
        reply = { id, ok: true, value: await answer(question) };
      } catch (error) {
        reply = { id, ok: false, error: messageOf(error) };
      }
      if (port !== null) port.postMessage(reply);
      else process.send?.(reply);
    });
  };
  if (port !== null) port.on('message', take);
  else {
    process.on('message', take);
    // The host is gone: nobody asks any more.
    process.on('disconnect', () => process.exit(0));
  }
}
