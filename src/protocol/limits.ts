/** Every limit that a peer's message is held to, with its reason. */

/** Bumped whenever a message, the wire codec or the state transition changes meaning. */
export const PROTOCOL_VERSION = 4;

/**
 * Gossip carries announcements only; bulk goes by hash over direct streams. The largest legal certificate (64 accepted
 * with the longest claims, 64 refused, 2048 passed over, 64 audits, 256 joined, 64 signatures) stays below it; an ordinary one is under 8 KiB.
 */
export const MAX_GOSSIP_BYTES = 96 * 1024;
/**
 * Most bytes of a sealed message by its kind, which can be read before anything is decoded. A little above the largest legal
 * one: texts of three bytes a character, every list full. Opinions and certificates may fill what gossip carries.
 */
export const MAX_SEALED_BYTES = {
  join: 256,
  commit: 256,
  reveal: 1152,
  audit: 2560,
  answer: 1152,
  presence: 1664,
  profile: 512,
  opinion: MAX_GOSSIP_BYTES,
  certificate: MAX_GOSSIP_BYTES,
  'no-certificate': 13_312,
} as const;
/** A manifest names every data shard; 1 MiB is about 10,000 of them. */
export const MAX_MANIFEST_BYTES = 1 << 20;
/** Contributors whose work one certificate may apply; past that, merged aggregates are smaller. */
export const MAX_ACCEPTED = 64;
/** Refusals listed in one certificate, so that a flood of bad submissions cannot make it too big to gossip. */
export const MAX_REFUSED = 64;
/** Members without room in a round and in its list of refusals that one certificate names, and bytes for each. */
export const MAX_PASSED_OVER = 2048;
export const PASSED_OVER_BYTES = 4;
/** Audits whose outcome one certificate lists. */
export const MAX_AUDITS = 64;
/** Newcomers that one certificate admits. */
export const MAX_JOINED = 256;
/** Newest certificates over which a join may be done: a slow machine's work outlives a round. */
export const JOIN_WINDOW = 8;
/** Bits by which the work of a join may rise above the manifest's: 64 times as much. */
export const MAX_JOIN_RISE = 6;
/** Leading zero bits that a join may need: 2^40 hashes are a month of one laptop, and nobody joins. */
export const MAX_JOIN_BITS = 40;
/** Integer weights of accepted submissions lie in [1, MAX_WEIGHT]. */
export const MAX_WEIGHT = 1024;
/** A claim of work, and an answer to an audit: hashes, sizes and counts, never the work itself. */
export const MAX_CLAIM_BYTES = 640;
/** Inner steps that one submission may claim. */
export const MAX_INNER_STEPS = 100_000;
/** A blob (submission, shard, checkpoint) is fetched whole into memory. 1 GiB holds a 268 M-parameter checkpoint. */
export const MAX_BLOB_BYTES = 1 << 30;
export const KEY_BYTES = 32;
export const HASH_BYTES = 32;
export const SIGNATURE_BYTES = 64;
