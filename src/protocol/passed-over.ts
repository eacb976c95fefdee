/**
 * Members whose work was turned away for want of room (or by a machine that failed) and that a list of refusals has no
 * room for either, in four bytes each: nobody is told another reason, and nobody's membership lapses for it.
 *
 * Two keys may begin alike. The one that is taken for the other stays a member for longer, and learns by its next claim
 * that it may not go on from where it thought; nothing else depends on it.
 */
import * as v from 'valibot';
import { fromHex, toHex } from './bytes.ts';
import { MAX_PASSED_OVER, PASSED_OVER_BYTES } from './limits.ts';
import { Bytes } from './schema.ts';

/** First bytes of keys, ascending, each once, without gaps. */
export const PassedOver = v.pipe(
  Bytes,
  v.check(
    (b) => b.byteLength % PASSED_OVER_BYTES === 0 && b.byteLength <= MAX_PASSED_OVER * PASSED_OVER_BYTES,
    `at most ${MAX_PASSED_OVER} times ${PASSED_OVER_BYTES} bytes`,
  ),
  v.check((b) => {
    const starts = startsOf(b);
    return starts.every((start, i) => i === 0 || starts[i - 1] < start);
  }, 'first bytes of keys in ascending order, each once'),
);

/** Keys as a list of their first bytes; what is over its length is left out. */
export function encodePassedOver(keys: readonly Uint8Array[]): Uint8Array {
  const starts = [...new Set(keys.map((key) => startOf(toHex(key))))].sort();
  return fromHex(starts.slice(0, MAX_PASSED_OVER).join(''));
}

/** What a list has, to look keys up in by {@link startOf}. */
export const passedOver = (list: Uint8Array): ReadonlySet<string> => new Set(startsOf(list));

/** What a list has of a key: of both the hex. */
export const startOf = (key: string): string => key.slice(0, 2 * PASSED_OVER_BYTES);

export const isPassedOver = (list: Uint8Array, key: Uint8Array): boolean =>
  list.byteLength > 0 && passedOver(list).has(startOf(toHex(key)));

const startsOf = (list: Uint8Array): string[] =>
  toHex(list).match(new RegExp(`.{${2 * PASSED_OVER_BYTES}}`, 'g')) ?? [];
