/**
 * A validator's tab hands a link of the chain to the host, and hears whether the host has it on disk.
 *
 * Gossip would be quicker to send, but nobody may hear of a round that a crash could still undo. So this is a stream of its
 * own with an answer: the tab writes one link (chain/links.ts: a sealed certificate with its sealed opinions), the host
 * answers when it has stored the round or says why not.
 */
import type { Connection, Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import * as v from 'valibot';
import {
  HANDOVER_BURST,
  HANDOVER_RATE,
  HANDOVER_READ_TIMEOUT,
  HANDOVER_TIMEOUT,
  MAX_HANDOVER_ANSWER,
  MAX_HANDOVER_BYTES,
  MAX_STRANGERS_HANDOVERS,
} from './limits.ts';
import { TokenBucket } from './token-bucket.ts';

export const HANDOVER_PROTOCOL = '/tabswarm/handover/2';

/** Why a link was not stored. Words for them are the page's and the command line's business. */
export const HANDOVER_CODES = [
  'not-connected', // there is no connection to the host
  'no-answer', // the host broke off, or took too long
  'too-many', // handovers came faster than the host takes them
  'starting', // the host does not take certificates yet
  'stopping', // or not any more
  'has-seat', // the host certifies rounds itself
  'no-link', // the bytes are no link with a certificate in it
  'bad-certificate', // it does not pass the checks of its chain
  'fork', // another certificate of that height is stored
  'gap', // certificates before this one are missing at the host
  'work-missing', // the bytes of accepted work could not be had
  'root-differs', // applied, the accepted work does not give the certified root
  'not-written', // the host could not write it down
] as const;
export type HandoverCode = (typeof HANDOVER_CODES)[number];

/**
 * `stored`: on disk. Else why not; `retry`: the same bytes may be stored a moment later; `height`: where the host's chain ends, when
 * certificates before this one are missing there.
 */
export type HandoverAnswer =
  | { readonly stored: true }
  | {
      readonly stored: false;
      readonly retry: boolean;
      readonly code: HandoverCode;
      readonly height?: number | undefined;
    };

/** Must not reject. `from`: the peer that hands the link over, and has the work. */
export type HandoverTaker = (link: Uint8Array, from: string) => Promise<HandoverAnswer>;

const AnswerSchema = v.variant('stored', [
  v.object({ stored: v.literal(true) }),
  v.object({
    stored: v.literal(false),
    retry: v.boolean(),
    code: v.picklist(HANDOVER_CODES),
    height: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  }),
]);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The host's side: a stream handler. Validators, which `isMember` knows, do not wait for strangers. Never throws. */
export function handoverHandler(take: HandoverTaker, isMember: (peer: string) => boolean) {
  const budgets = new WeakMap<Connection, TokenBucket>();
  let strangers = 0;
  return async (stream: Stream, connection: Connection): Promise<void> => {
    const signal = AbortSignal.timeout(HANDOVER_TIMEOUT);
    const from = connection.remotePeer.toString();
    const member = isMember(from);
    if (!member && strangers >= MAX_STRANGERS_HANDOVERS) {
      stream.abort(new Error('too many handovers')); // unread: the tab tries again
      return;
    }
    if (!member) strangers++;
    try {
      const lp = lpStream(stream, {
        maxDataLength: MAX_HANDOVER_BYTES,
        maxBufferSize: 2 * MAX_HANDOVER_BYTES,
      });
      const until = AbortSignal.any([signal, AbortSignal.timeout(HANDOVER_READ_TIMEOUT)]);
      const link = (await lp.read({ signal: until })).subarray();
      let budget = budgets.get(connection);
      if (budget === undefined) {
        budget = new TokenBucket(HANDOVER_RATE, HANDOVER_BURST);
        budgets.set(connection, budget);
      }
      const answer: HandoverAnswer = budget.take()
        ? await take(link, from)
        : { stored: false, retry: true, code: 'too-many' };
      await lp.write(encoder.encode(JSON.stringify(answer)), { signal });
      await stream.close({ signal });
    } catch (error) {
      stream.abort(error as Error);
    } finally {
      if (!member) strangers--;
    }
  };
}

/** The tab's side: one attempt. Never throws; what fails on the way may be tried again. */
export async function handOver(
  host: Connection | undefined,
  link: Uint8Array,
  signal: AbortSignal,
): Promise<HandoverAnswer> {
  if (host === undefined) return { stored: false, retry: true, code: 'not-connected' };
  const until = AbortSignal.any([signal, AbortSignal.timeout(HANDOVER_TIMEOUT)]);
  let stream: Stream | undefined;
  try {
    stream = await host.newStream(HANDOVER_PROTOCOL, { signal: until });
    const lp = lpStream(stream, { maxDataLength: MAX_HANDOVER_ANSWER });
    await lp.write(link, { signal: until });
    const answer = v.parse(
      AnswerSchema,
      JSON.parse(decoder.decode((await lp.read({ signal: until })).subarray())),
    );
    stream.close({ signal: until }).catch(() => {});
    return answer;
  } catch (error) {
    stream?.abort(error as Error);
    return { stored: false, retry: true, code: 'no-answer' };
  }
}
