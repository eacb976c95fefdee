/** An audit's replay as a question to whatever has a GPU: a process on the host, a worker in a validator's tab. */
import type { Run } from '../chain/run.ts';
import { decodeSubmission } from '../sparseloco/wire.ts';
import { compareReplay, type ReplayFigures, type RoundClaim } from '../gauntlet/replay.ts';
import type { Replayer, ReplayJob } from './replayer.ts';

/** An audited round, ready to be replayed. */
export interface ReplayRequest {
  readonly job: ReplayJob;
  readonly claim: Pick<RoundClaim, 'before' | 'after'>;
  readonly submission: Uint8Array;
}

/** Replays a round and compares. Rejects when the machine fails, never for what a contributor showed. */
export interface Replays {
  replay(request: ReplayRequest): Promise<ReplayFigures>;
  close(): Promise<void>;
}

/** A CPU driver does about 2 GFLOP/s: with more parameters than this one replay takes longer than some rounds. */
export const MAX_SOFTWARE_PARAMETERS = 2_000_000;

/** Answers a request on an open replayer. */
export async function replayRequest(
  replayer: Replayer,
  { layout, manifest: { sparseloco } }: Pick<Run, 'layout' | 'manifest'>,
  { job, claim, submission }: ReplayRequest,
): Promise<ReplayFigures> {
  const replayed = await replayer.replay(job);
  const sent = decodeSubmission(submission, layout, sparseloco).update;
  return compareReplay({ ...claim, sent, innerSteps: job.innerSteps }, replayed, layout, sparseloco);
}
