/** @file The traced graph: values, nodes, shared subexpressions, uniform constants kept symbolic, and its ONNX bytes. */

import { sizeOf } from "../core/ndarray.ts";
import type { DType, Storage } from "../core/ndarray.ts";
import { encodeModel } from "./onnx.ts";
import type { Attribute, NodeRecord, PortRecord, TensorRecord } from "./onnx.ts";

/** One array in the graph: an input, a constant, or an output of a node. */
export interface Value {
  readonly id: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Set when every element is this number; such a value is written as a scalar or a `ConstantOfShape`. */
  readonly uniform?: number;
  /** Set for a constant with its own data. */
  readonly data?: Storage;
  /** The node that computes it; absent for inputs and constants. */
  readonly node?: Node;
}

/** One ONNX operator call. */
export interface Node {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly outputs: readonly Value[];
}

/** Type and shape of an output to be. */
export interface ValueType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** What `Graph.add` needs for a node with several outputs. */
export interface NodeSpec {
  readonly op: string;
  readonly domain?: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly outputs: readonly ValueType[];
}

/** What the graph is for: ONNX Runtime on its CPU or on another device, or any runtime (standard operators only). */
export type Target = "cpu" | "device" | "any";

export const int = (value: number): Attribute => ({ kind: "int", value });
export const float = (value: number): Attribute => ({ kind: "float", value });
export const ints = (value: readonly number[]): Attribute => ({ kind: "ints", value });
export const text = (value: string): Attribute => ({ kind: "string", value });

/** Constants up to this many elements are compared by content, so that each is stored once. */
const SHARED_CONSTANT_SIZE = 64;

function typedArray(dtype: DType, values: ArrayLike<number>): Storage {
  switch (dtype) {
    case "float32":
      return Float32Array.from(values);
    case "int32":
      return Int32Array.from(values);
    case "int64":
      return BigInt64Array.from(Array.from(values, BigInt));
    default:
      return Uint8Array.from(values);
  }
}

function uniformOf(data: Storage): number | undefined {
  const first = data[0];
  for (let i = 1; i < data.length; i++) if (data[i] !== first) return undefined;
  return Number.isNaN(Number(first)) || Object.is(first, -0) ? undefined : Number(first);
}

function shareKey(spec: NodeSpec): string {
  const inputs = spec.inputs.map((input) => input?.id ?? "").join(",");
  const types = spec.outputs.map((output) => output.dtype).join(",");
  return `${spec.domain ?? ""}:${spec.op}(${inputs})${JSON.stringify(spec.attributes ?? {})}${types}`;
}

/** A graph under construction. Nodes are kept in creation order, which is topological. */
export class Graph {
  readonly inputs: Value[] = [];
  readonly nodes: Node[] = [];
  readonly target: Target;
  private nextId = 0;
  private readonly shared = new Map<string, readonly Value[]>();
  private readonly constants = new Map<string, Value>();

  constructor(target: Target) {
    this.target = target;
  }

  /** A new graph input. */
  input(type: ValueType): Value {
    const value = { id: this.nextId++, ...type };
    this.inputs.push(value);
    return value;
  }

  /** A constant; stays symbolic when all elements are equal, and small equal ones are shared. */
  constant(type: ValueType, data: Storage): Value {
    const uniform = data.length > 0 ? uniformOf(data) : undefined;
    if (uniform !== undefined && type.dtype !== "int64") return this.uniform(type, uniform);
    if (data.length > SHARED_CONSTANT_SIZE) return { id: this.nextId++, ...type, data };
    const key = `${type.dtype}[${type.shape.join(",")}]${data.join(",")}`;
    return this.remember(key, () => ({ id: this.nextId++, ...type, data }));
  }

  /** A constant whose elements all equal `uniform`. */
  uniform(type: ValueType, uniform: number): Value {
    const value = type.dtype === "float32" ? Math.fround(uniform) : uniform;
    const key = `${type.dtype}[${type.shape.join(",")}]=${value}`;
    return this.remember(key, () => ({
      id: this.nextId++,
      dtype: type.dtype,
      shape: type.shape,
      uniform: value,
    }));
  }

  /** A scalar constant. */
  scalar(value: number, dtype: DType = "float32"): Value {
    return this.uniform({ dtype, shape: [] }, value);
  }

  /** An int64 vector: the form in which ONNX takes shapes, axes and bounds. */
  longs(values: readonly number[]): Value {
    return this.constant({ dtype: "int64", shape: [values.length] }, typedArray("int64", values));
  }

  private remember(key: string, make: () => Value): Value {
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const value = make();
    this.constants.set(key, value);
    return value;
  }

