/**
 * Reads and writes safetensors: 8 bytes of header length (little-endian u64), a JSON header, then the tensors' bytes.
 * Format: https://github.com/huggingface/safetensors ("Format"). Only F32 and I32, which is all that a Llama
 * checkpoint and the golden vectors need here.
 *
 * The reader is strict: a file may come from anywhere, so every claim of its header is checked against the bytes
 * before a view is made, and the tensors must tile the data without gap or overlap, as the format demands.
 */
import { messageOf } from '../protocol/errors.ts';

export type SafetensorsDtype = 'F32' | 'I32';

export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Row-major; Float32Array for F32, Int32Array for I32. */
  readonly data: Float32Array | Int32Array;
}

export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  /** The `__metadata__` strings; empty when the file has none. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The bytes are not a safetensors file that this reader takes; `message` says what is wrong where. */
export class SafetensorsError extends Error {
  static override readonly name = 'SafetensorsError';
  override readonly name = 'SafetensorsError';
}

/** The reference implementation refuses larger headers, so that a length field cannot make a reader allocate. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
/** F32 and I32 alike. */
const SCALAR_BYTES = 4;
const DTYPES: readonly string[] = ['F32', 'I32'] satisfies SafetensorsDtype[];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Copies the tensors out of `bytes`. @throws {SafetensorsError} on anything that breaks the format. */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  if (bytes.length < LENGTH_BYTES) {
    throw new SafetensorsError(`${bytes.length} bytes are too few for a safetensors header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getBigUint64(0, true);
  if (headerBytes > BigInt(MAX_HEADER_BYTES) || headerBytes > BigInt(bytes.length - LENGTH_BYTES)) {
    throw new SafetensorsError(
      `the header claims ${headerBytes} bytes, but the file has ${bytes.length - LENGTH_BYTES} after its length field`,
    );
  }
  const dataStart = LENGTH_BYTES + Number(headerBytes);
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart));
  const dataBytes = bytes.length - dataStart;

  const metadata = new Map<string, string>();
  const entries: { name: string; dtype: SafetensorsDtype; shape: number[]; begin: number; end: number }[] =
    [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isObject(value)) throw new SafetensorsError('__metadata__ is not an object');
      for (const [key, text] of Object.entries(value)) {
        if (typeof text !== 'string') throw new SafetensorsError(`metadata ${quote(key)} is not a string`);
        metadata.set(key, text);
      }
    } else {
      entries.push({ name, ...checkEntry(name, value, dataBytes) });
    }
  }

  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let offset = 0;
  for (const entry of entries) {
    if (entry.begin !== offset) {
      const fault = entry.begin < offset ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw new SafetensorsError(
        `tensor ${quote(entry.name)} starts at ${entry.begin}, not ${offset}: it ${fault}`,
      );
    }
    offset = entry.end;
  }
  if (offset !== dataBytes) {
    throw new SafetensorsError(`the tensors cover ${offset} of ${dataBytes} data bytes`);
  }

  const tensors = new Map<string, SafetensorsTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    // A copy: the header's length need not leave the data aligned to four bytes. (Not slice(): a Buffer's is a view.)
    const raw = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end)).buffer;
    tensors.set(name, { dtype, shape, data: dtype === 'F32' ? new Float32Array(raw) : new Int32Array(raw) });
  }
  return { tensors, metadata };
}

/** The file's bytes, header padded with spaces to a multiple of eight. @throws {SafetensorsError} on a bad shape. */
export function writeSafetensors(
  tensors: Iterable<readonly [string, SafetensorsTensor]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array {
  const list = [...tensors];
  const meta = [...metadata];
  // Without a prototype, so that a tensor named "__proto__" is an entry like any other.
  const header: Record<string, unknown> = Object.create(null);
  if (meta.length > 0) header['__metadata__'] = Object.fromEntries(meta);
  let offset = 0;
  for (const [name, tensor] of list) {
    const size = tensor.shape.reduce((product, n) => product * n, 1);
    if (size !== tensor.data.length) {
      throw new SafetensorsError(
        `tensor ${quote(name)} has shape [${tensor.shape.join(', ')}] but ${tensor.data.length} scalars`,
      );
    }
    if (name === '__metadata__' || name in header) {
      throw new SafetensorsError(`the tensor name ${quote(name)} is taken`);
    }
    const end = offset + size * SCALAR_BYTES;
    header[name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const out = new Uint8Array(LENGTH_BYTES + headerBytes + offset);
  new DataView(out.buffer).setBigUint64(0, BigInt(headerBytes), true);
  out.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerBytes);
  out.set(json, LENGTH_BYTES);
  let at = LENGTH_BYTES + headerBytes;
  for (const [, { data }] of list) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return out;
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new SafetensorsError(`the header is not JSON: ${messageOf(error)}`);
  }
  if (!isObject(header)) throw new SafetensorsError('the header is not a JSON object');
  return header;
}

function checkEntry(name: string, value: unknown, dataBytes: number) {
  const bad = (what: string) => new SafetensorsError(`tensor ${quote(name)}: ${what}`);
  if (!isObject(value)) throw bad('its entry is not an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !DTYPES.includes(dtype)) {
    throw bad(`dtype ${quote(String(dtype))} is not one of ${DTYPES.join(', ')}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) throw bad('its shape is not a list of counts');
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw bad('data_offsets are not two counts');
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) {
    throw bad(`data_offsets [${begin}, ${end}] do not lie in the ${dataBytes} data bytes`);
  }
  const size = shape.reduce((product, n) => product * n, 1);
  if (end - begin !== size * SCALAR_BYTES) {
    throw bad(`shape [${shape.join(', ')}] needs ${size * SCALAR_BYTES} bytes, but it has ${end - begin}`);
  }
  return { dtype: dtype as SafetensorsDtype, shape: shape, begin, end };
}

/** A name from the file, safe and short enough for one line of an error. */
const quote = (name: string): string => JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
