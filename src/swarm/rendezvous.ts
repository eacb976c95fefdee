/**
 * "Whom could I link to?": a tab asks the host, which answers with up to 16 random tabs that hold a reservation there.
 *
 * One small answer a question costs the host 2 ms, while discovery over pubsub costs it N² forwarded messages an
 * interval. The dialler writes first and every message is length-prefixed: a side that speaks first and closes can be
 * done before the other side reads.
 */
import type { Connection, Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import {
  MAX_RENDEZVOUS_BYTES,
  RENDEZVOUS_BURST,
  RENDEZVOUS_PEERS,
  RENDEZVOUS_RATE,
  RENDEZVOUS_TIMEOUT,
} from './limits.ts';
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

/** The host's side: a stream handler that answers with a sample of `peers()`. `now`: milliseconds, for the rate limit. */
export function rendezvousHandler(peers: () => string[], now?: () => number) {
  const budgets = new WeakMap<Connection, TokenBucket>();
  return async (stream: Stream, connection: Connection): Promise<void> => {
    const signal = AbortSignal.timeout(RENDEZVOUS_TIMEOUT);
    try {
      let budget = budgets.get(connection);
      if (budget === undefined) {
        budget = new TokenBucket(RENDEZVOUS_RATE, RENDEZVOUS_BURST, now);
        budgets.set(connection, budget);
      }
      const lp = lpStream(stream, { maxDataLength: 16, maxBufferSize: 64 });
      await lp.read({ signal });
      const asker = connection.remotePeer.toString();
      const answer = budget.take()
        ? sample(
            peers().filter((id) => id !== asker),
            RENDEZVOUS_PEERS,
          )
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
