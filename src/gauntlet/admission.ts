/**
 * Who may take part: membership as a fold over the chain, and a validator's box of joins for the next certificate.
 *
 * Data for a round is drawn from the hash of the last certificate, and that certificate lists who joined. So whoever
 * joins fixes its key before anything its data depends on exists, and no key can be ground for a wanted assignment.
 */
import { bytesEqual, compareBytes, toHex } from '../protocol/bytes.ts';
import type { ChainHead } from '../protocol/certificate.ts';
import { joinHash, leadingZeroBits } from '../protocol/join.ts';
import { MAX_JOINED } from '../protocol/limits.ts';
import type { Admission } from '../protocol/manifest.ts';
import type { CertificateBody, JoinedEntry, MessageOf } from '../protocol/messages.ts';

/** Round of each member's last entry in a certificate, by hex key. */
export type Members = ReadonlyMap<string, number>;

/** Members after a checked certificate: who joined, accepted and refused ones noted, idle and lying ones dropped. */
export function foldMembers(members: Members, body: CertificateBody, rules: Admission): Members {
  const next = new Map<string, number>();
  for (const [key, last] of members) if (body.round - last <= rules.idleRounds) next.set(key, last);
  for (const { contributor } of [...body.accepted, ...body.refused]) {
    const key = toHex(contributor);
    // A refusal may name anybody who sent something; only joining makes a member.
    if (next.has(key)) next.set(key, body.round);
  }
  for (const { contributor } of body.joined) next.set(toHex(contributor), body.round);
  // Who failed an audit has to join again, and begins as a newcomer.
  for (const { contributor, outcome } of body.audits) {
    if (outcome === 'failed') next.delete(toHex(contributor));
  }
  return next;
}

/** Whether a contributor may commit in `round`: admitted by an earlier one, and not idle for too long since. */
export function isMember(
  members: Members,
  contributor: Uint8Array,
  round: number,
  rules: Admission,
): boolean {
  const last = members.get(toHex(contributor));
  return last !== undefined && last < round && round - last <= rules.idleRounds;
}

/** What became of a join: `stale` ones are over another certificate, `weak` ones are too little work. */
export type JoinReceipt = 'taken' | 'known' | 'stale' | 'weak' | 'full';

/** Joins over the newest certificate, at most as many as the next one can list: those of the most work. */
export class JoinBox {
  readonly #run: Uint8Array;
  #over: Uint8Array = new Uint8Array(0);
  /** By hex key, with the work's hash: the smaller, the more work. */
  readonly #joins = new Map<string, { readonly entry: JoinedEntry; readonly hash: Uint8Array }>();

  constructor(run: Uint8Array) {
    this.#run = run;
  }

  /** Checks a join with one hash and keeps it. `head`: the newest certificate; joins over older ones are dropped. */
  take(contributor: Uint8Array, join: MessageOf<'join'>, head: ChainHead): JoinReceipt {
    this.#enter(head);
    if (!bytesEqual(join.run, this.#run) || !bytesEqual(join.certificate, head.hash)) return 'stale';
    const key = toHex(contributor);
    if (this.#joins.has(key)) return 'known';
    const hash = joinHash({ run: this.#run, certificate: head.hash, contributor }, join.nonce);
    if (leadingZeroBits(hash) < head.joinBits) return 'weak';
    this.#joins.set(key, { entry: { contributor, nonce: join.nonce }, hash });
    if (this.#joins.size <= MAX_JOINED) return 'taken';
    const [least] = [...this.#joins].reduce((a, b) => (compareBytes(a[1].hash, b[1].hash) >= 0 ? a : b));
    this.#joins.delete(least);
    return least === key ? 'full' : 'taken';
  }

  /** Who would join with the certificate after `head`, in the order of keys. */
  joined(head: ChainHead): JoinedEntry[] {
    this.#enter(head);
    return [...this.#joins.values()]
      .map(({ entry }) => entry)
      .sort((a, b) => compareBytes(a.contributor, b.contributor));
  }

  #enter({ hash }: ChainHead): void {
    if (bytesEqual(hash, this.#over)) return;
    this.#over = hash;
    this.#joins.clear();
  }
}
