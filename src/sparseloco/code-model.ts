/**
 * Entropy model of codes: the sign of a kept value and, with two-bit quantisers, its magnitude. docs/wire.md
 * specifies it.
 *
 * A matrix's gradient is a sum of (output error) x (input): inputs that always have the same sign, and embeddings
 * moved by one common direction, make a column keep its sign from tile to tile. So each column remembers its recent
 * signs, and the strength of that memory chooses the adaptive bit that says "as remembered" or not.
 */
import { BitModels, type RangeDecoder, type RangeEncoder } from './range-coder.ts';

/** Memory of one sign, and what a step keeps of the memory before, in 2^-4. */
const UNIT = 16;
const KEEP = 13;
/** Strengths told apart. */
const STRENGTHS = 6;

const strengthOf = (memory: number): number => Math.min(STRENGTHS - 1, (Math.abs(memory) * 3) >> 5);

export class CodeModel {
  private readonly bits: 1 | 2;
  private readonly signed: boolean;
  private memory = new Int32Array(0);
  private readonly signs = new BitModels(STRENGTHS);
  private readonly large = new BitModels(1);
  /** Codes of a tensor-wide table by strength and direction of the memory: 11 trees of 4. */
  private readonly trees = new BitModels((2 * STRENGTHS - 1) * 4);

  /** `signed`: bit 0 of a code is the sign and bit 1 the magnitude; otherwise codes stand for any four values. */
  constructor(bits: 1 | 2, signed: boolean) {
    this.bits = bits;
    this.signed = signed;
  }

  /** A matrix with so many columns begins, or a vector: then every column is new. */
  startTensor(columns: number): void {
    this.memory = new Int32Array(columns);
  }

  private remember(column: number, negative: number): void {
    const before = this.memory[column];
    this.memory[column] = ((before * KEEP) >> 4) + (negative === 1 ? -UNIT : UNIT);
  }

  /** Codes `entries[from, to)` of a chunk whose column 0 is the tensor's `column`. `table`: the chunk's levels. */
  encode(
    coder: RangeEncoder,
    entries: Uint16Array,
    from: number,
    to: number,
    column: number,
    mask: number,
    table: Int16Array,
  ): void {
    for (let i = from; i < to; i++) {
      const entry = entries[i];
      const at = column + (entry & mask);
      const code = entry >> 12;
      const memory = this.memory[at];
      const strength = strengthOf(memory);
      if (this.signed) {
        const guess = memory < 0 ? 1 : 0;
        coder.bit(this.signs, strength, (code & 1) ^ guess);
        if (this.bits === 2) coder.bit(this.large, 0, code >> 1);
        this.remember(at, code & 1);
      } else {
        const tree = memory < 0 ? STRENGTHS - 1 + strength : strength;
        coder.tree(this.trees, tree * 4, code, 2);
        this.remember(at, table[code] < 0 ? 1 : 0);
      }
    }
  }

  /** Adds codes to `entries[from, to)`, which hold positions. */
  decode(
    coder: RangeDecoder,
    entries: Uint16Array,
    from: number,
    to: number,
    column: number,
    mask: number,
    table: Int16Array,
  ): void {
    for (let i = from; i < to; i++) {
      const position = entries[i];
      const at = column + (position & mask);
      const memory = this.memory[at];
      const strength = strengthOf(memory);
      let code: number;
      if (this.signed) {
        const guess = memory < 0 ? 1 : 0;
        code = coder.bit(this.signs, strength) ^ guess;
        this.remember(at, code);
        if (this.bits === 2) code |= coder.bit(this.large, 0) << 1;
      } else {
        const tree = memory < 0 ? STRENGTHS - 1 + strength : strength;
        code = coder.tree(this.trees, tree * 4, 2);
        this.remember(at, table[code] < 0 ? 1 : 0);
      }
      entries[i] = position | (code << 12);
    }
  }
}
