/**
 * Text files that people write (a corpus, settings, keys) are decoded in one way: UTF-8, with or without a byte-order
 * mark. Anything else is named as what it seems to be, so that its owner knows what to save anew.
 */

/**
 * What bytes seem to be that are no UTF-8 text. `cut-off`: UTF-8 that ends in the middle of a character. `latin-1`: one
 * byte a character, as Latin-1 and Windows-1252 have it. `legacy`: another encoding from before Unicode, such as GBK or
 * Shift-JIS. `binary`: no text at all.
 */
export type OtherEncoding = 'utf-16' | 'utf-32' | 'cut-off' | 'latin-1' | 'legacy' | 'binary';

export type DecodedText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly found: OtherEncoding };

/** How much of a file a guess looks at, in bytes. */
const LOOKED_AT = 1 << 16;
/** The longest UTF-8 character, in bytes. */
const LONGEST = 4;

/** The text of a file, without its byte-order mark, or what the file seems to be instead. Never throws. */
export function decodeText(bytes: Uint8Array): DecodedText {
  const marked = byteOrderMark(bytes);
  if (marked !== null) return { ok: false, found: marked };
  // ASCII in UTF-16 is valid UTF-8 with a NUL beside every character.
  if (looksUtf16(bytes)) return { ok: false, found: 'utf-16' };
  const text = utf8(bytes);
  return text === null ? { ok: false, found: guess(bytes) } : { ok: true, text };
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

const startsWith = (bytes: Uint8Array, ...mark: number[]): boolean => mark.every((b, i) => bytes[i] === b);

function byteOrderMark(bytes: Uint8Array): OtherEncoding | null {
  if (startsWith(bytes, 0xff, 0xfe, 0, 0) || startsWith(bytes, 0, 0, 0xfe, 0xff)) return 'utf-32';
  if (startsWith(bytes, 0xff, 0xfe) || startsWith(bytes, 0xfe, 0xff)) return 'utf-16';
  return null;
}

/** Whether NULs are at every other place, as in UTF-16 of mostly Latin letters. */
function looksUtf16(bytes: Uint8Array): boolean {
  const size = Math.min(bytes.length, LOOKED_AT) & ~1;
  const nuls = [0, 0];
  for (let i = 0; i < size; i++) if (bytes[i] === 0) nuls[i & 1]++;
  const half = size / 2;
  return half >= 4 && Math.max(...nuls) > 0.4 * half && Math.min(...nuls) < 0.05 * half;
}

function guess(bytes: Uint8Array): OtherEncoding {
  const sample = bytes.subarray(0, LOOKED_AT);
  let controls = 0;
  let high = 0;
  for (const byte of sample) {
    if (byte >= 0x80) high++;
    // Tab, line ends and form feed are in texts; so are escape and substitute, now and then.
    else if (byte < 0x20 && !(byte >= 0x09 && byte <= 0x0d) && byte !== 0x1a && byte !== 0x1b) controls++;
  }
  if (controls > 0.002 * sample.length) return 'binary';
  if (isCutOff(bytes)) return 'cut-off';
  return high < 0.3 * sample.length ? 'latin-1' : 'legacy';
}

/** Whether all but the last, begun character is UTF-8. Without another such character it is as likely Latin-1. */
function isCutOff(bytes: Uint8Array): boolean {
  for (let less = 1; less < LONGEST && less < bytes.length; less++) {
    const whole = bytes.subarray(0, bytes.length - less);
    if (bytes[whole.length] >= 0xc0 && utf8(whole) !== null) return whole.some((byte) => byte >= 0x80);
  }
  return false;
}
