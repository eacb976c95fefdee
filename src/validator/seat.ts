/** What a validator's key is worth in a run, and what is derived from it. Keys: 32-byte seeds, as text 64 hex digits. */
import { bytesEqual, concatBytes, fromHex, sha256Sync } from '../protocol/bytes.ts';
import type { Manifest } from '../protocol/manifest.ts';

/** The seed in a key file's text; null when it holds anything else than 64 hex digits. */
export function seedOf(text: string): Uint8Array | null {
  const trimmed = text.trim().toLowerCase();
  return /^[0-9a-f]{64}$/.test(trimmed) ? fromHex(trimmed) : null;
}

/** 32 bytes that only who has the seed knows: they draw the text that submissions are measured on unannounced. */
export const unassignedSecret = (seed: Uint8Array): Uint8Array =>
  sha256Sync(concatBytes(new TextEncoder().encode('tabswarm/unassigned\0'), seed));

/** Whether a key's signature alone is a quorum: more than 2/3 of the manifest's weight. */
export function certifiesAlone({ validators }: Pick<Manifest, 'validators'>, key: Uint8Array): boolean {
  const seat = validators.find((validator) => bytesEqual(validator.key, key));
  const weight = validators.reduce((sum, { weight: w }) => sum + w, 0);
  return seat !== undefined && 3 * seat.weight > 2 * weight;
}

/** Whether a key has a seat, whatever its weight. */
export const hasSeat = ({ validators }: Pick<Manifest, 'validators'>, key: Uint8Array): boolean =>
  validators.some((validator) => bytesEqual(validator.key, key));
