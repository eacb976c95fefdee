/** Every failure becomes words with something to do, and says truly whether Tabswarm goes on by itself. */
import { expect, test } from 'vitest';
import { GpuUnavailableError } from '../kernels/gpu.ts';
import { DeviceLostError, DoesNotFitError } from '../training/errors.ts';
import { BlobError } from './blobs.ts';
import { OutOfSyncError } from './follower.ts';
import { HostError } from './host-client.ts';
import { ManifestError, toProblem, VersionError } from './problems.ts';

/** As comlink hands them over: name and message survive, the class does not. */
const across = (error: Error) => Object.assign(new Error(error.message), { name: error.name });

test.each([
  [new HostError('away', true), 'host-unreachable', true],
  [new HostError('not ours', false), 'host-unreachable', false],
  [new VersionError('reload'), 'protocol-version', false],
  [new ManifestError('broken'), 'bad-manifest', false],
  [new OutOfSyncError('roots differ'), 'out-of-sync', true],
  [new BlobError('gone'), 'host-unreachable', true],
  [across(new DeviceLostError('reset')), 'device-lost', true],
  [across(new DoesNotFitError('needs 4 GB')), 'adapter-too-small', false],
  [new RangeError('surprise'), 'internal', true],
  ['not even an error', 'internal', true],
])('%s', (error, code, recovering) => {
  const problem = toProblem(error);
  expect(problem).toMatchObject({ code, recovering });
  expect(problem.message).toContain(error instanceof Error ? error.message : error);
});

test('without WebGPU the reason depends on the page', () => {
  expect(toProblem(across(new GpuUnavailableError('none here'))).code).toMatch(
    /no-webgpu|insecure-page|no-adapter/,
  );
});
