/** Getting admitted: the proof of work over the newest certificate, and how long until the next one. */
import type { ChainHead } from '../chain/certificate.ts';
import type { Run } from '../chain/run.ts';
import type { Identity } from '../protocol/identity.ts';
import { solveJoin } from '../protocol/join.ts';
import type { MessageOf } from '../protocol/messages.ts';
import type { Clock } from '../protocol/timer.ts';

/** The message that asks to be admitted with the certificate after `head`. Rejects when `signal` aborts. */
export async function makeJoin(
  { id: run }: Run,
  head: ChainHead,
  identity: Identity,
  clock: Clock,
  signal: AbortSignal,
): Promise<MessageOf<'join'>> {
  const challenge = { run, certificate: head.hash, contributor: identity.publicKey };
  const nonce = await solveJoin(challenge, head.joinBits, signal, () => clock.now());
  return { kind: 'join', run, certificate: head.hash, nonce };
}

/**
 * About how long a newcomer waits to be admitted, ms; null: a few seconds, since nobody is a member whose work is under way.
 * `now`: swarm time, epoch ms.
 */
export function admissionIn({ rounds }: Run, members: number, now: number): number | null {
  if (members === 0) return null;
  const round = Math.max(0, rounds.round(now));
  const next = [round, round + 1].map((r) => rounds.deadlines(r).commit).find((at) => at > now);
  return (next ?? now) - now;
}
