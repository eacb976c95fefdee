/** A chain on a small run, and one certified round on it, without network or clock: for store and crash tests. */
import { inspectorFor } from '../../gauntlet/inspect.ts';
import { RoundBook } from '../../gauntlet/book.ts';
import { deadlines } from '../../protocol/clock.ts';
import { open } from '../../protocol/envelope.ts';
import type { Identity } from '../../protocol/identity.ts';
import type { MessageOf } from '../../protocol/messages.ts';
import type { SeatChain } from '../../validator/certify.ts';
import { Chain } from '../chain.ts';
import type { Store } from '../store.ts';
import { PretendedContributor } from './fixtures.ts';
import { openManifest } from '../../protocol/envelope.ts';

export async function openChain(store: Store): Promise<Chain> {
  const opened = await openManifest(store.manifest() as Uint8Array);
  if (!opened.ok) throw new Error(opened.detail);
  return Chain.open(opened.manifest, opened.runId, store);
}

/** Has two contributors do a round and certifies it. */
export async function certifyRound(chain: SeatChain, validator: Identity, round: number) {
  const { manifest, runId } = chain;
  const theta = await chain.theta();
  const { commit, reveal } = deadlines(manifest.schedule, round);
  const book = new RoundBook({
    manifest,
    runId,
    round,
    baseRoot: () => chain.head.root,
    ...inspectorFor(manifest),
    evaluate: null,
  });
  for (const seed of [1, 2]) {
    const contributor = await PretendedContributor.create(seed, manifest, runId, theta);
    const work = await contributor.work(round);
    const key = contributor.identity.publicKey;
    book.commit(key, (await message(work.commit)) as MessageOf<'commit'>, commit - 1);
    book.reveal(key, (await message(work.reveal)) as MessageOf<'reveal'>, reveal - 1);
    const receipt = await book.bytes(key, work.bytes);
    if (!receipt.ok) throw new Error(receipt.detail);
  }
  const verdict = await book.judge();
  return chain.append({
    verdict,
    submissions: verdict.accepted.map((entry) => book.bytesOf(entry.contributor) as Uint8Array),
    validator,
    heldOutLoss: 6 - 0.1 * round,
    time: reveal,
  });
}

async function message(bytes: Uint8Array) {
  const opened = await open(bytes);
  if (!opened.ok) throw new Error(opened.detail);
  return opened.message;
}
