/** The other end of worker-calls.ts: answers the questions that come to this worker thread, one after another. */
import { messageOf } from '../protocol/errors.ts';
import { parentPort } from 'node:worker_threads';
import type { WorkerReply } from './worker-calls.ts';

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- Q is what the other end declares that it asks
export function serveCalls<Q, R>(answer: (question: Q) => Promise<R>): void {
  const port = parentPort;
  if (port === null) throw new Error('this module runs as a worker thread only');
  let queue: Promise<void> = Promise.resolve();
  port.on('message', ({ id, question }: { id: number; question: Q }) => {
    queue = queue.then(async () => {
      let reply: WorkerReply<R>;
      try {
        reply = { id, ok: true, value: await answer(question) };
      } catch (error) {
        reply = { id, ok: false, error: messageOf(error) };
      }
      port.postMessage(reply);
    });
  });
}
