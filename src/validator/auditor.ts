/**
 * Audits (docs/gauntlet.md): draws contributors of a certified round, has them show what they carried, replays their
 * work and keeps the outcomes for the next certificate. Never in a round's way: what is not done yet waits.
 *
 * A contributor is asked twice. Who has not answered by then failed: otherwise a liar would just keep silent.
 */
import { answerProblem, drawAudits, placeOf, refusedRootMatches } from '../gauntlet/audit.ts';
import type { RoundBook } from '../gauntlet/book.ts';
import { judgeReplay } from '../gauntlet/replay.ts';
import type { Replays } from '../gauntlet/replays.ts';
import { parameterLayout } from '../model/layout.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { type Carry, type CarryDigests, zeroCarry } from '../protocol/carry.ts';
import type { ChainHead } from '../protocol/certificate.ts';
import { deadlines } from '../protocol/clock.ts';
import { seal } from '../protocol/envelope.ts';
import { messageOf } from '../protocol/errors.ts';
import type { Identity } from '../protocol/identity.ts';
import { MAX_AUDITS } from '../protocol/limits.ts';
import type { AuditEntry, MessageOf } from '../protocol/messages.ts';
import { decodeSubmission } from '../sparseloco/wire.ts';
import { assignedShards, assignmentSeed } from '../training/assignment.ts';
import type { GossipVerdict, Swarm } from '../swarm/types.ts';
import type { SeatChain } from './certify.ts';

export interface AuditorOptions {
  readonly chain: Pick<SeatChain, 'manifest' | 'runId' | 'ledger'>;
  readonly swarm: Pick<Swarm, 'publish' | 'fetch'>;
  readonly identity: Identity;
  readonly replays: Replays;
  /** Tokens of a training shard. Rejects when it is missing or damaged. */
  readonly shard: (index: number) => Promise<Uint16Array>;
  /** Swarm time, epoch ms. */
  readonly now: () => number;
  readonly log: (line: string) => void;
}

/** A drawn contributor's round, until its audit ended. */
interface Case {
  readonly contributor: Uint8Array;
  readonly commit: MessageOf<'commit'>;
  readonly submission: Uint8Array;
  /** The state that the round started from, and the head that named it. */
  readonly theta: Int32Array;
  readonly head: ChainHead;
  answered: boolean;
  /** It answered once and served nothing of what it named. */
  withheld: boolean;
  asked: number;
}

/** Audits under way at most: a machine that replays slower than rounds go draws fewer. */
const MAX_OPEN = 8;
const FETCH_MS = 60_000;

