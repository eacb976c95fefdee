/**
 * `npm run bench -- codec [--json] [--record]`: size and speed of the wire format on pseudo-gradients recorded from
 * training (bench/codec/recorded), for each quantiser, beside flat 12 + 2 bits and general compressors of them.
 *
 * bits_per_code is all that is not positions: signs, magnitudes, counts and vectors, by kept value.
 * Everything a contributor sends counts: the submission's header and, in its commit, 64 bytes of signature and 32 of
 * key. Speed is one core's, in parameters of the model per second.
 */
import { parseArgs } from 'node:util';
import { brotliCompressSync, zstdCompressSync } from 'node:zlib';
import { type ParameterLayout, parameterLayout, TILE } from '../src/model/layout.ts';
import { preset } from '../src/model/presets.ts';
import type { SparseLoco } from '../src/protocol/manifest.ts';
import { PositionModel } from '../src/sparseloco/position-model.ts';
import { quantiserOf } from '../src/sparseloco/quantisers.ts';
import { quantiseUpdate } from '../src/sparseloco/quantise-update.ts';
import { RangeEncoder } from '../src/sparseloco/range-coder.ts';
import { testHeader, testSettings } from '../src/sparseloco/testing.ts';
import type { SparseUpdate } from '../src/sparseloco/update.ts';
import { decodeSubmission, encodeSubmission, HEADER_BYTES } from '../src/sparseloco/wire.ts';
import { type Recorded, readRecorded } from './codec/recorded.ts';

/** Ed25519 signature and public key of the commit. */
const ENVELOPE_BYTES = 64 + 32;
const QUANTISERS = ['sign1', 'sign2', 'tensor4'] as const;
const MEASURE_MS = 400;

const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, record: { type: 'boolean', default: false } },
});

function report(name: string, value: number, unit: string, more: Record<string, string | number> = {}): void {
  if (options.json) console.log(JSON.stringify({ name, value, unit, ...more }));
  else console.log(`${name.padEnd(44)} ${value.toPrecision(6).padStart(12)} ${unit}`);
}

/** Positions in 12 bits and codes in `bits`, packed without any model; one byte of level per magnitude and chunk. */
function flat(update: SparseUpdate, chunks: number, bits: number): Uint8Array {
  const width = 12 + bits;
  const out = new Uint8Array(Math.ceil((update.entries.length * width) / 8) + (bits === 2 ? 2 : 1) * chunks);
  update.entries.forEach((entry, i) => {
    const word = (entry & 0xfff) | ((entry >> 12) << 12);
    for (let b = 0; b < width; b++) {
      const at = i * width + b;
      if ((word >> b) & 1) out[at >> 3] = out[at >> 3] | (1 << (at & 7));
    }
  });
  return out;
}

/** Positions as bytes of gaps and codes apart: the layout that a general compressor does best on. */
function planes(update: SparseUpdate): Uint8Array {
  const n = update.entries.length;
  const out = new Uint8Array(3 * n);
  for (let c = 0, previous = -1; c + 1 < update.starts.length; c++, previous = -1) {
    for (let i = update.starts[c]; i < update.starts[c + 1]; i++) {
      const position = update.entries[i] & 0xfff;
      out[i] = (position - previous) & 0xff;
      out[n + i] = (position - previous) >> 8;
      out[2 * n + i] = update.entries[i] >> 12;
      previous = position;
    }
  }
  return out;
}

/** Calls per second of this thread's CPU time, so that other processes count less; the best of three slices. */
function rate(run: () => void): number {
  run();
  const spent = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let best = 0;
  for (let slice = 0; slice < 3; slice++) {
    const begin = spent();
    let calls = 0;
    do {
      run();
      calls++;
    } while (spent() - begin < MEASURE_MS / 3);
    best = Math.max(best, (1000 * calls) / (spent() - begin));
  }
  return best;
}

