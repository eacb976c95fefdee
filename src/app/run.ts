/** The run that a host serves, opened: its manifest checked, its id, and how to reach it. */
import { openManifest } from '../protocol/envelope.ts';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { fromBase64, type HostClient, type RunAnswer } from './host-client.ts';
import { ManifestError, VersionError } from './problems.ts';

export interface Run {
  readonly answer: RunAnswer;
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  /** Signed, as the host sent it. */
  readonly manifestBytes: Uint8Array;
}

/** Throws HostError, VersionError or ManifestError. */
export async function fetchRun(host: HostClient): Promise<Run> {
  const answer = await host.run();
  if (answer.protocol !== PROTOCOL_VERSION) {
    throw new VersionError(
      `This page speaks protocol ${PROTOCOL_VERSION}, the host speaks ${answer.protocol}. Reload the page.`,
    );
  }
  const manifestBytes = fromBase64(answer.manifest);
  const opened = await openManifest(manifestBytes);
  if (!opened.ok) throw new ManifestError(`The host's run description is not valid: ${opened.detail}`);
  return { answer, manifest: opened.manifest, runId: opened.runId, manifestBytes };
}
