/** @file Matrix products, with transposes and broadcast batches, and the fused dense layer. */

import { float, int, text } from "../graph.ts";
import type { Graph, Value } from "../graph.ts";
import { tf } from "../tfjs.ts";
import { broadcastShape, listOf } from "./call.ts";
import type { KernelTable } from "./call.ts";
import { add, cast, mul, unary, where, binary } from "./elementwise.ts";
import { swapLast } from "./shape.ts";

interface Operand {
  readonly value: Value;
  readonly transposed: boolean;
}

function rowsAndColumns({ value, transposed }: Operand): readonly [number, number] {
  const [rows, columns] = value.shape.slice(-2);
  return transposed ? [columns, rows] : [rows, columns];
}

/** a · b over the last two axes; leading axes broadcast. */
export function matmul(graph: Graph, a: Operand, b: Operand): Value {
  const batch = broadcastShape(a.value.shape.slice(0, -2), b.value.shape.slice(0, -2));
  const shape = [...batch, rowsAndColumns(a)[0], rowsAndColumns(b)[1]];
  const output = { dtype: a.value.dtype, shape };
  const isFlat = a.value.shape.length === 2 && b.value.shape.length === 2;
  if (isFlat && a.value.dtype === "float32" && (a.transposed || b.transposed)) {
    const flags = { transA: int(a.transposed ? 1 : 0), transB: int(b.transposed ? 1 : 0), alpha: float(1) };
    return graph.op("Gemm", [a.value, b.value], output, flags);
  }
  const x = a.transposed ? swapLast(graph, a.value) : a.value;
  const y = b.transposed ? swapLast(graph, b.value) : b.value;
  return graph.op("MatMul", [x, y], output);
}

interface Activation {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly alpha: number;
}

function activate(graph: Graph, x: Value, { name, inputs, alpha }: Activation): Value {
  switch (name) {
    case "linear":
      return x;
    case "relu":
      return unary(graph, "Relu", x);
    case "relu6":
      return graph.op("Clip", [x, graph.scalar(0), graph.scalar(6)], x);
    case "prelu": {
      const negative = binary(graph, "Less", [x, graph.scalar(0)], "bool");
      return where(graph, negative, [mul(graph, x, inputs.preluActivationWeights), x]);
    }
    case "leakyrelu":
      return graph.op("LeakyRelu", [x], x, { alpha: float(alpha) });
    case "elu":
      return unary(graph, "Elu", x);
    default:
      return unary(graph, "Sigmoid", x);
  }
}

/** The bias and activation of tfjs's fused kernels. */
export function finishFused(
  graph: Graph,
  x: Value,
  inputs: Readonly<Record<string, Value>>,
  attrs: Readonly<Record<string, unknown>>,
): Value {
  const biased = inputs.bias === undefined ? x : add(graph, x, inputs.bias);
  const name = (attrs.activation as string | undefined) ?? "linear";
  return activate(graph, biased, { name, inputs, alpha: Number(attrs.leakyreluAlpha ?? 0.2) });
}

function product(
  graph: Graph,
  inputs: Readonly<Record<string, Value>>,
  attrs: Readonly<Record<string, unknown>>,
): Value {
  const operand = (value: Value, flag: unknown): Operand => ({
    value: value.dtype === "bool" ? cast(graph, value, "int32") : value,
    transposed: flag === true,
  });
  return matmul(graph, operand(inputs.a, attrs.transposeA), operand(inputs.b, attrs.transposeB));
}

/** Lowerings of this family. */
export const matmuls: KernelTable = {
  BatchMatMul: ({ graph, inputs, attrs }) => product(graph, inputs, attrs),
  Einsum: (call) => {
    const values = listOf(call);
    const equation = call.attrs.equation as string;
    const { summedDims, ...dims } = tf.backend_util.decodeEinsumEquation(equation, values.length);
    const sizes = dims.allDims.map((_, i) => {
      const at = dims.idDims.findIndex((list) => list.includes(i));
      return values[at].shape[dims.idDims[at].indexOf(i)];
    });
    const shape = sizes.filter((_, i) => !summedDims.includes(i));
    return call.graph.op("Einsum", values, { dtype: values[0].dtype, shape }, { equation: text(equation) });
  },
  _FusedMatMul: ({ graph, inputs, attrs }) =>
    finishFused(graph, product(graph, inputs, attrs), inputs, attrs),
};
