/** What attackers do to updates: copy, disturb, permute, flip, scale, make up. Pure functions of their inputs. */
import { CHUNK, type ParameterLayout } from '../src/model/layout.ts';
import { signedLevelOf, signedLevelValue } from '../src/sparseloco/levels.ts';
import { CODES, type SparseUpdate } from '../src/sparseloco/update.ts';

export type RandomSource = () => number;

/** `entries` as `[position, code]` lists, chunk by chunk. */
type Chunks = { position: number; code: number }[][];

const chunksOf = ({ starts, entries }: SparseUpdate): Chunks =>
  Array.from({ length: starts.length - 1 }, (_, c) =>
    [...entries.subarray(starts[c], starts[c + 1])].map((entry) => ({
      position: entry & 0xfff,
      code: entry >> 12,
    })),
  );

/** Entries sorted and packed again; `tables` as given. */
function pack(chunks: Chunks, tables: Int16Array): SparseUpdate {
  const starts = new Uint32Array(chunks.length + 1);
  const entries: number[] = [];
  chunks.forEach((chunk, c) => {
    for (const { position, code } of [...chunk].sort((a, b) => a.position - b.position))
      entries.push(position | (code << 12));
    starts[c + 1] = entries.length;
  });
  return { starts, entries: Uint16Array.from(entries), tables: tables.slice() };
}

/** All values times `factor`, which must be positive: a code's sign is part of the wire format. */
export function scaled(update: SparseUpdate, factor: number): SparseUpdate {
  const tables = update.tables.map((level) => signedLevelOf(signedLevelValue(level) * factor));
  return { ...update, tables };
}

/** Some signs flipped at random: a copy with noise on its values. */
export function withFlippedSigns(update: SparseUpdate, share: number, random: RandomSource): SparseUpdate {
  // Codes 2i and 2i + 1 are a magnitude and its negative (quantisers.ts).
  const flip = (code: number) => (random() < share ? code ^ 1 : code);
  const chunks = chunksOf(update).map((chunk) => chunk.map((e) => ({ ...e, code: flip(e.code) })));
  return pack(chunks, update.tables);
}

/** A share of the matrices' positions moved to random free ones: a copy with noise on its support. */
export function withMovedPositions(
  update: SparseUpdate,
  layout: ParameterLayout,
  share: number,
  random: RandomSource,
): SparseUpdate {
  const chunks = chunksOf(update).map((chunk, c) => {
    if (c >= layout.matrixChunks) return chunk;
    const taken = new Set(chunk.map((e) => e.position));
    return chunk.map((e) => {
      if (random() >= share) return e;
      let position = Math.floor(random() * CHUNK);
      while (taken.has(position)) position = Math.floor(random() * CHUNK);
      taken.add(position);
      return { ...e, position };
    });
  });
  return pack(chunks, update.tables);
}

/** All matrices' chunks moved on by a random number of places: none stays where it was. */
export function withPermutedChunks(
  update: SparseUpdate,
  layout: ParameterLayout,
  random: RandomSource,
): SparseUpdate {
  const chunks = chunksOf(update);
  const tables = update.tables.slice();
  const n = layout.matrixChunks;
  const by = 1 + Math.floor(random() * (n - 1));
  const moved = chunks.map((chunk, c) => {
    if (c >= n) return chunk;
    const from = (c + by) % n;
    tables.set(update.tables.subarray(from * CODES, (from + 1) * CODES), c * CODES);
    return chunks[from];
  });
  return pack(moved, tables);
}

/** The same counts, magnitudes and norms at random positions with random signs. */
export function randomised(
  update: SparseUpdate,
  layout: ParameterLayout,
  random: RandomSource,
): SparseUpdate {
  return withFlippedSigns(withMovedPositions(update, layout, 1, random), 0.5, random);
}

/** Each chunk from one of several updates, in turn. */
export function mosaic(updates: readonly SparseUpdate[]): SparseUpdate {
  const lists = updates.map(chunksOf);
  const tables = updates[0].tables.slice();
  const chunks = lists[0].map((_, c) => {
    const from = c % updates.length;
    tables.set(updates[from].tables.subarray(c * CODES, (c + 1) * CODES), c * CODES);
    return lists[from][c];
  });
  return pack(chunks, tables);
}
