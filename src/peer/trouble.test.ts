/** Each kind of failure as a trouble: its code, its facts, and whether waiting mends it. */
import { describe, expect, test } from 'vitest';
import { OutOfSyncError } from '../chain/follower.ts';
import { GpuUnavailableError } from '../kernels/gpu.ts';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import { BlobUnavailableError } from '../swarm/types.ts';
import { DeviceLostError, DoesNotFitError, type MisfitFacts } from '../training/errors.ts';
import { BlobError } from './blobs.ts';
import { RunError } from './fetch-run.ts';
import { HostError } from './host.ts';
import { toTrouble } from './trouble.ts';

/** As an error comes out of a worker: without its class. */
function fromWorker(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}

describe('failures that waiting or starting over mends', () => {
  test.each([
    [
      'a host that is away',
      new HostError('unreachable', true, { url: 'http://host' }),
      { code: 'host-unreachable', why: 'unreachable', url: 'http://host', status: null },
    ],
    [
      'a host that is overloaded',
      new HostError('status', true, { url: 'http://host/api/head', status: 503 }),
      { code: 'host-unreachable', why: 'status', url: 'http://host/api/head', status: 503 },
    ],
    [
      'another root',
      new OutOfSyncError('root-differs', 7, 'x'),
      { code: 'out-of-sync', why: 'root-differs', height: 7 },
    ],
    ['no state', new OutOfSyncError('no-state', 3, 'x'), { code: 'out-of-sync', why: 'no-state', height: 3 }],
    [
      'missing data',
      new BlobError('abcd', ['the host: 404', 'nobody']),
      { code: 'blob-missing', hash: 'abcd', reasons: 'the host: 404; nobody' },
    ],
    [
      'missing work',
      new BlobUnavailableError('nobody'),
      { code: 'blob-missing', hash: '', reasons: 'nobody' },
    ],
    [
      'missing work, from a worker',
      fromWorker('BlobUnavailableError', 'nobody'),
      { code: 'blob-missing', hash: '', reasons: 'nobody' },
    ],
    ['a lost device', new DeviceLostError('reset'), { code: 'device-lost', detail: 'reset' }],
    [
      'a lost device, from a worker',
      fromWorker('DeviceLostError', 'reset'),
      { code: 'device-lost', detail: 'reset' },
    ],
    [
      'a bug',
      new TypeError('undefined is no function'),
      { code: 'internal', detail: 'undefined is no function' },
    ],
    ['what is no error', 'just a text', { code: 'internal', detail: 'just a text' }],
  ] as const)('%s', (_, error, trouble) => {
    expect(toTrouble(error)).toEqual({ ...trouble, recovering: true });
  });
});

const MISFIT: MisfitFacts = {
  misfit: { of: 'budget', name: '', bytes: 2000, most: 1000 },
  batch: 4,
  sequence: 64,
  largest: null,
};

describe('failures that last', () => {
  test.each([
    [
      'a host that answers with something else',
      new HostError('no-json', false, { url: 'http://host/api/run' }),
      { code: 'host-unreachable', why: 'no-json', url: 'http://host/api/run', status: null },
    ],
    [
      'another protocol version',
      new RunError('protocol-version', 9, 'host speaks 9'),
      { code: 'protocol-version', ours: PROTOCOL_VERSION, theirs: 9 },
    ],
    [
      'a manifest that is not valid',
      new RunError('bad-manifest', PROTOCOL_VERSION, 'no signature'),
      { code: 'bad-manifest', detail: 'no signature' },
    ],
    ['no GPU', new GpuUnavailableError('no-adapter'), { code: 'gpu-unavailable', lack: 'no-adapter' }],
    [
      'no GPU, from a worker',
      Object.assign(fromWorker('GpuUnavailableError', 'none'), { code: 'no-adapter' }),
      { code: 'gpu-unavailable', lack: 'no-adapter' },
    ],
    ['a GPU that is too small', new DoesNotFitError(MISFIT), { code: 'adapter-too-small', ...MISFIT }],
    [
      'a GPU that is too small, from a worker',
      Object.assign(fromWorker('DoesNotFitError', 'too small'), { facts: MISFIT }),
      { code: 'adapter-too-small', ...MISFIT },
    ],
  ] as const)('%s', (_, error, trouble) => {
    expect(toTrouble(error)).toEqual({ ...trouble, recovering: false });
  });
});