/** Bits of all tiles' positions alone. */
function positionCost(update: SparseUpdate, layout: ParameterLayout): number {
  const coder = new RangeEncoder(new Uint8Array(), update.entries.length * 2);
  const model = new PositionModel();
  for (const { shape, firstChunk, chunks } of layout.tensors) {
    if (shape.length === 1) continue;
    model.startTensor(...shape);
    const across = shape[1] / TILE;
    for (let i = 0; i < chunks; i++) {
      const [from, to] = [update.starts[firstChunk + i], update.starts[firstChunk + i + 1]];
      model.encode(coder, update.entries, from, to, Math.floor(i / across), i % across);
    }
  }
  return 8 * coder.finish().byteLength;
}

function measure({ header, selection }: Recorded, quantiser: SparseLoco['quantiser']): number {
  const layout = parameterLayout(header.config);
  const settings = testSettings({ quantiser, topK: header.topK });
  const copy = { ...selection, entries: selection.entries.slice() };
  const update = quantiseUpdate(copy, layout, settings);
  const tag = testHeader(header.round);
  const bytes = encodeSubmission(update, tag, layout, settings);
  const total = bytes.byteLength + ENVELOPE_BYTES;
  const n = layout.elements;
  const more = { recorded: header.name, quantiser, parameters: n, round: header.round };
  const at = `${header.name}.${quantiser}`;
  const ratio = (4 * n) / total;
  report(`codec.${at}.bytes_per_parameter`, total / n, 'B', more);
  report(`codec.${at}.ratio_fp32`, ratio, 'x', more);
  const encode = rate(() => encodeSubmission(update, tag, layout, settings));
  const decode = rate(() => decodeSubmission(bytes, layout, settings, tag));
  report(`codec.${at}.encode`, (4 * n * encode) / 1e6, 'MB/s', {
    ...more,
    mparameters_s: (n * encode) / 1e6,
  });
  report(`codec.${at}.decode`, (4 * n * decode) / 1e6, 'MB/s', {
    ...more,
    mparameters_s: (n * decode) / 1e6,
  });

  const matrixEntries = update.starts[layout.matrixChunks];
  const positionBits = positionCost(update, layout);
  report(`codec.${at}.bits_per_position`, positionBits / matrixEntries, 'bit', more);
  const rest = 8 * (bytes.byteLength - HEADER_BYTES) - positionBits;
  report(`codec.${at}.bits_per_code`, rest / update.entries.length, 'bit', more);

  const raw = flat(update, layout.chunks, quantiserOf(settings).bits);
  const packed = planes(update);
  const size = (name: string, data: Uint8Array) =>
    report(`codec.${at}.${name}`, (4 * n) / (data.byteLength + HEADER_BYTES + ENVELOPE_BYTES), 'x', more);
  size('flat_ratio', raw);
  size('flat_zstd_ratio', zstdCompressSync(raw));
  size('flat_brotli_ratio', brotliCompressSync(raw));
  size('planes_zstd_ratio', zstdCompressSync(packed));
  size('planes_brotli_ratio', brotliCompressSync(packed));
  return ratio;
}

if (options.record) {
  await (await import('./codec/record.ts')).record();
} else {
  const recorded = readRecorded();
  const ratios = new Map<string, number>();
  for (const quantiser of QUANTISERS) {
    for (const one of recorded) {
      const ratio = measure(one, quantiser);
      // The target is for models from a million parameters up.
      if (parameterLayout(one.header.config).elements < 1e6) continue;
      ratios.set(quantiser, Math.min(ratio, ratios.get(quantiser) ?? Number.POSITIVE_INFINITY));
    }
  }
  for (const [quantiser, ratio] of ratios) {
    report(`codec.${quantiser}.ratio_fp32`, ratio, 'x', {
      quantiser,
      recorded: 'worst from 1 M parameters up',
    });
  }
  const chosen = preset('1m').sparseloco.quantiser;
  report('codec.ratio_fp32', ratios.get(chosen) ?? Number.NaN, 'x', { quantiser: chosen });
}
process.exit(0);
