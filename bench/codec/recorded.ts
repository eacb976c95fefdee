/**
 * Recorded pseudo-gradients: what training at early, middle and late rounds would send, before quantisation. Only the
 * kept positions and their values (bf16) are stored, so a file is small enough for the repository.
 *
 * File: u32 length of a JSON header, the header, u32 starts, u16 positions, u16 values; all little-endian, brotli.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import type { ModelConfig } from '../../src/model/config.ts';
import { parameterLayout } from '../../src/model/layout.ts';
import type { Selection } from '../../src/sparseloco/quantise-update.ts';

export interface RecordedHeader {
  /** e.g. "1m-early". */
  readonly name: string;
  readonly config: ModelConfig;
  readonly topK: number;
  readonly round: number;
  readonly innerSteps: number;
  /** Adapter it was trained on. */
  readonly adapter: string;
}

export interface Recorded {
  readonly header: RecordedHeader;
  readonly selection: Selection;
}

const FOLDER = join(import.meta.dirname, 'recorded');

export function writeRecorded({ header, selection }: Recorded): number {
  const json = Buffer.from(JSON.stringify(header).padEnd(Math.ceil(JSON.stringify(header).length / 4) * 4));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const bits = new Uint32Array(selection.values.slice().buffer);
  const halves = Uint16Array.from(bits, (b) => (b + 0x8000) >>> 16);
  const bytes = (a: Uint32Array | Uint16Array) => Buffer.from(a.buffer, a.byteOffset, a.byteLength);
  const whole = Buffer.concat([
    length,
    json,
    bytes(selection.starts),
    bytes(selection.entries.map((e) => e & 0xfff)),
    bytes(halves),
  ]);
  const packed = brotliCompressSync(whole);
  writeFileSync(join(FOLDER, `${header.name}.br`), packed);
  return packed.length;
}

export function readRecorded(): Recorded[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.br'))
    .sort()
    .map((file) => {
      const whole = new Uint8Array(brotliDecompressSync(readFileSync(join(FOLDER, file)))).slice();
      const jsonLength = new DataView(whole.buffer).getUint32(0, true);
      const header = JSON.parse(Buffer.from(whole.subarray(4, 4 + jsonLength)).toString()) as RecordedHeader;
      const { chunks } = parameterLayout(header.config);
      let at = 4 + jsonLength;
      const starts = new Uint32Array(whole.buffer, at, chunks + 1);
      at += starts.byteLength;
      const count = starts[chunks];
      const entries = new Uint16Array(whole.buffer, at, count);
      const halves = new Uint16Array(whole.buffer, at + 2 * count, count);
      const values = new Float32Array(Uint32Array.from(halves, (h) => h << 16).buffer);
      return { header, selection: { starts, entries, values } };
    });
}
