/** Turns whatever went wrong into words for a person: what happened, what to do, whether Tabswarm goes on by itself. */
import { messageOf } from '../protocol/errors.ts';
import { unavailableMessage } from '../kernels/gpu.ts';
import { BlobError } from './blobs.ts';
import { OutOfSyncError } from './follower.ts';
import { HostError } from './host-client.ts';
import type { Problem } from './state.ts';

/** The host runs another version than this page. */
export class VersionError extends Error {
  static override readonly name = 'VersionError';
  override readonly name = 'VersionError';
}

/** The run's description is broken, unsigned or not for us. */
export class ManifestError extends Error {
  static override readonly name = 'ManifestError';
  override readonly name = 'ManifestError';
}

/** Errors that come from the worker have lost their class but not their name. */
function isNamed(error: unknown, name: string): error is Error {
  return error instanceof Error && error.name === name;
}

export function toProblem(error: unknown): Problem {
  const message = messageOf(error);
  if (error instanceof HostError) {
    const message = error.retry ? `${error.message} Trying again.` : error.message;
    return { code: 'host-unreachable', message, recovering: error.retry };
  }
  if (error instanceof VersionError) return { code: 'protocol-version', message, recovering: false };
  if (error instanceof ManifestError) return { code: 'bad-manifest', message, recovering: false };
  if (error instanceof OutOfSyncError) {
    return {
      code: 'out-of-sync',
      message: `${message} Fetching the certified model again.`,
      recovering: true,
    };
  }
  if (error instanceof BlobError || isNamed(error, 'BlobUnavailableError')) {
    return { code: 'host-unreachable', message: `${message} Trying again.`, recovering: true };
  }
  if (isNamed(error, 'GpuUnavailableError')) return gpuProblem(message);
  if (isNamed(error, 'DoesNotFitError')) return { code: 'adapter-too-small', message, recovering: false };
  if (isNamed(error, 'DeviceLostError')) {
    return {
      code: 'device-lost',
      message: `${message} Starting it again from the certified model.`,
      recovering: true,
    };
  }
  return { code: 'internal', message: `Something unexpected went wrong: ${message}`, recovering: true };
}

/** What can be said about this browser before anything is started; null when it looks able to train. */
export function foreseeable(): Problem | null {
  if (globalThis.isSecureContext && globalThis.navigator.gpu !== undefined) return null;
  return gpuProblem(unavailableMessage());
}

function gpuProblem(message: string): Problem {
  if (!globalThis.isSecureContext) return { code: 'insecure-page', message, recovering: false };
  if (globalThis.navigator?.gpu === undefined) return { code: 'no-webgpu', message, recovering: false };
  return { code: 'no-adapter', message, recovering: false };
}
