/**
 * Entropy model of the kept positions of a tile: how many in each row, then which columns. docs/wire.md specifies it.
 *
 * A pseudo-gradient is a sum of outer products (output error x input), so large values share rows and columns, within
 * a tile and with the tiles beside and above it. Each row and column carries a weight: what it has kept so far, old
 * tiles counting less. A row's expected count and a column's chance follow from the weights; they choose which
 * adaptive bit codes the truth, so that the weights need only rank well: the bits learn how much they say.
 *
 * Weights are integers, and the one division is of integers below 2^53, so that all machines choose alike.
 */
import { BitModels, type RangeDecoder, type RangeEncoder } from './range-coder.ts';

const SIDE = 64;
/** Weight of one kept value. */
const UNIT = 256;
/** Weight that a row or column has before anything is known. */
const PRIOR = 400;
/** A tile's weights are this share of themselves, in 2^-8, when the next tile is counted. */
const ROW_KEEP = 208;
const COLUMN_KEEP = 208;
/** Weight of a value in the very tile, for the columns of the rows below it. */
const HERE = 256;
/** Buckets per factor of two: 4; chances are in units of 2^-16, expected counts in 2^-10. */
const BUCKETS = 60;
/** Adaptive bits per bucket of a row's expected count: "more than 0", "more than 1", ... */
const UNARY = 16;

/** Four buckets an octave. */
function bucketOf(x: number): number {
  if (x < 4) return x;
  const log = 31 - Math.clz32(x);
  return 4 * (log - 1) + ((x >>> (log - 2)) & 3);
}

/** Smallest number in a bucket. */
function bucketStart(bucket: number): number {
  if (bucket < 4) return bucket;
  const log = (bucket >> 2) + 1;
  return (4 + (bucket & 3)) * 2 ** (log - 2);
}

export class PositionModel {
  private readonly counts = new BitModels(BUCKETS * UNARY);
  private readonly cells = new BitModels(BUCKETS);
  /** Weights of the current tensor's rows and columns. */
  private rows = new Uint32Array(0);
  private columns = new Uint32Array(0);
  /** Weights of the last tensor with as many rows, and with as many columns: layers resemble each other. */
  private readonly rowsBySize = new Map<number, Uint32Array>();
  private readonly columnsBySize = new Map<number, Uint32Array>();
  /** Counts of the tile being coded. */
  private readonly here = new Uint32Array(SIDE);
  private readonly rowCounts = new Uint32Array(SIDE);
  private readonly bits = new Uint8Array(SIDE);

  constructor() {
    const centre = (bucket: number) => (bucketStart(bucket) + bucketStart(bucket + 1)) / 2;
    for (let b = 0; b < BUCKETS; b++) {
      this.cells.start(b, 65536 - centre(b), 4);
      // Chance of no more after j, as if counts were geometric with the expected mean.
      const mean = centre(b) / 1024;
      for (let j = 0; j < UNARY; j++) this.counts.start(b * UNARY + j, 65536 / (1 + mean / (1 + j)), 1);
    }
  }

  /** A matrix of `rows` x `columns` scalars begins. */
  startTensor(rows: number, columns: number): void {
    this.rows = weightsOf(this.rowsBySize, rows);
    this.columns = weightsOf(this.columnsBySize, columns);
  }

  /** Codes `entries[from, to)` (ascending) of the tile at tile row `y`, tile column `x`; the count is already coded. */
  encode(coder: RangeEncoder, entries: Uint16Array, from: number, to: number, y: number, x: number): void {
    const { here, rowCounts, bits, columns, rows } = this;
    here.fill(0);
    rowCounts.fill(0);
    for (let i = from; i < to; i++) {
      const r = (entries[i] & 0xfff) >> 6;
      rowCounts[r] = rowCounts[r] + 1;
    }
    let left = to - from;
    let rowWeight = SIDE * PRIOR;
    for (let r = 0; r < SIDE; r++) rowWeight += rows[y * SIDE + r];
    let columnWeight = SIDE * PRIOR;
    for (let c = 0; c < SIDE; c++) columnWeight += columns[x * SIDE + c];
    let at = from;
    for (let r = 0; r < SIDE && left > 0; r++) {
      const count = rowCounts[r];
      const weight = rows[y * SIDE + r] + PRIOR;
      if (r < SIDE - 1) this.encodeCount(coder, count, left, weight, rowWeight);
      rowWeight -= weight;
      left -= count;
      if (count === 0) continue;
      bits.fill(0);
      for (let i = at; i < at + count; i++) bits[entries[i] & 63] = 1;
      at += count;
      let toGo = count;
      let ahead = columnWeight;
      for (let c = 0; toGo > 0; c++) {
        // As many to go as columns left: they are all set.
        if (toGo === SIDE - c) break;
        const w = columns[x * SIDE + c] + PRIOR + HERE * here[c];
        const bit = bits[c];
        coder.bit(this.cells, bucketOf(chance(toGo, w, ahead)), bit);
        ahead -= w;
        toGo -= bit;
      }
      for (let c = 0; c < SIDE; c++) here[c] = here[c] + bits[c];
      columnWeight += HERE * count;
    }
    this.learn(y, x);
  }

