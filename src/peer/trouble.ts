/** Turns what was thrown into a typed {@link Trouble}: its kind, its facts, and whether waiting or starting over mends it. */
import { OutOfSyncError } from '../chain/follower.ts';
import type { GpuUnavailableError } from '../kernels/gpu.ts';
import { messageOf } from '../protocol/errors.ts';
import { BlobUnavailableError } from '../swarm/types.ts';
import type { DoesNotFitError } from '../training/errors.ts';
import type { AdapterLateError, GpuWithdrawnError } from './adapter-patience.ts';
import { BlobError } from './blobs.ts';
import { HostChangedError, OtherRunError, RunError } from './fetch-run.ts';
import { HostError } from './host.ts';
import type { Trouble } from './reasons.ts';

export function toTrouble(error: unknown): Trouble {
  const detail = messageOf(error);
  if (error instanceof HostError) {
    const { code: why, facts, retry: recovering } = error;
    return { code: 'host-unreachable', recovering, why, url: facts.url, status: facts.status ?? null };
  }
  if (error instanceof RunError) {
    const { ours, theirs } = error.facts;
    if (error.code === 'protocol-version')
      return { code: 'protocol-version', recovering: false, ours, theirs };
    return { code: 'bad-manifest', recovering: false, detail: error.facts.detail };
  }
  if (error instanceof OtherRunError) return { code: 'other-run', recovering: false, ...error.facts };
  if (error instanceof HostChangedError) return { code: 'host-changed', recovering: true, what: error.what };
  if (error instanceof OutOfSyncError)
    return { code: 'out-of-sync', recovering: true, why: error.code, height: error.height };
  if (error instanceof BlobError)
    return { code: 'blob-missing', recovering: true, hash: error.facts.hash, reasons: error.facts.reasons };
  if (error instanceof BlobUnavailableError || isNamed(error, 'BlobUnavailableError'))
    return { code: 'blob-missing', recovering: true, hash: '', reasons: detail };
  // Errors that come from a worker have lost their class, but not their name, code and facts (worker/thrown.ts).
  if (isNamed<GpuUnavailableError>(error, 'GpuUnavailableError'))
    return { code: 'gpu-unavailable', recovering: false, lack: error.code };
  if (isNamed<AdapterLateError>(error, 'AdapterLateError'))
    return { code: 'gpu-unavailable', recovering: true, lack: 'no-adapter' };
  if (isNamed<GpuWithdrawnError>(error, 'GpuWithdrawnError'))
    return { code: 'gpu-withdrawn', recovering: true };
  if (isNamed<DoesNotFitError>(error, 'DoesNotFitError'))
    return { code: 'adapter-too-small', recovering: false, ...error.facts };
  if (isNamed(error, 'DeviceLostError')) return { code: 'device-lost', recovering: true, detail };
  return { code: 'internal', recovering: true, detail };
}

const isNamed = <E extends Error>(error: unknown, name: E['name']): error is E =>
  error instanceof Error && error.name === name;
