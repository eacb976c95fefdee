/** Whom a copier copies: each attacker another of the peers that did the most work. */
import type { AttackerSelf, AttackRound, OthersWork } from '../behaviour.ts';

export async function victimOf(
  round: AttackRound,
  { index }: Pick<AttackerSelf, 'index'>,
): Promise<OthersWork> {
  const byWork = [...(await round.honest())].sort((a, b) => b.tokens - a.tokens);
  const most = byWork.filter(({ tokens }) => tokens === byWork[0].tokens);
  return most[index % most.length];
}
