/**
 * A binary range coder with adaptive probabilities: the entropy coder under the wire format (docs/wire.md).
 *
 * Carry propagation as in the range coder of LZMA (Igor Pavlov, public domain specification), 32-bit range, 16-bit
 * probabilities. Everything is integer arithmetic on numbers below 2^53, so encoder and decoder agree on any machine.
 */

/** Probabilities are of the bit 0, in units of 2^-16, kept inside [FLOOR, 2^16 - FLOOR]. */
export const HALF = 1 << 15;
const TOP = 2 ** 24;
/** The coder's last four bytes only say which number of the final interval is meant; it picks one ending in zeros. */
export const TRIM = 4;

/**
 * Adaptive bits. A model starts at its given probability and moves by 1/2^rate of the error; the rate starts fast and
 * slows as the model sees bits, so that few bits are lost to learning in a small submission.
 */
export class BitModels {
  readonly p: Uint16Array;
  readonly seen: Uint8Array;
  constructor(count: number, probability = HALF) {
    this.p = new Uint16Array(count).fill(probability);
    this.seen = new Uint8Array(count);
  }

  /** Sets a model's first probability, and how far on it is in {@link RATES}: later for a guess worth more. */
  start(index: number, probability: number, seen: number): void {
    this.p[index] = Math.min(65536 - FLOOR, Math.max(FLOOR, Math.round(probability)));
    this.seen[index] = seen;
  }
}

/** Shift of the update after so many bits seen; the last entry stays. */
const RATES = Uint8Array.from([2, 2, 3, 3, 3, 4, 4, 4, 4, 4].concat(Array(20).fill(5), Array(40).fill(6), 7));
const LAST_RATE = RATES.length - 1;
/** Keeps every probability away from 0 and 1: a surprise costs at most 11 bits. */
const FLOOR = 32;

function adapt(models: BitModels, index: number, p: number, bit: number): void {
  const seen = models.seen[index];
  const rate = RATES[seen];
  if (seen < LAST_RATE) models.seen[index] = seen + 1;
  const next = bit === 0 ? p + ((65536 - p) >> rate) : p - (p >> rate);
  models.p[index] = next < FLOOR ? FLOOR : next > 65536 - FLOOR ? 65536 - FLOOR : next;
}

/** The number in [low, low + range) with the most trailing zero bits. */
function roundest(low: number, range: number): number {
  const high = low + range - 1;
  for (let unit = 2 ** 32; unit > 1; unit /= 2) {
    const candidate = Math.floor(high / unit) * unit;
    if (candidate >= low) return candidate;
  }
  return high;
}

export class RangeEncoder {
  private out: Uint8Array<ArrayBuffer>;
  private at: number;
  private low = 0;
  private range = 0xffffffff;
  private cache = 0;
  /** Bytes waiting for a possible carry; the first byte the coder would emit is always 0 and is left out. */
  private pending = 0;
  private started = false;
  private readonly floor: number;

  /** Writes after `prefix`. */
  constructor(prefix: Uint8Array, sizeHint: number) {
    this.out = new Uint8Array(prefix.byteLength + sizeHint + 16);
    this.out.set(prefix);
    this.at = prefix.byteLength;
    this.floor = prefix.byteLength;
  }

  private put(byte: number): void {
    if (this.at === this.out.length) {
      const bigger = new Uint8Array(this.out.length * 2);
      bigger.set(this.out);
      this.out = bigger;
    }
    this.out[this.at++] = byte;
  }

  private shift(): void {
    const low = this.low;
    if (low < 0xff000000 || low >= 0x100000000) {
      const carry = low >= 0x100000000 ? 1 : 0;
      if (this.started) this.put((this.cache + carry) & 0xff);
      this.started = true;
      for (; this.pending > 0; this.pending--) this.put((0xff + carry) & 0xff);
      this.cache = (low >>> 24) & 0xff;
    } else {
      this.pending++;
    }
    this.low = (low & 0x00ffffff) * 256;
  }

