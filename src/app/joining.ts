/**
 * Getting admitted: the proof of work over the newest certificate, and what a tab does while it waits for the next one.
 */
import type { ChainHead } from '../protocol/certificate.ts';
import { deadlines, roundAt } from '../protocol/clock.ts';
import type { Identity } from '../protocol/identity.ts';
import { solveJoin } from '../protocol/join.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { type BlobSources, fetchKept } from './blobs.ts';

/** Training text fetched ahead, bytes: which of it this tab will need is drawn only when it is admitted. */
const WARM_BYTES = 4 << 20;

/** The message that asks to be admitted with the certificate after `head`. Rejects when `signal` aborts. */
export async function makeJoin(
  runId: Uint8Array,
  head: ChainHead,
  identity: Identity,
  signal: AbortSignal,
): Promise<MessageOf<'join'>> {
  const challenge = { run: runId, certificate: head.hash, contributor: identity.publicKey };
  const nonce = await solveJoin(challenge, head.joinBits, signal);
  return { kind: 'join', run: runId, certificate: head.hash, nonce };
}

/** Why a newcomer waits, and about how long, for the page. `now`: swarm time, epoch ms. */
export function joiningText(manifest: Manifest, members: number, now: number): string {
  const why = 'Joining: which text this tab trains on is drawn with the next certificate';
  if (members === 0) return `${why}, in a few seconds.`;
  const { schedule } = manifest;
  const round = Math.max(0, roundAt(schedule, now));
  const [next] = [round, round + 1].map((r) => deadlines(schedule, r).commit).filter((at) => at > now);
  return `${why}, in about ${Math.ceil(((next ?? now) - now) / 1000)} s. Training starts then.`;
}

/** Fetches some of the training text, so that less is left to fetch when training starts. Never rejects. */
export async function fetchAhead(
  manifest: Manifest,
  sources: BlobSources,
  signal: AbortSignal,
): Promise<void> {
  let left = WARM_BYTES;
  const shards = manifest.data.train
    .map((shard) => ({ shard, lot: Math.random() }))
    .sort((a, b) => a.lot - b.lot);
  for (const { shard } of shards) {
    left -= shard.size;
    if (left < 0 || signal.aborted) return;
    // What cannot be had now is asked for again when it is needed.
    await fetchKept(shard, sources, signal).catch(() => {});
  }
}
