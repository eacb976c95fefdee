/**
 * A text inside a PNG file (a tEXt chunk, PNG specification third edition, section 11.3.3.2), and the file without it:
 * so a picture can carry a signature over itself. Programs that re-encode pictures drop such chunks, which is honest:
 * the bytes that were signed are then gone.
 */
import { concatBytes } from './bytes.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Length, type and CRC around a chunk's data. */
const FRAME = 12;
const ascii = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
/** A signed picture is about 100 KB; a reader that is handed more need not look at it. */
export const MAX_PNG_BYTES = 16 << 20;
/** A PNG of ours has some dozen chunks; a text has the claim and its evidence. */
const MAX_CHUNKS = 4096;
const MAX_TEXT_BYTES = 1 << 20;
const KEYWORD = ascii('Tabswarm contribution\0');

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32 as PNG and gzip use it (ISO 3309). */
function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = CRC_TABLE[(c ^ byte) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

interface Chunk {
  readonly type: string;
  readonly at: number;
  readonly end: number;
}

/** The file's chunks; null unless it is a PNG from its first byte to its last, within the limits above. */
function chunksOf(png: Uint8Array): Chunk[] | null {
  if (png.byteLength > MAX_PNG_BYTES || SIGNATURE.some((byte, i) => png[i] !== byte)) return null;
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE.length; at < png.byteLength; ) {
    if (at + FRAME > png.byteLength || chunks.length === MAX_CHUNKS) return null;
    const end = at + FRAME + view.getUint32(at);
    if (end > png.byteLength) return null;
    chunks.push({ type: String.fromCharCode(...png.subarray(at + 4, at + 8)), at, end });
    at = end;
  }
  return chunks.at(-1)?.type === 'IEND' ? chunks : null;
}

const isOurs = (png: Uint8Array, { type, at, end }: Chunk): boolean =>
  type === 'tEXt' &&
  end - at - FRAME >= KEYWORD.length &&
  KEYWORD.every((byte, i) => png[at + 8 + i] === byte);

export type SplitPng =
  | { readonly ok: true; readonly picture: Uint8Array<ArrayBuffer>; readonly text: string }
  | { readonly ok: false; readonly reason: 'no-png' | 'no-text' | 'damaged' };

/** The picture's own bytes and the text they carry. Never throws. */
export function splitPng(png: Uint8Array): SplitPng {
  const chunks = chunksOf(png);
  if (chunks === null) return { ok: false, reason: 'no-png' };
  const ours = chunks.filter((chunk) => isOurs(png, chunk));
  if (ours.length === 0) return { ok: false, reason: 'no-text' };
  const [{ at, end }] = ours;
  const crc = new DataView(png.buffer, png.byteOffset, png.byteLength).getUint32(end - 4);
  if (ours.length > 1 || end - at > MAX_TEXT_BYTES || crc32(png.subarray(at + 4, end - 4)) !== crc)
    return { ok: false, reason: 'damaged' };
  const data = png.subarray(at + 8 + KEYWORD.length, end - 4);
  let text = '';
  for (const byte of data) text += String.fromCharCode(byte);
  return { ok: true, picture: concatBytes(png.subarray(0, at), png.subarray(end)), text };
}

/** The picture with the text in it, before its last chunk. Throws RangeError when it is no PNG, or has one already. */
export function joinPng(picture: Uint8Array, text: string): Uint8Array<ArrayBuffer> {
  const chunks = chunksOf(picture);
  const last = chunks?.at(-1);
  if (chunks === null || last === undefined) throw new RangeError('the picture is no PNG file');
  if (chunks.some((chunk) => isOurs(picture, chunk))) throw new RangeError('the picture is signed already');
  const body = concatBytes(ascii('tEXt'), KEYWORD, ascii(text));
  const length = new Uint8Array(4);
  const crc = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, body.byteLength - 4);
  new DataView(crc.buffer).setUint32(0, crc32(body));
  return concatBytes(picture.subarray(0, last.at), length, body, crc, picture.subarray(last.at));
}
