/**
 * Data shards: little-endian u16 token ids, documents separated by the end-of-text token. A shard comes from a peer
 * or a disk, so it is checked before a kernel indexes the embedding with it.
 */
import { MAX_VOCABULARY } from './tokenizer.ts';

/** A shard that cannot be used; the message says why. */
export class ShardError extends Error {
  static override readonly name = 'ShardError';
  override readonly name = 'ShardError';
}

export function encodeShard(tokens: Uint16Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(tokens.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < tokens.length; i++) view.setUint16(2 * i, tokens[i], true);
  return bytes;
}

/**
 * Token ids of a shard. Throws {@link ShardError} when the length is not `tokens` (from the manifest) or an id is not
 * below `vocabSize`.
 */
export function decodeShard(bytes: Uint8Array, vocabSize: number, tokens: number): Uint16Array<ArrayBuffer> {
  if (bytes.byteLength !== 2 * tokens)
    throw new ShardError(`shard has ${bytes.byteLength} bytes, expected ${2 * tokens} for ${tokens} tokens`);
  if (vocabSize > MAX_VOCABULARY) throw new ShardError(`u16 shards cannot hold a vocabulary of ${vocabSize}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Uint16Array(tokens);
  for (let i = 0; i < tokens; i++) {
    const id = view.getUint16(2 * i, true);
    if (id >= vocabSize)
      throw new ShardError(`token ${i} of the shard is ${id}, outside the vocabulary of ${vocabSize}`);
    out[i] = id;
  }
  return out;
}
