/**
 * A link of the chain as it travels: the sealed certificate with the sealed opinions that belong to it, as canonical bytes.
 * Also which opinions those are: a certificate does not name them, so each is held against the run and the round.
 */
import * as v from 'valibot';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { decodeCanonical, encodeCanonical } from '../protocol/codec.ts';
import { open } from '../protocol/envelope.ts';
import { MAX_GOSSIP_BYTES } from '../protocol/limits.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { Bytes } from '../protocol/schema.ts';
import type { SealedLink } from './follower.ts';
import type { Run } from './run.ts';

/** One of each validator that a manifest may name. */
const MAX_OPINIONS = 64;
/** An opinion has at most about 15 KiB in an honest round, so that 64 of them and a certificate fit. */
export const MAX_LINK_BYTES = 1 << 20;

const Message = v.pipe(
  Bytes,
  v.check((bytes) => bytes.byteLength <= MAX_GOSSIP_BYTES, 'a message is too long'),
);
const LinkSchema = v.strictObject({
  certificate: Message,
  opinions: v.pipe(v.array(Message), v.maxLength(MAX_OPINIONS)),
});

/** Canonical bytes. Opinions that do not fit any more are left out: the chain does not depend on them. */
export function encodeLink({ certificate, opinions }: SealedLink): Uint8Array<ArrayBuffer> {
  let kept = opinions.slice(0, MAX_OPINIONS);
  for (;;) {
    const bytes = encodeCanonical({ certificate, opinions: kept });
    if (bytes.byteLength <= MAX_LINK_BYTES || kept.length === 0) return bytes;
    kept = kept.slice(0, -1);
  }
}

/** Null for bytes that are no link; what is in it is not checked here. Never throws. */
export function decodeLink(bytes: Uint8Array): SealedLink | null {
  const decoded = decodeCanonical(bytes, MAX_LINK_BYTES);
  const parsed = decoded.ok ? v.safeParse(LinkSchema, decoded.value) : null;
  return parsed?.success === true ? parsed.output : null;
}

/** An opinion whose envelope is good, with its sender and the bytes it came in. */
export interface OpenedOpinion {
  /** Hex key of the validator. */
  readonly validator: string;
  readonly opinion: MessageOf<'opinion'>;
  readonly sealed: Uint8Array;
}

/** Those of the messages that are opinions of this run's validators on `round`, the first of each. Never throws. */
export async function opinionsOn(
  run: Run,
  round: number,
  messages: readonly Uint8Array[],
): Promise<OpenedOpinion[]> {
  const found = new Map<string, OpenedOpinion>();
  for (const sealed of messages) {
    const opened = await open(sealed);
    if (!opened.ok || opened.message.kind !== 'opinion') continue;
    const { message: opinion, sender } = opened;
    if (!bytesEqual(opinion.run, run.id) || opinion.round !== round) continue;
    if (!run.manifest.validators.some(({ key }) => bytesEqual(key, sender))) continue;
    const validator = toHex(sender);
    if (!found.has(validator)) found.set(validator, { validator, opinion, sealed });
  }
  return [...found.values()];
}
