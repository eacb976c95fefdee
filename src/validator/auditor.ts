/**
 * Audits (docs/gauntlet.md): draws contributors of a judged round, has them show what their claim rests on, has it
 * examined, and keeps the outcomes for the next certificate. Never in a round's way: what is not done yet waits.
 *
 * A contributor is asked twice. One that has not answered by then failed: otherwise a liar would just keep silent.
 */
import type { ChainHead } from '../chain/certificate.ts';
import { drawAudits, placeOf } from '../gauntlet/audit.ts';
import type { RoundBook } from '../gauntlet/book.ts';
import type { Report } from '../gauntlet/events.ts';
import type { NotedAudit } from '../gauntlet/judge.ts';
import { note } from '../gauntlet/notes.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import { messageOf } from '../protocol/errors.ts';
import type { Identity } from '../protocol/identity.ts';
import { MAX_AUDITS } from '../protocol/limits.ts';
import type { AuditEntry, MessageOf } from '../protocol/messages.ts';
import { type Clock, withDeadline } from '../protocol/timer.ts';
import type { GossipVerdict, Swarm } from '../swarm/types.ts';
import type { AuditCase, Examiner, FetchPart } from '../work/workload.ts';
import type { SeatChain } from './certify.ts';

export interface AuditorOptions {
  readonly chain: Pick<SeatChain, 'run' | 'state'>;
  readonly swarm: Pick<Swarm, 'publish' | 'fetch'>;
  readonly identity: Identity;
  readonly examiner: Examiner;
  readonly clock: Clock;
  readonly report: Report;
}

/** A drawn contributor's round, until its audit ended. */
interface Case extends AuditCase {
  answered: boolean;
  /** It answered once and served nothing of what it named. */
  withheld: boolean;
  asked: number;
}

/** Times that a contributor is asked before its silence counts as a lie. */
const ASKS = 2;
/** Audits under way at most: a machine that replays slower than rounds go draws fewer. */
const MAX_OPEN = 8;
const FETCH_MS = 60_000;

export class Auditor {
  readonly #o: AuditorOptions;
  readonly #open: Case[] = [];
  readonly #ended: NotedAudit[] = [];
  readonly #abort = new AbortController();
  /** Examinations run one after another. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: AuditorOptions) {
    this.#o = options;
  }

  /**
   * Draws from the work of a judged round, what was accepted and what waits for an audit, and asks. `head` and
   * `theta`: what the round started from.
   */
  async draw(book: RoundBook<unknown, unknown>, head: ChainHead, theta: Int32Array): Promise<void> {
    const { chain } = this.#o;
    const count = Math.min(MAX_OPEN - this.#open.length, chain.run.rules.auditsPerRound);
    if (count <= 0) return;
    const busy = (key: Uint8Array) => this.#open.some((one) => bytesEqual(one.contributor, key));
    const drawn = drawAudits(
      book.auditable().filter((key) => !busy(key)),
      book.lotSeed,
      (key) => placeOf(chain.state.ledger.accounts.get(toHex(key))),
      count,
    );
    for (const contributor of drawn) {
      const work = book.workOf(contributor);
      if (work === null) continue;
      const { claimBytes: claim, bytes } = work;
      const audit: AuditCase = { contributor, round: book.round, claim, bytes, theta, head };
      this.#open.push({ ...audit, answered: false, withheld: false, asked: 0 });
    }
    await this.#ask();
  }

  /** Asks again half-way through the next round's training, and gives up on the silent at its commit deadline. */
  advance(): void {
    const { chain, clock } = this.#o;
    const { rounds, manifest } = chain.run;
    for (const one of this.#open.slice()) {
      if (one.answered) continue;
      const { train, commit, judge } = rounds.deadlines(one.round + 1);
      const time = clock.now();
      // A machine that slept through these moments, or certified too late for them, did not listen: nobody was silent.
      if (!one.withheld && (time >= judge || (one.asked < ASKS && time >= commit))) {
        this.#giveUp(one, null);
        continue;
      }
      if (one.asked < ASKS && time >= train - manifest.schedule.trainMs / 2) void this.#ask();
      if (one.asked >= ASKS && time >= commit) this.#end(one, 'failed', note('silent', { asked: ASKS }));
    }
  }

  /** A contributor's answer. Never throws. */
  take(sender: Uint8Array, answer: MessageOf<'answer'>): GossipVerdict {
    const one = this.#open.find(
      (o) => bytesEqual(o.contributor, sender) && o.round === answer.round && !o.answered,
    );
    if (one === undefined) return 'ignore';
    one.answered = true;
    this.#queue = this.#queue.then(() => this.#examine(one, answer));
    return 'accept';
  }

  /** Outcomes for a verdict on `round`: one a contributor, the oldest first. They stay until {@link recorded}. */
  outcomes(round: number): NotedAudit[] {
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
  recorded(entries: readonly Pick<AuditEntry, 'contributor' | 'round'>[]): void {
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
    await this.#o.examiner.close();
  }

  /** One message a round to all that have not answered. */
  async #ask(): Promise<void> {
    const { chain, swarm, identity, report } = this.#o;
    const byRound = new Map<number, Case[]>();
    for (const one of this.#open) {
      if (one.answered || one.asked >= ASKS) continue;
      one.asked++;
      byRound.set(one.round, [...(byRound.get(one.round) ?? []), one]);
    }
    for (const [round, cases] of byRound) {
      const contributors = cases.map((one) => one.contributor);
      try {
        await swarm.publish(await seal(identity, { kind: 'audit', run: chain.run.id, round, contributors }));
      } catch (error) {
        report({ is: 'audit-not-asked', error: messageOf(error) });
      }
    }
  }

  /** A failure of our own is nobody's lie. */
  async #examine(one: Case, answer: MessageOf<'answer'>): Promise<void> {
    const { clock, swarm, examiner } = this.#o;
    if (this.#abort.signal.aborted) return;
    const fetch: FetchPart = (hash, size) =>
      withDeadline(clock, clock.now() + FETCH_MS, this.#abort.signal, (signal) =>
        swarm.fetch(hash, { size, prefer: [answer.peer], signal }),
      );
    try {
      const examined = await examiner.examine(one, answer.answer, fetch);
      if (this.#abort.signal.aborted) return;
      if (examined.outcome !== 'withheld') return this.#end(one, examined.outcome, examined.note);
      // It may have been the network: asked once more, it may answer again.
      one.withheld = true;
      if (one.asked < ASKS) one.answered = false;
      else this.#end(one, 'failed', note('withheld', { asked: ASKS }));
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#giveUp(one, messageOf(error));
    }
  }

  #end(one: Case, outcome: NotedAudit['outcome'], why: NotedAudit['note']): void {
    this.#drop(one);
    const { contributor, round } = one;
    this.#ended.push({ contributor, round, outcome, note: why });
    const who = toHex(contributor).slice(0, 8);
    this.#o.report({ is: 'audit-ended', contributor: who, round, outcome, note: why });
  }

  #giveUp(one: Case, error: string | null): void {
    this.#drop(one);
    const contributor = toHex(one.contributor).slice(0, 8);
    this.#o.report({ is: 'audit-given-up', contributor, round: one.round, error });
  }

  #drop(one: Case): void {
    const at = this.#open.indexOf(one);
    if (at >= 0) this.#open.splice(at, 1);
  }
}
