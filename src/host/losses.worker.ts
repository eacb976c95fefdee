/**
 * Worker thread that measures losses on the CPU, so that the relay and the HTTP server never wait for a forward pass.
 *
 * Speaks {@link LossRequest} and {@link LossReply} with losses.ts; holds one state θ at a time.
 */
import { messageOf } from '../protocol/errors.ts';
import { parentPort, workerData } from 'node:worker_threads';
import { thetaToFloat } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { createOrtEvaluator } from '../model/ort-evaluator.ts';
import { addScaled } from '../sparseloco/update.ts';
import { decodeSubmission } from '../sparseloco/wire.ts';
import type { LossReply, LossRequest, LossWorkerData } from './losses.ts';

const { model, sparseloco, sequence, threads } = workerData as LossWorkerData;
const port = parentPort;
if (port === null) throw new Error('losses.worker.ts runs as a worker thread only');
const layout = parameterLayout(model);
// One sequence a run of the graph: the gauntlet compares losses sequence by sequence.
const evaluator = createOrtEvaluator(model, { batch: 1, sequence, threads });
evaluator.catch(() => {}); // reported by the first request
let base: Float32Array | null = null;
let queue: Promise<void> = Promise.resolve();

port.on('message', (request: LossRequest) => {
  queue = queue.then(() => answer(request));
});

async function answer(request: LossRequest): Promise<void> {
  let reply: LossReply;
  try {
    reply = { id: request.id, losses: await work(request) };
  } catch (error) {
    reply = { id: request.id, error: messageOf(error) };
  }
  port?.postMessage(reply);
}

async function work(request: LossRequest): Promise<number[]> {
  if (request.kind === 'load') {
    base = thetaToFloat(request.theta, sparseloco.fractionBits);
    return [];
  }
  if (request.kind === 'close') {
    await (await evaluator).close();
    return [];
  }
  if (base === null) throw new Error('no state was loaded');
  let parameters = base;
  if (request.step !== null) {
    parameters = base.slice();
    const { update } = decodeSubmission(request.step.bytes, layout, sparseloco);
    // The outer step subtracts alpha times the pseudo-gradient; a scaled one ranks more stably (arXiv 2505.21684).
    addScaled(parameters, update, layout, -sparseloco.alpha * request.step.scale);
  }
  const losses: number[] = [];
  for (let at = 0; at < request.tokens.length; at += sequence) {
    const loss = await (await evaluator).evaluate(
      parameters,
      request.tokens.slice(at, at + sequence),
      request.targets.slice(at, at + sequence),
    );
    losses.push(loss);
  }
  return losses;
}
