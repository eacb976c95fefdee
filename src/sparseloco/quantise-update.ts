/**
 * From kept values to an update: gives each entry its code and each chunk or tensor its table. Shared by the CPU and
 * the GPU path, which differ only in how positions and values were selected.
 */
import type { ParameterLayout } from '../model/layout.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { quantiserOf } from './quantisers.ts';
import { CODES, type SparseUpdate } from './update.ts';

/** Positions and values kept, before quantisation. `entries` holds bare positions. */
export interface Selection {
  readonly starts: Uint32Array;
  readonly entries: Uint16Array;
  /** f32 value of each entry. */
  readonly values: Float32Array;
}

/**
 * Quantises in place: `selection.entries` become the update's. Chunks before `firstChunk` are left as they are: the
 * GPU has put codes into their entries already.
 */
export function quantiseUpdate(
  selection: Selection,
  layout: ParameterLayout,
  settings: SparseLoco,
  firstChunk = 0,
): SparseUpdate {
  const { starts, entries, values } = selection;
  const quantiser = quantiserOf(settings);
  const codes = new Uint8Array(entries.length);
  const tables = new Int16Array(layout.chunks * CODES);
  const table = new Int16Array(CODES);
  for (const tensor of layout.tensors) {
    if (tensor.firstChunk < firstChunk) continue;
    const end = tensor.firstChunk + tensor.chunks;
    const step = quantiser.scope === 'tensor' ? tensor.chunks : 1;
    for (let c = tensor.firstChunk; c < end; c += step) {
      quantiser.quantise(values, starts[c], starts[c + step], codes, table);
      for (let i = c; i < c + step; i++) tables.set(table, i * CODES);
    }
  }
  for (let i = starts[firstChunk]; i < entries.length; i++) {
    entries[i] = entries[i] | (codes[i] << 12);
  }
  return { starts, entries, tables };
}
