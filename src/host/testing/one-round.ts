/** A chain on a small run, and one certified round on it, without network or clock: for store and crash tests. */
import { openRun as openSigned } from '../../chain/run.ts';
import { testJoin } from '../../chain/testing.ts';
import type { Identity } from '../../protocol/identity.ts';
import { PretendedContributor } from '../../sim/pretended.ts';
import type { Appended } from '../../validator/certify.ts';
import { HostChain } from '../chain.ts';
import type { Store } from '../store.ts';

export async function openChain(store: Store): Promise<HostChain> {
  const opened = await openSigned(store.manifest() as Uint8Array);
  if (!opened.ok) throw new Error(opened.detail);
  return HostChain.open(opened.run, store);
}

/** Has two contributors do a round, accepts both, and certifies that; a third joins with the first one, and is refused then. */
export async function certifyRound(chain: HostChain, validator: Identity, round: number): Promise<Appended> {
  const { run, head } = chain;
  const theta = await chain.theta();
  const accepted = [];
  const work: Uint8Array[] = [];
  for (const seed of [1, 2]) {
    const contributor = await PretendedContributor.create(seed, run, theta);
    const { bytes, claim } = await contributor.work(round);
    accepted.push({ contributor: contributor.identity.publicKey, claim, units: 1024, weight: 256 });
    work.push(bytes);
  }
  const third = new Uint8Array(32).fill(9);
  const late = {
    contributor: third,
    reason: 'late' as const,
    note: { code: 'late-commit', figures: { ms: 12 } },
  };
  return chain.seat.append({
    verdict: {
      round,
      baseRoot: head.root,
      accepted,
      refused: head.height === 0 ? [] : [late],
      unlisted: [],
      passedOver: [],
      joined: head.height === 0 ? [await testJoin(run, head, third)] : [],
      audits: [],
      scores: [],
    },
    work,
    validator,
    heldOutLoss: 6 - 0.1 * round,
  });
}
