/**
 * Entropy model of the kept positions of a tile: how many in each row, then which columns. docs/wire.md specifies it.
 */
import { BitModels, type RangeDecoder, type RangeEncoder } from './range-coder.ts';

/** Adaptive models shared by all tiles of a submission. Encoder and decoder build the same one. */
export class PositionModel {
  private readonly lengths = new BitModels(16);
  /** Two highest bits below the leading one, by length of the gap. */
  private readonly high = new BitModels(16 * 4);

  /** `entries[from, to)` in ascending order of position; the count is already coded. */
  encode(coder: RangeEncoder, entries: Uint16Array, from: number, to: number): void {
    let previous = -1;
    for (let i = from; i < to; i++) {
      const position = (entries[i] as number) & 0xfff;
      const gap = position - previous; // 1..4096
      const length = 31 - Math.clz32(gap);
      coder.tree(this.lengths, 0, length, 4);
      const rest = gap - (1 << length);
      const top = Math.min(2, length);
      if (top > 0) coder.tree(this.high, length * 4, rest >>> (length - top), top);
      if (length > top) coder.direct(rest & ((1 << (length - top)) - 1), length - top);
      previous = position;
    }
  }

  /** Reads `count` positions into `entries` from `at`. False when they would leave the tile. */
  decode(coder: RangeDecoder, entries: Uint16Array, at: number, count: number): boolean {
    let previous = -1;
    for (let i = at; i < at + count; i++) {
      const length = coder.tree(this.lengths, 0, 4);
      if (length > 12) return false;
      const top = Math.min(2, length);
      let rest = top > 0 ? coder.tree(this.high, length * 4, top) : 0;
      if (length > top) rest = rest * 2 ** (length - top) + coder.direct(length - top);
      previous += (1 << length) + rest;
      if (previous > 0xfff) return false;
      entries[i] = previous;
    }
    return true;
  }
}
