/** What the page shows of a trouble, and why the model cannot be used (peer/trouble.test.ts has the troubles themselves). */
import { expect, test } from 'vitest';
import { GpuUnavailableError } from '../kernels/gpu.ts';
import { HostError } from '../peer/host.ts';
import { toTrouble } from '../peer/trouble.ts';
import { DeviceLostError } from '../training/errors.ts';
import { type ChatProblem, chatProblem, RunUnknownError } from './chat-problem.ts';
import { problemOf } from './problems.ts';

test('a GPU that cannot be had is shown by what is lacking, anything else as it is', () => {
  const lacking = toTrouble(new GpuUnavailableError('insecure-page'));
  expect(problemOf(lacking)).toEqual({ code: 'insecure-page', recovering: false });
  const lost = toTrouble(new DeviceLostError('reset'));
  expect(problemOf(lost)).toBe(lost);
});

/** As an error comes out of a worker: without its class. */
const fromWorker = (name: string, facts?: unknown): Error =>
  Object.assign(new Error('from a worker'), { name, facts });

const away = new HostError('unreachable', true, { url: 'https://host.test' });

test.each<[unknown, ChatProblem]>([
  [new RunUnknownError('early'), { code: 'run-unknown' }],
  [
    fromWorker('ChatRuntimeError', { backend: 'webgpu', error: 'no shaders' }),
    { code: 'no-runtime', backend: 'webgpu', error: 'no shaders' },
  ],
  [fromWorker('UncertifiedStateError', { root: 'ab12' }), { code: 'uncertified', root: 'ab12' }],
  [fromWorker('GenerationError'), { code: 'not-finite' }],
  [away, { code: 'trouble', trouble: toTrouble(away) }],
])('the chat fails with %s', (error, problem) => {
  expect(chatProblem(error)).toEqual(problem);
});
