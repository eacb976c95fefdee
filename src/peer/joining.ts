/**
 * Getting admitted: the proof of work over a new certificate, more of it where places are scarce, and how long until the
 * next certificate.
 */
import type { ChainHead } from '../chain/certificate.ts';
import type { Run } from '../chain/run.ts';
import { bytesEqual } from '../protocol/bytes.ts';
import type { Identity } from '../protocol/identity.ts';
import { joinHash, leadingZeroBits, solveJoin } from '../protocol/join.ts';
import { MAX_JOIN_BITS, MAX_JOINED } from '../protocol/limits.ts';
import type { CertificateBody, MessageOf } from '../protocol/messages.ts';
import type { Clock } from '../protocol/timer.ts';

type Join = MessageOf<'join'>;

/**
 * One newcomer's work. It outlives the round: a join counts over any certificate of the window, so the work goes on while
 * certificates come. When one has no place left for it, it looks for a nonce that is worth twice as much.
 */
export class Joining {
  readonly #run: Run;
  readonly #identity: Identity;
  readonly #clock: Clock;
  #join: Join | null = null;
  /** What the join at hand is worth, bits. */
  #worth = 0;
  #search: { readonly over: Uint8Array; readonly stop: AbortController } | null = null;

  constructor(run: Run, identity: Identity, clock: Clock) {
    this.#run = run;
    this.#identity = identity;
    this.#clock = clock;
  }

  /** The message that asks to be admitted with the certificate after `head`; null while there is none yet. */
  join(head: ChainHead): Join | null {
    return this.#join !== null && isIn(head, this.#join.certificate) ? this.#join : null;
  }

  /**
   * Looks for what is needed over `head`, unless that is at hand or looked for already. `found` is called with a join to
   * send. Rejects never; ends when `signal` aborts.
   */
  look(head: ChainHead, last: CertificateBody | null, signal: AbortSignal, found: () => void): void {
    if (this.#search !== null) {
      if (isIn(head, this.#search.over)) return;
      this.#search.stop.abort();
      this.#search = null;
    }
    const known = this.join(head);
    const crowded = last !== null && last.joined.length === MAX_JOINED;
    if (known !== null && !crowded) return;
    const more = known === null ? this.#worth : this.#worth + 1;
    const bits = crowded ? Math.min(MAX_JOIN_BITS, more) : 0;
    void this.#find(head, Math.max(head.joinBits, bits), signal, found);
  }

  /** There is no more need of it. */
  stop(): void {
    this.#search?.stop.abort();
    this.#search = null;
    this.#join = null;
  }

  async #find(
    { hash: over }: ChainHead,
    bits: number,
    signal: AbortSignal,
    found: () => void,
  ): Promise<void> {
    const stop = new AbortController();
    const search = { over, stop };
    this.#search = search;
    const challenge = { run: this.#run.id, certificate: over, contributor: this.#identity.publicKey };
    try {
      const now = () => this.#clock.now();
      const nonce = await solveJoin(challenge, bits, AbortSignal.any([signal, stop.signal]), now);
      if (this.#search !== search) return;
      this.#join = { kind: 'join', run: this.#run.id, certificate: over, nonce };
      this.#worth = leadingZeroBits(joinHash(challenge, nonce));
      found();
    } catch {
      // No longer wanted: solveJoin rejects for nothing else.
    } finally {
      if (this.#search === search) this.#search = null;
    }
  }
}

const isIn = ({ joinBases }: ChainHead, over: Uint8Array): boolean =>
  joinBases.some(({ certificate }) => bytesEqual(certificate, over));

/**
 * About how long a newcomer waits to be admitted, ms; null: a few seconds, since nobody is a member whose work is under way.
 * `now`: swarm time, epoch ms.
 */
export function admissionIn({ rounds }: Run, members: number, now: number): number | null {
  if (members === 0) return null;
  const round = rounds.round(now);
  const next = [round, round + 1].map((r) => rounds.deadlines(r).commit).find((at) => at > now);
  return (next ?? now) - now;
}
