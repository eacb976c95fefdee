/** What every peer needs of pre-training: which bytes a claim is about. */
import type { Run } from '../../chain/run.ts';
import { maxSubmissionBytes } from '../../sparseloco/wire.ts';
import type { Workload } from '../workload.ts';
import { decodeClaim } from './claim.ts';

export const pretrain = ({ layout, manifest }: Pick<Run, 'layout' | 'manifest'>): Workload => ({
  maxBytes: maxSubmissionBytes(layout, manifest.sparseloco),
  blobOf: (claim) => decodeClaim(claim)?.submission ?? null,
});
