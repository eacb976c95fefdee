/** The reader takes what the format allows and refuses every broken header with a SafetensorsError. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  readSafetensors,
  SafetensorsError,
  type SafetensorsTensor,
  writeSafetensors,
} from './safetensors.ts';

const f32 = (shape: number[], ...values: number[]): SafetensorsTensor => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from(values),
});
const i32 = (shape: number[], ...values: number[]): SafetensorsTensor => ({
  dtype: 'I32',
  shape,
  data: Int32Array.from(values),
});

/** A file with this header text and this many data bytes. */
function file(header: string, dataBytes = 0, claimed?: number): Uint8Array {
  const json = new TextEncoder().encode(header);
  const out = new Uint8Array(8 + json.length + dataBytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(claimed ?? json.length), true);
  out.set(json, 8);
  return out;
}
const entry = (shape: number[], begin: number, end: number, dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('safetensors', () => {
  test('bytes of the published format, written by hand', () => {
    // The example of the format's own documentation: one tensor, offsets relative to the data's start.
    const bytes = file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":"v"}} ', 8);
    const data = new DataView(bytes.buffer, bytes.length - 8);
    data.setFloat32(0, 1.5, true);
    data.setFloat32(4, -2, true);
    const read = readSafetensors(bytes);
    expect([...read.tensors.get('a')!.data]).toEqual([1.5, -2]);
    expect(read.metadata.get('k')).toBe('v');
  });

  test('what is written is read back, whatever the names, shapes and order', () => {
    const tensor = fc
      .tuple(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }), fc.boolean(), fc.integer())
      .map(([shape, float, seed]): SafetensorsTensor => {
        const size = shape.reduce((a, b) => a * b, 1);
        const values = Array.from({ length: size }, (_, i) => (seed ^ (i * 2654435761)) | 0);
        return float ? f32(shape, ...values) : i32(shape, ...values);
      });
    const names = fc.string().filter((name) => name !== '__metadata__');
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(names, tensor), { selector: ([name]) => name, maxLength: 6 }),
        fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
        (tensors, metadata) => {
          const read = readSafetensors(writeSafetensors(tensors, Object.entries(metadata)));
          expect(new Map(read.metadata)).toEqual(new Map(Object.entries(metadata)));
          expect(read.tensors.size).toBe(tensors.length);
          for (const [name, expected] of tensors) {
            const got = read.tensors.get(name)!;
            expect(got.dtype).toBe(expected.dtype);
            expect([...got.shape]).toEqual([...expected.shape]);
            expect([...got.data]).toEqual([...expected.data]);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('the view need not start where its buffer does', () => {
    const bytes = writeSafetensors([['x', i32([3], 7, -8, 9)]]);
    const padded = new Uint8Array(bytes.length + 5);
    padded.set(bytes, 3);
    expect([...readSafetensors(padded.subarray(3, 3 + bytes.length)).tensors.get('x')!.data]).toEqual([
      7, -8, 9,
    ]);
    const buffer = Buffer.from(padded.buffer).subarray(3, 3 + bytes.length);
    expect([...readSafetensors(buffer).tensors.get('x')!.data]).toEqual([7, -8, 9]);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['empty', new Uint8Array(0), /too few/],
    ['header past the end', file('{}', 0, 3), /claims 3 bytes/],
    ['header of 2^63 bytes', file('{}', 0, 2 ** 62), /claims/],
    ['not JSON', file('{"a"'), /not JSON/],
    ['not UTF-8', Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0xff), /not JSON/],
    ['a list', file('[]'), /not a JSON object/],
    ['entry is a number', file('{"a":1}'), /not an object/],
    ['unknown dtype', file(JSON.stringify({ a: entry([1], 0, 2, 'BF16') }), 2), /BF16/],
    ['negative dimension', file(JSON.stringify({ a: entry([-1], 0, 4) }), 4), /shape/],
    ['fractional dimension', file(JSON.stringify({ a: entry([0.5], 0, 2) }), 2), /shape/],
    ['bytes and shape disagree', file(JSON.stringify({ a: entry([2], 0, 4) }), 4), /needs 8 bytes/],
    ['offsets reversed', file(JSON.stringify({ a: entry([1], 4, 0) }), 4), /do not lie/],
    ['offsets past the data', file(JSON.stringify({ a: entry([2], 0, 8) }), 4), /do not lie/],
    ['gap', file(JSON.stringify({ a: entry([1], 4, 8) }), 8), /gap/],
    ['overlap', file(JSON.stringify({ a: entry([2], 0, 8), b: entry([1], 4, 8) }), 8), /overlaps/],
    ['bytes left over', file(JSON.stringify({ a: entry([1], 0, 4) }), 8), /cover 4 of 8/],
    ['metadata not strings', file('{"__metadata__":{"a":1}}'), /metadata/],
    [
      'product of dimensions overflows',
      file(JSON.stringify({ a: entry([2 ** 40, 2 ** 40], 0, 4) }), 4),
      /needs/,
    ],
  ])('refuses: %s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes)).toThrow(SafetensorsError);
    expect(() => readSafetensors(bytes)).toThrow(message);
  });

  test('random damage either reads or throws a SafetensorsError, nothing else', () => {
    const good = writeSafetensors(
      [
        ['w', f32([2, 2], 1, 2, 3, 4)],
        ['t', i32([1], 5)],
      ],
      [['config', '{}']],
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(good.length),
        (hits, cut) => {
          const bytes = good.slice(0, good.length - (cut % 3 === 0 ? cut : 0));
          for (const [at, value] of hits) if (at < bytes.length) bytes[at] = value;
          try {
            readSafetensors(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(SafetensorsError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('the writer refuses a shape that does not hold its data', () => {
    expect(() => writeSafetensors([['a', f32([3], 1, 2)]])).toThrow(SafetensorsError);
    expect(() =>
      writeSafetensors([
        ['a', f32([1], 1)],
        ['a', f32([1], 1)],
      ]),
    ).toThrow(/taken/);
  });
});
