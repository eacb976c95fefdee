/**
 * Builds ONNX files (github.com/onnx/onnx, onnx.proto3): nodes, constants, typed inputs and outputs.
 *
 * IR version 8 with opset 17: old enough for every runtime in use, new enough for all that a Llama needs.
 */
import { ProtobufWriter } from './protobuf.ts';

const IR_VERSION = 8;
const OPSET = 17;

/** TensorProto.DataType */
const DATA_TYPE = { float32: 1, int32: 6, int64: 7 } as const;
/** TensorProto.DataLocation */
const EXTERNAL = 1;
export type OnnxType = keyof typeof DATA_TYPE;
/** A dimension: a length, or a name for one that is known only at run time. */
export type OnnxDimension = number | string;
/** Integers, lists of integers, or `{ float }` for a float attribute. */
export type OnnxAttribute = number | readonly number[] | { readonly float: number };

export class OnnxGraph {
  readonly #name: string;
  readonly #nodes: ProtobufWriter[] = [];
  readonly #initializers: ProtobufWriter[] = [];
  readonly #inputs: ProtobufWriter[] = [];
  readonly #outputs: ProtobufWriter[] = [];
  readonly #integerConstants = new Map<string, string>();
  #next = 0;

  constructor(name: string) {
    this.#name = name;
  }

  input(name: string, type: OnnxType, shape: readonly OnnxDimension[]): string {
    this.#inputs.push(valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: OnnxType, shape: readonly OnnxDimension[]): void {
    this.#outputs.push(valueInfo(name, type, shape));
  }

  /** An f32 tensor stored in the file. */
  constant(name: string, shape: readonly number[], values: Float32Array): string {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push(tensor(name, 'float32', shape, raw));
    return name;
  }

  /** An f32 tensor whose values lie in another file, from byte `offset` on (TensorProto.external_data). */
  external(name: string, shape: readonly number[], file: string, offset: number): string {
    const length = 4 * shape.reduce((n, size) => n * size, 1);
    const entry = (key: string, value: string) => new ProtobufWriter().string(1, key).string(2, value);
    this.#initializers.push(
      new ProtobufWriter()
        .packed(1, shape)
        .int(2, DATA_TYPE.float32)
        .string(8, name)
        .message(13, entry('location', file))
        .message(13, entry('offset', String(offset)))
        .message(13, entry('length', String(length)))
        .int(14, EXTERNAL),
    );
    return name;
  }

  /** An i64 vector stored in the file (axes, shapes, bounds); equal ones are stored once. */
  integers(...values: number[]): string {
    const key = values.join();
    const known = this.#integerConstants.get(key);
    if (known !== undefined) return known;
    const name = `i64:${key}`;
    const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.#initializers.push(tensor(name, 'int64', [values.length], raw));
    this.#integerConstants.set(key, name);
    return name;
  }

  /** Adds a node with one output and returns the output's name. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output = `${op}_${this.#next++}`,
  ): string {
    this.nodes(op, inputs, attributes, [output]);
    return output;
  }

  nodes(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    outputs: readonly string[],
  ): void {
    const node = new ProtobufWriter();
    for (const input of inputs) node.string(1, input);
    for (const output of outputs) node.string(2, output);
    node.string(3, `${op}:${outputs[0]}`).string(4, op);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value));
    this.#nodes.push(node);
  }

  finish(): Uint8Array<ArrayBuffer> {
    const graph = new ProtobufWriter();
    for (const node of this.#nodes) graph.message(1, node);
    graph.string(2, this.#name);
    for (const initializer of this.#initializers) graph.message(5, initializer);
    for (const input of this.#inputs) graph.message(11, input);
    for (const output of this.#outputs) graph.message(12, output);
    return new ProtobufWriter()
      .int(1, IR_VERSION)
      .string(2, 'tabswarm')
      .message(7, graph)
      .message(8, new ProtobufWriter().string(1, '').int(2, OPSET))
      .finish();
  }
}

/** AttributeProto: name 1, f 2, i 3, ints 8, type 20 (FLOAT 1, INT 2, INTS 7). */
function attribute(name: string, value: OnnxAttribute): ProtobufWriter {
  const out = new ProtobufWriter().string(1, name);
  if (typeof value === 'number') return out.int(3, value).int(20, 2);
  if ('float' in value) return out.float(2, value.float).int(20, 1);
  return out.packed(8, value).int(20, 7);
}

/** TensorProto: dims 1, data_type 2, name 8, raw_data 9 (little-endian, as every platform of ours is). */
function tensor(name: string, type: OnnxType, shape: readonly number[], raw: Uint8Array): ProtobufWriter {
  return new ProtobufWriter().packed(1, shape).int(2, DATA_TYPE[type]).string(8, name).bytes(9, raw);
}

/** ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1 | dim_param 2 } } } }. */
function valueInfo(name: string, type: OnnxType, shape: readonly OnnxDimension[]): ProtobufWriter {
  const dimensions = new ProtobufWriter();
  for (const d of shape)
    dimensions.message(
      1,
      typeof d === 'number' ? new ProtobufWriter().int(1, d) : new ProtobufWriter().string(2, d),
    );
  const tensorType = new ProtobufWriter().int(1, DATA_TYPE[type]).message(2, dimensions);
  return new ProtobufWriter().string(1, name).message(2, new ProtobufWriter().message(1, tensorType));
}
