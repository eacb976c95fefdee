/**
 * The outside of an envelope, read byte by byte: version, sender, signature and where the body lies. Nothing is decoded and
 * nothing is copied, so that a reader knows the version, the sender it is said to be of, the kind and its limit of bytes
 * before a stranger's bytes cost anything.
 *
 * Reading is as strict as decoding: whatever is not the one canonical DAG-CBOR form is null.
 */
import { HASH_BYTES, KEY_BYTES, SIGNATURE_BYTES } from './limits.ts';
import type { MessageKind } from './messages.ts';

export interface Outer {
  readonly version: number;
  readonly sender: Uint8Array;
  readonly signature: Uint8Array;
  readonly body: Uint8Array;
}

/** Major types of CBOR (RFC 8949, 3.1). */
const UINT = 0;
const BYTES = 2;
const TEXT = 3;
const LIST = 4;
const MAP = 5;

/** A cursor over canonical CBOR heads. Every reader returns null, and stays where it was, when something else is there. */
class Cursor {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at === this.#bytes.byteLength;
  }

  /** The argument of a head of this major type, at most 32 bits, in its shortest form. */
  head(major: number): number | null {
    const bytes = this.#bytes;
    const first = bytes[this.at];
    if (first === undefined || first >> 5 !== major) return null;
    const short = first & 31;
    if (short < 24) {
      this.at++;
      return short;
    }
    const length = [1, 2, 4][short - 24];
    if (length === undefined || this.at + 1 + length > bytes.byteLength) return null;
    let value = 0;
    for (let i = 1; i <= length; i++) value = value * 256 + bytes[this.at + i];
    if (value < [24, 0x100, 0x10000][short - 24]) return null;
    this.at += 1 + length;
    return value;
  }

  /** What a byte string holds (a view), of exactly `length` bytes where that is given. */
  bytes(length?: number): Uint8Array | null {
    const start = this.at;
    const size = this.head(BYTES);
    if (size === null) return null;
    const end = this.at + size;
    if ((length !== undefined && size !== length) || end > this.#bytes.byteLength) {
      this.at = start;
      return null;
    }
    const found = this.#bytes.subarray(this.at, end);
    this.at = end;
    return found;
  }

  /** A text as kinds and field names are, ASCII and of at most `most` letters; others read as what no name equals. */
  word(most: number): string | null {
    const start = this.at;
    const size = this.head(TEXT);
    if (size === null || size > most || this.at + size > this.#bytes.byteLength) {
      this.at = start;
      return null;
    }
    const word = String.fromCharCode(...this.#bytes.subarray(this.at, this.at + size));
    this.at += size;
    return word;
  }
}

/** The version that bytes begin with; null when they are the beginning of no envelope of any version. */
export function versionOf(bytes: Uint8Array): number | null {
  const cursor = new Cursor(bytes);
  const elements = cursor.head(LIST);
  return elements === null || elements === 0 ? null : cursor.head(UINT);
}

/** The envelope's parts, as views; null when this is not a list of version, key, signature and body and nothing more. */
export function readOuter(bytes: Uint8Array): Outer | null {
  const cursor = new Cursor(bytes);
  if (cursor.head(LIST) !== 4) return null;
  const version = cursor.head(UINT);
  const sender = cursor.bytes(KEY_BYTES);
  const signature = cursor.bytes(SIGNATURE_BYTES);
  const body = cursor.bytes();
  if (version === null || sender === null || signature === null || body === null || !cursor.atEnd)
    return null;
  return { version, sender, signature, body };
}

const LONGEST_KIND = 32;

/**
 * The kind that a message's body claims. Canonical maps have their shortest names first: `run`, then `kind`. A certificate,
 * which names its run in the body that is signed, has `body` there. Null: no message of ours begins so.
 */
export function kindOf(body: Uint8Array): string | null {
  const cursor = new Cursor(body);
  if (cursor.head(MAP) === null) return null;
  const first = cursor.word(LONGEST_KIND);
  if (first === 'body') return 'certificate' satisfies MessageKind;
  if (first === 'run' && (cursor.bytes(HASH_BYTES) === null || cursor.word(LONGEST_KIND) !== 'kind'))
    return null;
  return first === 'run' || first === 'kind' ? cursor.word(LONGEST_KIND) : null;
}
