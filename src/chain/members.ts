/**
 * Who may take part: membership as a fold over the chain.
 *
 * Data for a round is drawn from the hash of the last certificate, and that certificate lists the newcomers. So a newcomer
 * fixes its key before anything its data depends on exists, and no key can be ground for a wanted assignment.
 */
import { toHex } from '../protocol/bytes.ts';
import type { Admission } from '../protocol/manifest.ts';
import type { CertificateBody } from '../protocol/messages.ts';

/** Round of each member's last entry in a certificate, by hex key. */
export type Members = ReadonlyMap<string, number>;

/** Members after a checked certificate: newcomers added, entries noted, idle and lying members dropped. */
export function foldMembers(members: Members, body: CertificateBody, rules: Admission): Members {
  const next = new Map<string, number>();
  for (const [key, last] of members) if (body.round - last <= rules.idleRounds) next.set(key, last);
  for (const { contributor } of [...body.accepted, ...body.refused]) {
    const key = toHex(contributor);
    // A refusal may name anybody who sent something; only joining makes a member.
    if (next.has(key)) next.set(key, body.round);
  }
  for (const { contributor } of body.joined) next.set(toHex(contributor), body.round);
  // A contributor that failed an audit has to join again, and begins as a newcomer.
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