export class Auditor {
  readonly #o: AuditorOptions;
  readonly #open: Case[] = [];
  readonly #ended: AuditEntry[] = [];
  readonly #abort = new AbortController();
  /** Replays run one after another. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: AuditorOptions) {
    this.#o = options;
  }

  /**
   * Draws from the work of a judged round, what was accepted and what waits for an audit, and asks. `head` and
   * `theta`: what the round started from.
   */
  async draw(book: RoundBook, head: ChainHead, theta: Int32Array): Promise<void> {
    const { chain } = this.#o;
    const room = MAX_OPEN - this.#open.length;
    const count = Math.min(room, chain.manifest.gauntlet.auditsPerRound ?? 0);
    if (count <= 0) return;
    const busy = (key: Uint8Array) => this.#open.some((one) => bytesEqual(one.contributor, key));
    const drawn = drawAudits(
      book.auditable().filter((key) => !busy(key)),
      book.lotSeed,
      (key) => placeOf(chain.ledger.accounts.get(toHex(key))),
      count,
    );
    for (const contributor of drawn) {
      const commit = book.commitOf(contributor);
      const submission = book.bytesOf(contributor);
      if (commit === null || submission === null) continue;
      this.#open.push({
        contributor,
        commit,
        submission,
        theta,
        head,
        answered: false,
        withheld: false,
        asked: 0,
      });
    }
    await this.#ask();
  }

  /** Asks again half-way through the next round's training, and gives up on who is silent at its commit deadline. */
  advance(): void {
    const { chain, now } = this.#o;
    for (const one of this.#open.slice()) {
      if (one.answered) continue;
      const { train, commit, judge } = deadlines(chain.manifest.schedule, one.commit.round + 1);
      const time = now();
      // A machine that slept through these moments, or certified too late for them, did not listen: nobody was silent.
      if (!one.withheld && (time >= judge || (one.asked < 2 && time >= commit))) {
        this.#drop(one);
        this.#o.log(`${auditOf(one)} was given up: this machine came too late to ask twice and listen`);
        continue;
      }
      if (one.asked < 2 && time >= train - chain.manifest.schedule.trainMs / 2) void this.#ask();
      if (one.asked >= 2 && time >= commit)
        this.#end(one, 'failed', 'asked twice, and did not show what it carried');
    }
  }

  /** A contributor's answer. Never throws. */
  take(sender: Uint8Array, answer: MessageOf<'carry'>): GossipVerdict {
    const one = this.#open.find(
      (o) => bytesEqual(o.contributor, sender) && o.commit.round === answer.round && !o.answered,
    );
    if (one === undefined) return 'ignore';
    one.answered = true;
    this.#queue = this.#queue.then(() => this.#examine(one, answer));
    return 'accept';
  }

  /** Outcomes for a verdict on `round`: one a contributor, the oldest first. They stay until {@link recorded}. */
  outcomes(round: number): AuditEntry[] {
    const seen = new Set<string>();
    return this.#ended
      .filter((entry) => {
        const key = toHex(entry.contributor);
        if (entry.round >= round || seen.has(key)) return false;
        seen.add(key);
        return true;
      })
      .slice(0, MAX_AUDITS);
  }

  /** These stand in a certificate now. */
  recorded(entries: readonly AuditEntry[]): void {
    for (const entry of entries) {
      const at = this.#ended.findIndex(
        (ended) => ended.round === entry.round && bytesEqual(ended.contributor, entry.contributor),
      );
      if (at >= 0) this.#ended.splice(at, 1);
    }
  }

  /** Resolves when all answers that came have been examined. */
  settled(): Promise<void> {
    return this.#queue;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#o.replays.close();
  }

  /** One message a round to all who have not answered. */
  async #ask(): Promise<void> {
    const { chain, swarm, identity, log } = this.#o;
    const byRound = new Map<number, Case[]>();
    for (const one of this.#open) {
      if (one.answered || one.asked >= 2) continue;
      one.asked++;
      byRound.set(one.commit.round, [...(byRound.get(one.commit.round) ?? []), one]);
    }
    for (const [round, cases] of byRound) {
      const contributors = cases.map((one) => one.contributor);
      try {
        await swarm.publish(await seal(identity, { kind: 'audit', run: chain.runId, round, contributors }));
      } catch (error) {
        log(`an audit could not be asked for: ${messageOf(error)}`);
      }
    }
  }

  /** Compares digests, fetches the parts, replays, judges. A failure of our own is nobody's lie. */
  async #examine(one: Case, answer: MessageOf<'carry'>): Promise<void> {
    const { chain, log } = this.#o;
    if (this.#abort.signal.aborted) return;
    try {
      const layout = parameterLayout(chain.manifest.model);
      const roots = one.commit.carry;
      if (roots === undefined) throw new Error('a commit without roots was accepted');
      const problem = answerProblem(answer, roots, await zeroCarry(layout.elements));
      if (problem !== null) return this.#end(one, 'failed', problem);
      const fetched = await this.#fetchCarries(answer, 4 * layout.elements);
      if (fetched === null) {
        // It may have been the network: asked once more, it may answer again.
        one.withheld = true;
        if (one.asked < 2) one.answered = false;
        else this.#end(one, 'failed', 'asked twice to show what it carried, and served nothing');
        return;
      }
      const { before, after } = fetched;
      const { update } = decodeSubmission(one.submission, layout, chain.manifest.sparseloco);
      if (!(await refusedRootMatches(answer.after, after.error, update, roots, layout)))
        return this.#end(one, 'failed', 'its root for a refused round is not what was sent put back');
      const figures = await this.#o.replays.replay({
        job: await this.#jobOf(one, before),
        claim: { before, after },
        submission: one.submission,
      });
      const { outcome, detail } = judgeReplay(figures);
      this.#end(one, outcome, detail);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#drop(one);
      log(`${auditOf(one)} was given up: ${messageOf(error)}`);
    }
  }

  async #jobOf(one: Case, before: Carry | null) {
    const { chain, shard } = this.#o;
    const { round, innerSteps } = one.commit;
    const seed = assignmentSeed(chain.runId, round, one.head.hash, one.contributor);
    const shards = new Map<number, Uint16Array>();
    for (const index of assignedShards(seed, chain.manifest.data.train.length))
      shards.set(index, await shard(index));
    return { theta: one.theta, before, seed, height: one.head.height, innerSteps, shards };
  }

  /** Null when its parts cannot be had. */
  async #fetchCarries(
    answer: MessageOf<'carry'>,
    size: number,
  ): Promise<{ before: Carry | null; after: Carry } | null> {
    const part = async (hash: Uint8Array) => {
      const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(FETCH_MS)]);
      const bytes = await this.#o.swarm.fetch(hash, { size, prefer: [answer.peer], signal });
      return new Float32Array(bytes.slice().buffer);
    };
    const whole = async (digests: CarryDigests): Promise<Carry> => ({
      error: await part(digests.error),
      moment1: await part(digests.moment1),
      moment2: await part(digests.moment2),
      step: digests.step,
    });
    try {
      const after = await whole(answer.after);
      return { after, before: answer.before === null ? null : await whole(answer.before) };
    } catch (error) {
      if (this.#abort.signal.aborted) throw error;
      return null;
    }
  }

  #end(one: Case, outcome: AuditEntry['outcome'], detail: string): void {
    this.#drop(one);
    const { contributor, commit } = one;
    this.#ended.push({ contributor, round: commit.round, outcome, detail });
    this.#o.log(
      `audit of ${toHex(contributor).slice(0, 8)} in round ${commit.round}: ${outcome} (${detail})`,
    );
  }

  #drop(one: Case): void {
    const at = this.#open.indexOf(one);
    if (at >= 0) this.#open.splice(at, 1);
  }
}

const auditOf = ({ contributor, commit }: Case): string =>
  `the audit of ${toHex(contributor).slice(0, 8)} in round ${commit.round}`;