  /**
   * Reads `count` positions, distinct and ascending, into `entries` from `at`. False when the last row would have to
   * hold more than a row has.
   */
  decode(
    coder: RangeDecoder,
    entries: Uint16Array,
    at: number,
    count: number,
    y: number,
    x: number,
  ): boolean {
    const { here, rowCounts, columns, rows } = this;
    here.fill(0);
    rowCounts.fill(0);
    let left = count;
    let rowWeight = SIDE * PRIOR;
    for (let r = 0; r < SIDE; r++) rowWeight += rows[y * SIDE + r];
    let columnWeight = SIDE * PRIOR;
    for (let c = 0; c < SIDE; c++) columnWeight += columns[x * SIDE + c];
    let out = at;
    for (let r = 0; r < SIDE && left > 0; r++) {
      const weight = rows[y * SIDE + r] + PRIOR;
      const n = r < SIDE - 1 ? this.decodeCount(coder, left, weight, rowWeight) : Math.min(left, SIDE);
      rowWeight -= weight;
      left -= n;
      rowCounts[r] = n;
      let toGo = n;
      let ahead = columnWeight;
      for (let c = 0; toGo > 0; c++) {
        let bit = 1;
        if (toGo < SIDE - c) {
          const w = columns[x * SIDE + c] + PRIOR + HERE * here[c];
          bit = coder.bit(this.cells, bucketOf(chance(toGo, w, ahead)));
          ahead -= w;
        }
        if (bit === 1) {
          entries[out++] = r * SIDE + c;
          toGo--;
          here[c] = here[c] + 1;
        }
      }
      columnWeight += HERE * n;
    }
    this.learn(y, x);
    return left === 0;
  }

  private encodeCount(coder: RangeEncoder, n: number, left: number, weight: number, total: number): void {
    const base = expected(left, weight, total) * UNARY;
    const most = Math.min(left, SIDE);
    for (let j = 0; j < most; j++) {
      const more = j < n ? 1 : 0;
      coder.bit(this.counts, base + Math.min(j, UNARY - 1), more);
      if (more === 0) return;
    }
  }

  private decodeCount(coder: RangeDecoder, left: number, weight: number, total: number): number {
    const base = expected(left, weight, total) * UNARY;
    const most = Math.min(left, SIDE);
    let n = 0;
    while (n < most && coder.bit(this.counts, base + Math.min(n, UNARY - 1)) === 1) n++;
    return n;
  }

  /** Takes the tile just coded into the weights. */
  private learn(y: number, x: number): void {
    const { rows, columns, here, rowCounts } = this;
    for (let i = 0; i < SIDE; i++) {
      const r = y * SIDE + i;
      rows[r] = ((rows[r] * ROW_KEEP) >>> 8) + UNIT * rowCounts[i];
      const c = x * SIDE + i;
      columns[c] = ((columns[c] * COLUMN_KEEP) >>> 8) + UNIT * here[i];
    }
  }
}

/** Chance in 2^-16 that a column of weight `w` is next among `ahead`, with `toGo` to come. */
function chance(toGo: number, w: number, ahead: number): number {
  return Math.min(65535, Math.floor((toGo * w * 65536) / ahead));
}

/** Bucket of a row's expected count. */
function expected(left: number, weight: number, total: number): number {
  return bucketOf(Math.min(65535, Math.floor((left * weight * 1024) / total)));
}

/** The weights of the last tensor of this size, an eighth of them; zeros for the first. */
function weightsOf(bySize: Map<number, Uint32Array>, size: number): Uint32Array<ArrayBuffer> {
  const last = bySize.get(size);
  const weights = new Uint32Array(size);
  if (last !== undefined) for (let i = 0; i < size; i++) weights[i] = last[i] >>> 3;
  bySize.set(size, weights);
  return weights;
}
