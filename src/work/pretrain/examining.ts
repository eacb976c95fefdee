/**
 * Examines audited pre-training: compares what a contributor shows with the roots it committed to, fetches the parts,
 * replays its inner steps, and judges how far the claim is from the replay.
 */
import type { Run } from '../../chain/run.ts';
import { answerProblem, refusedRootMatches } from '../../gauntlet/audit.ts';
import { note } from '../../gauntlet/notes.ts';
import { judgeReplay } from '../../gauntlet/replay.ts';
import type { Replays } from '../../measure/replays.ts';
import { decodeSubmission } from '../../sparseloco/wire.ts';
import { assignedShards, assignmentSeed } from '../../training/assignment.ts';
import { type Carry, type CarryDigests, zeroCarry } from '../../training/carry.ts';
import type { AuditCase, Examined, Examiner, FetchPart } from '../workload.ts';
import { type CarryAnswer, decodeAnswer, decodeClaim, type PretrainClaim } from './claim.ts';

export interface PretrainExaminingOptions {
  readonly run: Run;
  readonly replays: Replays;
  /** Tokens of a training shard. Rejects when it is missing or damaged. */
  readonly shard: (index: number) => Promise<Uint16Array>;
  /** Draws assigned text by another beacon than the head's hash: for simulations that compare runs. */
  readonly beacon?: (round: number) => Uint8Array;
  /** Times the bounds of a replay's figures; other than 1 only to test what the bounds are worth. */
  readonly slack?: number;
}

export class PretrainExamining implements Examiner {
  readonly #o: PretrainExaminingOptions;

  constructor(options: PretrainExaminingOptions) {
    this.#o = options;
  }

  async examine(audit: AuditCase, answerBytes: Uint8Array, fetch: FetchPart): Promise<Examined> {
    const { run, replays, slack } = this.#o;
    const { layout } = run;
    const claim = decodeClaim(audit.claim);
    if (claim === null || claim.carry === null) throw new Error('a claim without roots was taken');
    const answer = decodeAnswer(answerBytes);
    if (answer === null) return { outcome: 'failed', note: note('unreadable-answer') };
    const problem = answerProblem(answer, claim.carry, await zeroCarry(layout.elements));
    if (problem !== null) return { outcome: 'failed', note: note(problem) };
    const shown = await fetchCarries(answer, 4 * layout.elements, fetch);
    if (shown === null) return { outcome: 'withheld' };
    const { update } = decodeSubmission(audit.bytes, layout, run.manifest.sparseloco);
    if (!(await refusedRootMatches(answer.after, shown.after.error, update, claim.carry, layout)))
      return { outcome: 'failed', note: note('other-carry-refused') };
    const figures = await replays.replay({
      job: await this.#jobOf(audit, claim, shown.before),
      claim: shown,
      submission: audit.bytes,
    });
    return judgeReplay(figures, slack);
  }

  close(): Promise<void> {
    return this.#o.replays.close();
  }

  async #jobOf(audit: AuditCase, { innerSteps }: PretrainClaim, before: Carry | null) {
    const { run, shard, beacon } = this.#o;
    const { round, head, contributor, theta } = audit;
    const seed = assignmentSeed(run.id, round, beacon?.(round) ?? head.hash, contributor);
    const shards = new Map<number, Uint16Array>();
    for (const index of assignedShards(seed, run.manifest.task.data.train.length))
      shards.set(index, await shard(index));
    return { theta, before, seed, height: head.height, innerSteps, shards };
  }
}

/** Null when its parts cannot be had. */
async function fetchCarries(
  answer: CarryAnswer,
  size: number,
  fetch: FetchPart,
): Promise<{ readonly before: Carry | null; readonly after: Carry } | null> {
  const part = async (hash: Uint8Array) => new Float32Array((await fetch(hash, size)).slice().buffer);
  const whole = async (digests: CarryDigests): Promise<Carry> => ({
    error: await part(digests.error),
    moment1: await part(digests.moment1),
    moment2: await part(digests.moment2),
    step: digests.step,
  });
  try {
    const after = await whole(answer.after);
    return { after, before: answer.before === null ? null : await whole(answer.before) };
  } catch {
    return null;
  }
}
