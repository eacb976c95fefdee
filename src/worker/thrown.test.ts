/** What arrives of an error on the other side of a worker. */
import { expose, releaseProxy, wrap } from 'comlink';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GpuUnavailableError } from '../kernels/gpu.ts';
import { DeviceLostError, DoesNotFitError, type MisfitFacts } from '../training/errors.ts';
import { carryFacts } from './thrown.ts';

const facts: MisfitFacts = {
  misfit: { of: 'buffer', name: 'gradients', bytes: 512, most: 256 },
  batch: 4,
  sequence: 128,
  largest: 'small',
};

const failing = {
  gpu: (): Promise<unknown> => Promise.reject(new GpuUnavailableError('no-adapter', 'none is offered')),
  fits: (): Promise<unknown> => Promise.reject(new DoesNotFitError(facts)),
  lost: (): Promise<unknown> => Promise.reject(new DeviceLostError('reset')),
  // oxlint-disable-next-line prefer-promise-reject-errors -- what a careless library throws
  text: (): Promise<unknown> => Promise.reject('no error at all'),
};

const { port1, port2 } = new MessageChannel();
const remote = wrap<typeof failing>(port2);
beforeAll(() => {
  carryFacts();
  carryFacts();
  expose(failing, port1);
});
afterAll(() => {
  remote[releaseProxy]();
  port1.close();
});

it('an error keeps its name, message, code and facts, but not its class', async () => {
  const gpu: unknown = await remote.gpu().catch((error: unknown) => error);
  expect(gpu).toMatchObject({ name: 'GpuUnavailableError', message: 'none is offered', code: 'no-adapter' });
  expect(gpu).toBeInstanceOf(Error);
  expect(gpu).not.toBeInstanceOf(GpuUnavailableError);
  await expect(remote.fits()).rejects.toMatchObject({ name: 'DoesNotFitError', facts });
});

it('an error without them arrives as before, and so does what is no error', async () => {
  const lost: unknown = await remote.lost().catch((error: unknown) => error);
  expect(lost).toMatchObject({ name: 'DeviceLostError', message: 'reset' });
  expect(lost).not.toHaveProperty('code');
  expect(lost).not.toHaveProperty('facts');
  await expect(remote.text()).rejects.toBe('no error at all');
});
