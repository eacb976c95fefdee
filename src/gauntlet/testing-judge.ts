/** For tests: a whole round's verdict from what was said and served in it, without network and clock. */
import { toHex } from '../protocol/bytes.ts';
import type { ChainHead } from '../protocol/certificate.ts';
import { deadlines } from '../protocol/clock.ts';
import { open } from '../protocol/envelope.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { RoundBook } from './book.ts';
import { inspectorFor } from './inspect.ts';
import type { RoundLosses } from './round-losses.ts';

/** One round as a validator saw it. */
export interface SeenRound {
  readonly round: number;
  /** The certified state that it started from. */
  readonly head: ChainHead;
  /** Envelopes with the swarm time (epoch ms) at which each came, in that order. */
  readonly said: readonly { readonly at: number; readonly bytes: Uint8Array }[];
  /** Bytes by the hex of the hash they were fetched under. */
  readonly served: ReadonlyMap<string, Uint8Array>;
}

/** Throws LossError when the state of `seen.head` is not the one that `losses` has loaded. */
export async function judgeRound(
  manifest: Manifest,
  runId: Uint8Array,
  seen: SeenRound,
  losses: RoundLosses,
): Promise<MessageOf<'verdict'>> {
  const { round, head } = seen;
  const book = new RoundBook({
    manifest,
    runId,
    round,
    baseRoot: () => head.root,
    ...inspectorFor(manifest),
    evaluate: (candidate) => losses.measure(candidate, round, head),
  });
  for (const { at, bytes } of seen.said) {
    const opened = await open(bytes);
    if (!opened.ok) continue;
    if (opened.message.kind === 'commit') book.commit(opened.sender, opened.message, at);
    if (opened.message.kind === 'reveal') book.reveal(opened.sender, opened.message, at);
  }
  for (const { contributor, submission } of book.toFetch(deadlines(manifest.schedule, round).reveal)) {
    const bytes = seen.served.get(toHex(submission.hash));
    if (bytes === undefined) book.notServed(contributor, 'nobody serves these bytes');
    else await book.bytes(contributor, bytes);
  }
  return book.judge();
}