  bit(models: BitModels, index: number, bit: number): void {
    const p = models.p[index];
    const bound = (this.range >>> 16) * p;
    if (bit === 0) {
      this.range = bound;
    } else {
      this.low += bound;
      this.range -= bound;
    }
    adapt(models, index, p, bit);
    while (this.range < TOP) {
      this.range *= 256;
      this.shift();
    }
  }

  /** `count` equally likely bits of `value`, highest first. */
  direct(value: number, count: number): void {
    for (let i = count - 1; i >= 0; i--) {
      const half = Math.floor(this.range / 2);
      if ((value >>> i) & 1) {
        this.low += half;
        this.range -= half;
      } else {
        this.range = half;
      }
      while (this.range < TOP) {
        this.range *= 256;
        this.shift();
      }
    }
  }

  /** A value of `bits` bits by a binary tree of adaptive models at `[base, base + 2^bits)`. */
  tree(models: BitModels, base: number, value: number, bits: number): void {
    let node = 1;
    for (let i = bits - 1; i >= 0; i--) {
      const bit = (value >>> i) & 1;
      this.bit(models, base + node, bit);
      node = node * 2 + bit;
    }
  }

  /** Ends the stream; up to {@link TRIM} zero bytes at its end are left out, which the decoder reads as zeros. */
  finish(): Uint8Array<ArrayBuffer> {
    this.low = roundest(this.low, this.range);
    for (let i = 0; i < 5; i++) this.shift();
    let end = this.at;
    while (end > this.floor && this.at - end < TRIM && this.out[end - 1] === 0) end--;
    return this.out.slice(0, end);
  }
}

export class RangeDecoder {
  private range = 0xffffffff;
  private code = 0;
  private at: number;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes;
    this.at = start;
    for (let i = 0; i < 4; i++) this.code = this.code * 256 + this.next();
  }

  private next(): number {
    const at = this.at++;
    return at < this.bytes.length ? this.bytes[at] : 0;
  }

  /** Bytes read past the end (zeros were returned). A whole stream overruns by at most {@link TRIM}. */
  get overrun(): number {
    return Math.max(0, this.at - this.bytes.length);
  }

  /**
   * Whether the stream ends here exactly as {@link RangeEncoder.finish} ends it, so that no other bytes mean the same:
   * all read, the final number the roundest one, and no zero left standing that could have been left out.
   */
  ended(start: number): boolean {
    const length = this.bytes.length;
    if (this.at < length) return false;
    let window = 0;
    for (let i = this.at - 4; i < this.at; i++) window = window * 256 + (i < length ? this.bytes[i] : 0);
    // The encoder's `low`, modulo 2^32: the window is low + code.
    const low = (window - this.code) >>> 0;
    if (roundest(low, this.range) % 2 ** 32 !== window) return false;
    return this.overrun === TRIM || length === start || this.bytes[length - 1] !== 0;
  }

  bit(models: BitModels, index: number): number {
    const p = models.p[index];
    const bound = (this.range >>> 16) * p;
    let bit: number;
    if (this.code < bound) {
      this.range = bound;
      bit = 0;
    } else {
      this.code -= bound;
      this.range -= bound;
      bit = 1;
    }
    adapt(models, index, p, bit);
    while (this.range < TOP) {
      this.range *= 256;
      this.code = this.code * 256 + this.next();
    }
    return bit;
  }

  direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      const half = Math.floor(this.range / 2);
      if (this.code >= half) {
        this.code -= half;
        this.range -= half;
        value = value * 2 + 1;
      } else {
        this.range = half;
        value *= 2;
      }
      while (this.range < TOP) {
        this.range *= 256;
        this.code = this.code * 256 + this.next();
      }
    }
    return value;
  }

  tree(models: BitModels, base: number, bits: number): number {
    let node = 1;
    for (let i = 0; i < bits; i++) node = node * 2 + this.bit(models, base + node);
    return node - 2 ** bits;
  }
}
