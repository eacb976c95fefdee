/**
 * The way of a gossip message to whoever hears it, the same in a participant's inbox and in a validator: what its first
 * bytes say decides before anything is decoded or verified, and the same message is passed on at most once in a while.
 */
import { bytesEqual } from '../protocol/bytes.ts';
import { type OpenFailure, openPeeked, peek, type Peeked } from '../protocol/envelope.ts';
import type { Message } from '../protocol/messages.ts';
import type { Repeats } from './repeats.ts';
import type { GossipVerdict } from './types.ts';

export interface Hearer {
  /** Run id: messages of other runs are refused. */
  readonly run: Uint8Array;
  readonly repeats: Repeats;
  /** The envelope did not open. */
  unopened(failure: OpenFailure): GossipVerdict | Promise<GossipVerdict>;
  /** What is decided by kind and claimed sender alone; null: it is opened. */
  unheard(peeked: Peeked): GossipVerdict | null;
  /** A message whose signature holds. */
  take(message: Message, sender: Uint8Array): GossipVerdict | Promise<GossipVerdict>;
}

/** Never throws, as long as the hearer does not. */
export async function hear(bytes: Uint8Array, hearer: Hearer): Promise<GossipVerdict> {
  const peeked = peek(bytes);
  if (!peeked.ok) return hearer.unopened(peeked);
  const unheard = hearer.unheard(peeked);
  if (unheard !== null) return unheard;
  const opened = await openPeeked(peeked);
  if (!opened.ok) return hearer.unopened(opened);
  const { message, sender } = opened;
  if (message.kind !== 'certificate' && !bytesEqual(message.run, hearer.run)) return 'reject';
  const { signature } = peeked.outer;
  if (hearer.repeats.isRepeated(signature)) return 'ignore';
  const verdict = await hearer.take(message, sender);
  if (verdict === 'accept') hearer.repeats.add(signature);
  return verdict;
}
