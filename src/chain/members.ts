/**
 * Who may take part: membership as a fold over the chain.
 *
 * Data for a round is drawn from the hash of the last certificate, and that certificate lists the newcomers. So a newcomer
 * fixes its key before anything its data depends on exists, and no key can be ground for a wanted assignment.
 */
import { toHex } from '../protocol/bytes.ts';
import type { Admission } from '../protocol/manifest.ts';
import type { CertificateBody } from '../protocol/messages.ts';
import { passedOver, startOf } from '../protocol/passed-over.ts';

/** Round of each member's last entry in a certificate, by hex key. */
export type Members = ReadonlyMap<string, number>;

/** Members after a checked certificate: newcomers added, entries noted, idle and lying members dropped. */
export function foldMembers(members: Members, body: CertificateBody, rules: Admission): Members {
  const next = new Map<string, number>();
  const over = passedOver(body.passedOver);
  for (const [key, last] of members) {
    if (body.round - last > rules.idleRounds) continue;
    next.set(key, over.has(startOf(key)) ? body.round : last);
  }
  for (const { contributor } of [...body.accepted, ...body.refused]) {
    const key = toHex(contributor);
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

/** Whether a contributor need not join for `round`: it is a member, or will be one when this round's certificate is there. */
export function isAdmitted(
  members: Members,
  contributor: Uint8Array,
  round: number,
  { idleRounds }: Admission,
): boolean {
  const last = members.get(toHex(contributor));
  return last !== undefined && round - last <= idleRounds;
}

/**
 * What a certificate may not say of the members before it; null when nothing. A key is free, so a refusal that is signed for
 * ever may not name one that did not join. And no member joins again, or old work would do it.
 */
export function memberProblem(members: Members, body: CertificateBody, rules: Admission): string | null {
  const admitted = (key: Uint8Array): boolean => isMember(members, key, body.round, rules);
  const stranger = body.refused.find(({ contributor }) => !admitted(contributor));
  if (stranger !== undefined)
    return `refuses ${toHex(stranger.contributor).slice(0, 16)}, which was no member in round ${body.round}`;
  const again = body.joined.find(({ contributor }) => admitted(contributor));
  if (again !== undefined) return `admits ${toHex(again.contributor).slice(0, 16)}, a member`;
  if (body.passedOver.byteLength === 0) return null;
  const starts = new Set([...members.keys()].map(startOf));
  return [...passedOver(body.passedOver)].every((start) => starts.has(start))
    ? null
    : 'passes somebody over who is no member';
}
