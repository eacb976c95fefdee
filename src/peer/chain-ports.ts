/** Where a participant's follower gets certificates, states and work from: the host, and the bytes that peers serve. */
import type { ChainPorts } from '../chain/follower.ts';
import type { Run } from '../chain/run.ts';
import { claimsRun, decodeCheckpoint } from '../model/checkpoint.ts';
import { fromHex } from '../protocol/bytes.ts';
import type { Workload } from '../work/workload.ts';
import { type BlobSources, fetchBlob } from './blobs.ts';
import type { RoundBlobs } from './round-blobs.ts';

export interface ChainPortsOptions {
  readonly run: Run;
  readonly workload: Workload;
  readonly sources: BlobSources;
  readonly blobs: RoundBlobs;
}

export function chainPorts({ run, workload, sources, blobs }: ChainPortsOptions): ChainPorts {
  const { host } = sources;
  return {
    links: (from, signal) => host.links(from, signal),
    async *states(signal) {
      const { checkpoint } = await host.head(signal);
      const ref = { hash: fromHex(checkpoint.hash), size: checkpoint.size };
      const decoded = decodeCheckpoint(await fetchBlob(ref, sources, signal), run.manifest.model);
      if (claimsRun(decoded, run.id)) yield { height: checkpoint.height, theta: decoded.theta };
    },
    async work({ claim }, signal) {
      const ref = workload.blobOf(claim);
      // Only validators that break the rules could certify such a claim.
      if (ref === null) throw new Error('a certified claim cannot be read');
      return blobs.get(ref, signal);
    },
  };
}
