/**
 * "Whom could I link to?": a tab asks the host, which answers with up to 16 random tabs that hold a reservation there.
 * Members come first, then tabs that take part, one of each address in turn: free keys of one address that answer
 * nobody would otherwise be all that a newcomer is told.
 *
 * One small answer a question costs the host 2 ms, while discovery over pubsub costs it N² forwarded messages an
 * interval. The dialler writes first and every message is length-prefixed: a side that speaks first and closes can be
 * done before the other side reads.
 */
import type { Connection, Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import {
  MAX_RENDEZVOUS_BYTES,
  MAX_SHARES,
  RENDEZVOUS_BURST,
  RENDEZVOUS_MEMBERS,
  RENDEZVOUS_PEERS,
  RENDEZVOUS_RATE,
  RENDEZVOUS_SHARE_BURST,
  RENDEZVOUS_SHARE_RATE,
  RENDEZVOUS_TIMEOUT,
} from './limits.ts';
import type { Rank } from './places.ts';
import { TokenBucket } from './token-bucket.ts';

export const RENDEZVOUS_PROTOCOL = '/tabswarm/rendezvous/1';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `count` random elements (Fisher-Yates from the end). */
export function sample<T>(from: readonly T[], count: number, random: () => number = Math.random): T[] {
  const all = [...from];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all.slice(0, count);
}

/** A tab that can be reached. */
export interface Reachable {
  readonly peer: string;
  /** Of its address. */
  readonly share: string;
  readonly rank: Rank;
}

/** Up to {@link RENDEZVOUS_PEERS} of them, the most promising first. */
export function choosePeers(from: readonly Reachable[], random: () => number = Math.random): string[] {
  const shuffled = sample(from, from.length, random);
  const chosen = shuffled
    .filter(({ rank }) => rank === 'member')
    .slice(0, RENDEZVOUS_MEMBERS)
    .map(({ peer }) => peer);
  const taken = new Set(chosen);
  for (const idle of [false, true]) {
    const byShare = new Map<string, string[]>();
    for (const { peer, share, rank } of shuffled) {
      if (taken.has(peer) || (rank === 'idle') !== idle) continue;
      const held = byShare.get(share);
      if (held === undefined) byShare.set(share, [peer]);
      else held.push(peer);
    }
    while (byShare.size > 0 && chosen.length < RENDEZVOUS_PEERS) {
      for (const [share, peers] of byShare) {
        const peer = peers.pop();
        if (peer === undefined) byShare.delete(share);
        else if (chosen.length < RENDEZVOUS_PEERS) chosen.push(peer);
      }
    }
  }
  return chosen;
}

export interface RendezvousOptions {
  readonly reachable: () => readonly Reachable[];
  /** The share that a connected peer counts on. */
  readonly shareOf: (peer: string) => string | null;
  /** Milliseconds, for the rate limits. */
  readonly now?: () => number;
}

/** The host's side: a stream handler that answers with some of those that can be reached. */
export function rendezvousHandler({ reachable, shareOf, now }: RendezvousOptions) {
  const budgets = new WeakMap<Connection, TokenBucket>();
  const shares = new Map<string, TokenBucket>();
  const mayAsk = (connection: Connection, asker: string): boolean => {
    let budget = budgets.get(connection);
    if (budget === undefined) {
      budget = new TokenBucket(RENDEZVOUS_RATE, RENDEZVOUS_BURST, now);
      budgets.set(connection, budget);
    }
    const share = shareOf(asker) ?? '';
    let ofShare = shares.get(share);
    if (ofShare === undefined) {
      ofShare = new TokenBucket(RENDEZVOUS_SHARE_RATE, RENDEZVOUS_SHARE_BURST, now);
      if (shares.size >= MAX_SHARES) shares.clear();
      shares.set(share, ofShare);
    }
    return budget.take() && ofShare.take();
  };
  return async (stream: Stream, connection: Connection): Promise<void> => {
    const signal = AbortSignal.timeout(RENDEZVOUS_TIMEOUT);
    try {
      const lp = lpStream(stream, { maxDataLength: 16, maxBufferSize: 64 });
      await lp.read({ signal });
      const asker = connection.remotePeer.toString();
      const answer = mayAsk(connection, asker)
        ? choosePeers(reachable().filter(({ peer }) => peer !== asker))
        : [];
      await lp.write(encoder.encode(JSON.stringify(answer)), { signal });
      await stream.close({ signal });
    } catch (error) {
      stream.abort(error as Error);
    }
  };
}

/** True for Ed25519 peer ids: the identity multihash of the key in base58btc. */
export const isPeerId = (id: unknown): id is string =>
  typeof id === 'string' && /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/.test(id);

/** Peer ids in an answer; null when it is not one. */
export function parseRendezvous(bytes: Uint8Array): string[] | null {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    if (!Array.isArray(value) || value.length > RENDEZVOUS_PEERS) return null;
    return value.every(isPeerId) ? [...new Set(value)] : null;
  } catch {
    return null;
  }
}

/** The tab's side. Null when the host does not answer, or answers nonsense. */
export async function askRendezvous(host: Connection): Promise<string[] | null> {
  const signal = AbortSignal.timeout(RENDEZVOUS_TIMEOUT);
  let stream: Stream | undefined;
  try {
    stream = await host.newStream(RENDEZVOUS_PROTOCOL, { signal });
    const lp = lpStream(stream, { maxDataLength: MAX_RENDEZVOUS_BYTES });
    await lp.write(encoder.encode('?'), { signal });
    const answer = parseRendezvous((await lp.read({ signal })).subarray());
    await stream.close({ signal });
    return answer;
  } catch (error) {
    stream?.abort(error as Error);
    return null;
  }
}
