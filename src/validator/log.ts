/** A validator's log: one line an event, and one a round. */
import { toHex } from '../protocol/bytes.ts';
import type { CertificateBody, RefusedEntry } from '../protocol/messages.ts';
import { bytesPerParameter } from './certify.ts';

/** "4 refused (copy, 3 x late; first: 12 ms after the deadline)" or "0 refused". */
export function refusalSummary(refused: readonly Pick<RefusedEntry, 'reason' | 'detail'>[]): string {
  if (refused.length === 0) return '0 refused';
  const counts = new Map<string, number>();
  for (const { reason } of refused) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const parts = [...counts].map(([reason, n]) => (n === 1 ? reason : `${n} x ${reason}`));
  return `${refused.length} refused (${parts.join(', ')}; first: ${refused[0]?.detail})`;
}

/** A certified round; the wire size is what the codec's budget is held against. */
export function roundLine(body: CertificateBody, elements: number): string {
  const wire = bytesPerParameter(
    body.accepted.map((entry) => entry.submission),
    elements,
  );
  return [
    `round ${body.round}`,
    `height ${body.height}`,
    `${body.accepted.length} accepted, ${refusalSummary(body.refused)}`,
    ...(body.joined.length === 0 ? [] : [`${body.joined.length} joined`]),
    `held-out ${body.heldOutLoss.toFixed(4)} before it`,
    ...(body.accepted.length === 0 ? [] : [`${wire.toFixed(4)} B/parameter`]),
    `root ${toHex(body.root).slice(0, 12)}`,
  ].join(' · ');
}
