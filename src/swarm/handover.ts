/**
 * A validator's tab hands a certificate to the host, and hears whether the host has it on disk.
 *
 * Gossip would be quicker to send, but nobody may hear of a round that a crash could still undo. So this is a stream of its
 * own with an answer: the tab writes one sealed certificate, the host answers when it has stored the round or says why not.
 */
import type { Connection, Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import * as v from 'valibot';
import { messageOf } from '../protocol/errors.ts';
import { MAX_GOSSIP_BYTES } from '../protocol/limits.ts';
import { HANDOVER_BURST, HANDOVER_RATE, HANDOVER_TIMEOUT, MAX_HANDOVER_ANSWER } from './limits.ts';
import { TokenBucket } from './token-bucket.ts';

export const HANDOVER_PROTOCOL = '/tabswarm/handover/1';

/**
 * `stored`: on disk. Else why not; `retry`: the same bytes may be stored a moment later; `height`: where the host's chain ends, when
 * certificates before this one are missing there.
 */
export type HandoverAnswer =
  | { readonly stored: true }
  | {
      readonly stored: false;
      readonly retry: boolean;
      readonly detail: string;
      readonly height?: number | undefined;
    };

/** Must not reject. `from`: the peer that hands it over, and has the submissions. */
export type HandoverTaker = (sealed: Uint8Array, from: string) => Promise<HandoverAnswer>;

const AnswerSchema = v.variant('stored', [
  v.object({ stored: v.literal(true) }),
  v.object({
    stored: v.literal(false),
    retry: v.boolean(),
    detail: v.pipe(v.string(), v.maxLength(500)),
    height: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  }),
]);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The host's side: a stream handler. Never throws. */
export function handoverHandler(take: HandoverTaker) {
  const budgets = new WeakMap<Connection, TokenBucket>();
  return async (stream: Stream, connection: Connection): Promise<void> => {
    const signal = AbortSignal.timeout(HANDOVER_TIMEOUT);
    try {
      const lp = lpStream(stream, { maxDataLength: MAX_GOSSIP_BYTES, maxBufferSize: 2 * MAX_GOSSIP_BYTES });
      const sealed = (await lp.read({ signal })).subarray();
      let budget = budgets.get(connection);
      if (budget === undefined) {
        budget = new TokenBucket(HANDOVER_RATE, HANDOVER_BURST);
        budgets.set(connection, budget);
      }
      const answer: HandoverAnswer = budget.take()
        ? await take(sealed, connection.remotePeer.toString())
        : { stored: false, retry: true, detail: 'too many handovers a second' };
      const told = answer.stored ? answer : { ...answer, detail: answer.detail.slice(0, 400) };
      await lp.write(encoder.encode(JSON.stringify(told)), { signal });
      await stream.close({ signal });
    } catch (error) {
      stream.abort(error as Error);
    }
  };
}

/** The tab's side: one attempt. Never throws; what fails on the way may be tried again. */
export async function handOver(
  host: Connection | undefined,
  sealed: Uint8Array,
  signal: AbortSignal,
): Promise<HandoverAnswer> {
  if (host === undefined) return { stored: false, retry: true, detail: 'the host is not connected' };
  const until = AbortSignal.any([signal, AbortSignal.timeout(HANDOVER_TIMEOUT)]);
  let stream: Stream | undefined;
  try {
    stream = await host.newStream(HANDOVER_PROTOCOL, { signal: until });
    const lp = lpStream(stream, { maxDataLength: MAX_HANDOVER_ANSWER });
    await lp.write(sealed, { signal: until });
    const answer = v.parse(
      AnswerSchema,
      JSON.parse(decoder.decode((await lp.read({ signal: until })).subarray())),
    );
    stream.close({ signal: until }).catch(() => {});
    return answer;
  } catch (error) {
    stream?.abort(error as Error);
    return { stored: false, retry: true, detail: `the host did not answer: ${messageOf(error)}` };
  }
}