  /** Add a node, or find the equal one that is there already. */
  add(spec: NodeSpec): readonly Value[] {
    const key = shareKey(spec);
    const known = this.shared.get(key);
    if (known !== undefined) return known;
    const outputs: Value[] = [];
    const node: Node = {
      op: spec.op,
      domain: spec.domain ?? "",
      inputs: spec.inputs,
      attributes: spec.attributes ?? {},
      outputs,
    };
    for (const { dtype, shape } of spec.outputs) outputs.push({ id: this.nextId++, dtype, shape, node });
    this.nodes.push(node);
    this.shared.set(key, outputs);
    return outputs;
  }

  /** Add a node with one output. */
  op(
    op: string,
    inputs: readonly (Value | undefined)[],
    output: ValueType,
    attributes?: NodeSpec["attributes"],
  ): Value {
    return this.add({ op, inputs, outputs: [output], attributes })[0];
  }

  /** Nodes that the outputs depend on, in topological order. */
  live(outputs: readonly Value[]): readonly Node[] {
    const needed = new Set<Node>();
    const stack = outputs.map((output) => output.node);
    while (stack.length > 0) {
      const node = stack.pop();
      if (node === undefined || needed.has(node)) continue;
      needed.add(node);
      for (const input of node.inputs) stack.push(input?.node);
    }
    return this.nodes.filter((node) => needed.has(node));
  }

  /** ONNX bytes of the part of the graph that computes `outputs`; ports are called `i0 i1 …` and `o0 o1 …`. */
  encode(name: string, outputs: readonly Value[]): Uint8Array {
    return new Encoding(this, outputs).encode(name);
  }
}

function uniformData(value: Value, count: number): Storage {
  return typedArray(value.dtype, new Array<number>(count).fill(value.uniform ?? 0));
}

/** The writing of one graph: names, live nodes, and constants in the form that costs least. */
class Encoding {
  private readonly names = new Map<number, string>();
  private readonly nodes: NodeRecord[] = [];
  private readonly constants: TensorRecord[] = [];
  private readonly graph: Graph;
  private readonly outputs: readonly Value[];

  constructor(graph: Graph, outputs: readonly Value[]) {
    this.graph = graph;
    this.outputs = outputs;
    graph.inputs.forEach((input, i) => this.names.set(input.id, `i${i}`));
  }

  private nameOf(value: Value | undefined): string {
    if (value === undefined) return "";
    const known = this.names.get(value.id);
    if (known !== undefined) return known;
    const name = `${value.node === undefined ? "c" : "v"}${value.id}`;
    this.names.set(value.id, name);
    if (value.node === undefined) this.writeConstant(name, value);
    return name;
  }

  private writeConstant(name: string, value: Value): void {
    const { dtype, shape } = value;
    const size = sizeOf(shape);
    if (value.data !== undefined) {
      this.constants.push({ name, dtype, shape, data: value.data });
    } else if (size <= SHARED_CONSTANT_SIZE) {
      this.constants.push({ name, dtype, shape, data: uniformData(value, size) });
    } else {
      const fill: Attribute = {
        kind: "tensor",
        value: { name: "", dtype, shape: [1], data: uniformData(value, 1) },
      };
      const inputs = [this.nameOf(this.graph.longs(shape))];
      this.nodes.push({
        name,
        op: "ConstantOfShape",
        domain: "",
        inputs,
        outputs: [name],
        attributes: { value: fill },
      });
    }
  }

  /** Computed values carry their output's name; inputs, constants and repeated outputs need a copy. */
  private namePorts(): void {
    this.outputs.forEach((value, i) => {
      if (value.node !== undefined && !this.names.has(value.id)) this.names.set(value.id, `o${i}`);
    });
  }

  private writePort(value: Value, index: number): PortRecord {
    const name = `o${index}`;
    const inner = this.nameOf(value);
    if (inner !== name) {
      this.nodes.push({ name, op: "Identity", domain: "", inputs: [inner], outputs: [name], attributes: {} });
    }
    return { name, dtype: value.dtype, shape: value.shape };
  }

  encode(name: string): Uint8Array {
    this.namePorts();
    for (const node of this.graph.live(this.outputs)) {
      const inputs = node.inputs.map((input) => this.nameOf(input));
      const outputs = node.outputs.map((output) => this.nameOf(output));
      this.nodes.push({ ...node, name: `${node.op}_${outputs[0]}`, inputs, outputs });
    }
    const outputs = this.outputs.map((value, i) => this.writePort(value, i));
    const inputs = this.graph.inputs.map(({ dtype, shape }, i) => ({ name: `i${i}`, dtype, shape }));
    return encodeModel({ name, inputs, outputs, nodes: this.nodes, constants: this.constants });
  }
}
