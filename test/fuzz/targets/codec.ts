/**
 * Hostile bytes for the submission decoder: mutated, truncated, spliced and random ones. Each must either decode to an
 * update that is well formed, or be refused with SubmissionError; anything else is a finding.
 */
import { parameterLayout } from '../../../src/model/layout.ts';
import { bytesEqual } from '../../../src/protocol/bytes.ts';
import type { SparseLoco } from '../../../src/protocol/manifest.ts';
import { CpuReplica } from '../../../src/sparseloco/cpu-replica.ts';
import { MAX_LEVEL } from '../../../src/sparseloco/levels.ts';
import {
  randomDelta,
  randomSource,
  smallConfig,
  testHeader,
  testSettings,
} from '../../../src/sparseloco/testing.ts';
import { SubmissionError } from '../../../src/sparseloco/types.ts';
import { chunkPlaces, type SparseUpdate } from '../../../src/sparseloco/update.ts';
import {
  decodeSubmission,
  encodeSubmission,
  HEADER_BYTES,
  maxEntries,
} from '../../../src/sparseloco/wire.ts';
import type { FuzzReport } from '../report.ts';

/** Eight tiles and three vectors: small, so that a million inputs take minutes. */
const layout = parameterLayout({ ...smallConfig, vocabSize: 64, intermediateSize: 64, layers: 1 });

/** What every decoded update must be, whatever the bytes were. Returns the first thing wrong, or null. */
function malformed({ starts, entries, tables }: SparseUpdate, settings: SparseLoco): string | null {
  if (starts.length !== layout.chunks + 1 || starts[0] !== 0) return 'starts';
  if (entries.length !== starts[layout.chunks] || entries.length > maxEntries(layout, settings))
    return 'entries';
  for (const level of tables) if (Math.abs(level) > MAX_LEVEL) return `level ${level}`;
  const places = chunkPlaces(layout);
  for (let c = 0; c < layout.chunks; c++) {
    const from = starts[c];
    const to = starts[c + 1];
    if (to < from) return `chunk ${c} is negative`;
    if (c < layout.matrixChunks && to - from > settings.topK) return `chunk ${c} has ${to - from} entries`;
    let last = -1;
    for (let i = from; i < to; i++) {
      const p = entries[i] & 0xfff;
      if (p <= last || p >= (places[c]?.length ?? 0)) return `position ${p} in chunk ${c}`;
      if (entries[i] >> 14 !== 0) return `entry ${entries[i]}`;
      last = p;
    }
  }
  return null;
}

async function seeds(): Promise<{ bytes: Uint8Array; settings: SparseLoco }[]> {
  const cases: Partial<SparseLoco>[] = [
    { quantiser: 'sign1' },
    { quantiser: 'sign2', topK: 8 },
    { quantiser: 'tensor4', topK: 512 },
  ];
  return Promise.all(
    cases.map(async (change, i) => {
      const settings = testSettings(change);
      const peer = new CpuReplica(layout, settings);
      return { settings, bytes: (await peer.compress(randomDelta(layout, i), testHeader())).bytes };
    }),
  );
}

/** One hostile input. */
function mutate(bytes: Uint8Array, other: Uint8Array, random: () => number): Uint8Array {
  const below = (n: number) => Math.floor(random() * n);
  const out = bytes.slice();
  switch (below(6)) {
    case 0: // flip up to eight bits
      for (let i = below(8); i >= 0; i--) {
        const at = below(out.length);
        out[at] = out[at] ^ (1 << below(8));
      }
      return out;
    case 1: // cut short
      return out.subarray(0, below(out.length));
    case 2: {
      // append
      const more = Uint8Array.from({ length: 1 + below(64) }, () => below(256));
      return Uint8Array.from([...out, ...more]);
    }
    case 3: // a valid header, then noise
      for (let i = HEADER_BYTES; i < out.length; i++) out[i] = below(256);
      return out.subarray(0, HEADER_BYTES + below(out.length - HEADER_BYTES));
    case 4: {
      // splice two submissions, perhaps of different quantisers
      const cut = below(Math.min(out.length, other.length));
      out.set(other.subarray(cut, out.length), cut);
      return out;
    }
    default: {
      // nothing, all zeros or all ones: the streams that an adaptive decoder finds most plausible
      const fill = [0, 255, below(256)][below(3)];
      out.fill(fill, random() < 0.5 ? HEADER_BYTES : 0);
      return out.subarray(0, below(out.length + 1));
    }
  }
}

export async function fuzz(runs: number, seed: number): Promise<FuzzReport> {
  const corpus = await seeds();
  const random = randomSource(seed);
  const findings: string[] = [];
  let refused = 0;
  let decoded = 0;
  let slowestMs = 0;
  for (let run = 0; run < runs; run++) {
    const { bytes, settings } = corpus[run % corpus.length];
    const other = corpus[(run + 1) % corpus.length].bytes;
    const input = mutate(bytes, other, random);
    const begin = performance.now();
    try {
      const { header, update } = decodeSubmission(input, layout, settings);
      let wrong = malformed(update, settings);
      // One content has one encoding, so nobody can vary the bytes of another's work.
      if (wrong === null && !bytesEqual(encodeSubmission(update, header, layout, settings), input)) {
        wrong = 'decodes, but is not what encodes to the same';
      }
      if (wrong === null) decoded++;
      else findings.push(`run ${run}: ${wrong}`);
    } catch (error) {
      if (error instanceof SubmissionError) refused++;
      else findings.push(`run ${run}: ${String(error)}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - begin);
  }
  return {
    figures: [
      { name: 'refused', value: refused, unit: 'inputs' },
      // A flipped bit late in the stream changes signs, not the form.
      { name: 'decoded', value: decoded, unit: 'inputs' },
      { name: 'slowest', value: slowestMs, unit: 'ms' },
    ],
    findings,
  };
}
