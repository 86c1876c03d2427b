/** @file ONNX wire format: a protobuf writer for exactly the messages that a traced graph needs. @source onnx/onnx.proto, IR version 8 */

import type { DType, Storage } from "../core/ndarray.ts";

/** ONNX IR version written: the newest that Debian 12's `python3-onnx` (1.12) reads. */
export const IR_VERSION = 8;
/** Operator set of the default domain. */
export const OPSET = 17;

/** One attribute of a node; the kind is explicit because ONNX tells ints from floats. */
export type Attribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "tensor"; readonly value: TensorRecord };

/** A constant tensor. Bool data is one byte per element. */
export interface TensorRecord {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Storage;
}

/** One node; an empty input name means "optional input left out". */
export interface NodeRecord {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A graph input or output with its static shape. */
export interface PortRecord {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Everything of one model file; nodes are in topological order. */
export interface ModelRecord {
  readonly name: string;
  readonly inputs: readonly PortRecord[];
  readonly outputs: readonly PortRecord[];
  readonly nodes: readonly NodeRecord[];
  readonly constants: readonly TensorRecord[];
}

const elementTypes: Record<DType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

/** The number that ONNX's `Cast` wants in its `to` attribute. */
export function elementType(dtype: DType): number {
  return elementTypes[dtype];
}

/** A growing byte buffer with protobuf's primitives. */
class Writer {
  private bytes = new Uint8Array(1 << 16);
  private length = 0;

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  private varint(value: number): void {
    this.reserve(10);
    if (value < 0) {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest > 127n; rest >>= 7n) this.bytes[this.length++] = Number(rest & 127n) | 128;
      this.bytes[this.length++] = Number(rest);
      return;
    }
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.bytes[this.length++] = (rest % 128) | 128;
    this.bytes[this.length++] = rest;
  }

  int(field: number, value: number): void {
    this.varint(field * 8);
    this.varint(value);
  }

  float(field: number, value: number): void {
    this.varint(field * 8 + 5);
    this.reserve(4);
    new DataView(this.bytes.buffer).setFloat32(this.length, value, true);
    this.length += 4;
  }

  raw(field: number, data: Uint8Array): void {
    this.varint(field * 8 + 2);
    this.varint(data.length);
    this.reserve(data.length);
    this.bytes.set(data, this.length);
    this.length += data.length;
  }

  text(field: number, value: string): void {
    this.raw(field, new TextEncoder().encode(value));
  }

  /** A nested message: the body is written behind a gap for the longest length prefix, then moved down. */
  message(field: number, body: () => void): void {
    this.varint(field * 8 + 2);
    this.reserve(5);
    const gap = this.length;
    this.length += 5;
    body();
    const end = this.length;
    this.length = gap;
    this.varint(end - gap - 5);
    this.bytes.copyWithin(this.length, gap + 5, end);
    this.length += end - gap - 5;
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

function writeTensor(w: Writer, tensor: TensorRecord): void {
  for (const axis of tensor.shape) w.int(1, axis);
  w.int(2, elementTypes[tensor.dtype]);
  if (tensor.name !== "") w.text(8, tensor.name);
  const { buffer, byteOffset, byteLength } = tensor.data;
  w.raw(9, new Uint8Array(buffer, byteOffset, byteLength));
}

const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, ints: 7 } as const;

function writeAttribute(w: Writer, name: string, attribute: Attribute): void {
  w.text(1, name);
  switch (attribute.kind) {
    case "float":
      w.float(2, attribute.value);
      break;
    case "int":
      w.int(3, attribute.value);
      break;
    case "string":
      w.text(4, attribute.value);
      break;
    case "tensor":
      w.message(5, () => writeTensor(w, attribute.value));
      break;
    case "ints":
      for (const value of attribute.value) w.int(8, value);
      break;
  }
  w.int(20, attributeTypes[attribute.kind]);
}

function writeNode(w: Writer, node: NodeRecord): void {
  for (const input of node.inputs) w.text(1, input);
  for (const output of node.outputs) w.text(2, output);
  w.text(3, node.name);
  w.text(4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    w.message(5, () => writeAttribute(w, name, attribute));
  }
  if (node.domain !== "") w.text(7, node.domain);
}

function writePort(w: Writer, port: PortRecord): void {
  w.text(1, port.name);
  w.message(2, () => {
    w.message(1, () => {
      w.int(1, elementTypes[port.dtype]);
      w.message(2, () => {
        for (const axis of port.shape) w.message(1, () => w.int(1, axis));
      });
    });
  });
}

/** The bytes of a `.onnx` file. */
export function encodeModel(model: ModelRecord): Uint8Array {
  const w = new Writer();
  w.int(1, IR_VERSION);
  w.text(2, "reverie");
  w.message(7, () => {
    for (const node of model.nodes) w.message(1, () => writeNode(w, node));
    w.text(2, model.name);
    for (const constant of model.constants) w.message(5, () => writeTensor(w, constant));
    for (const input of model.inputs) w.message(11, () => writePort(w, input));
    for (const output of model.outputs) w.message(12, () => writePort(w, output));
  });
  const domains = new Set(["", ...model.nodes.map((node) => node.domain)]);
  for (const domain of domains) {
    w.message(8, () => {
      w.text(1, domain);
      w.int(2, domain === "" ? OPSET : 1);
    });
  }
  return w.finish();
}
