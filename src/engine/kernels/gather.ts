/** @file Kernels that look up or scatter by index: gather, one-hot, scatter-add, top-k. */

import { sizeOf } from "../../core/ndarray.ts";
import type { DType } from "../../core/ndarray.ts";
import { int, text } from "../graph.ts";
import type { Graph, Value } from "../graph.ts";
import { axisOf } from "./call.ts";
import type { KernelCall, KernelTable } from "./call.ts";
import { binary, cast, mul, add, where } from "./elementwise.ts";
import { reduce } from "./reduction.ts";
import { reshape } from "./shape.ts";

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** Offsets of each batch's rows, so that a batched gather becomes one over the flattened batch. */
function gatherBatched(
  graph: Graph,
  x: Value,
  indices: Value,
  options: { axis: number; batchDims: number },
): Value {
  const { axis, batchDims } = options;
  const batch = product(x.shape.slice(0, batchDims));
  const outer = x.shape.slice(batchDims, axis);
  const inner = x.shape.slice(axis + 1);
  const rows = x.shape[axis];
  const picked = indices.shape.slice(batchDims);
  const flat = reshape(graph, x, [batch * product(outer) * rows, product(inner)]);
  const offsets = Int32Array.from({ length: batch * product(outer) }, (_, i) => i * rows);
  const base = graph.constant({ dtype: "int32", shape: [batch, product(outer), 1] }, offsets);
  const at = add(graph, reshape(graph, indices, [batch, 1, product(picked)]), base);
  const shape = [...at.shape, product(inner)];
  const taken = graph.op("Gather", [flat, at], { dtype: x.dtype, shape }, { axis: int(0) });
  return reshape(graph, taken, [...x.shape.slice(0, batchDims), ...outer, ...picked, ...inner]);
}

function gather({ graph, inputs: { x, indices }, attrs }: KernelCall): Value {
  const axis = axisOf((attrs.axis as number | undefined) ?? 0, x.shape.length);
  const batchDims = (attrs.batchDims as number | undefined) ?? 0;
  if (batchDims > 0) return gatherBatched(graph, x, indices, { axis, batchDims });
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  return graph.op("Gather", [x, indices], { dtype: x.dtype, shape }, { axis: int(axis) });
}

function oneHot({ graph, inputs: { indices }, attrs }: KernelCall): Value {
  const depth = attrs.depth as number;
  const dtype = ((attrs.dtype as string | undefined) ?? "int32") as DType;
  const classes = graph.constant(
    { dtype: "int32", shape: [depth] },
    Int32Array.from({ length: depth }, (_, i) => i),
  );
  const hit = binary(graph, "Equal", [reshape(graph, indices, [...indices.shape, 1]), classes], "bool");
  const { onValue = 1, offValue = 0 } = attrs as { onValue?: number; offValue?: number };
  if (onValue === 1 && offValue === 0) return cast(graph, hit, dtype);
  return where(graph, hit, [graph.scalar(onValue, dtype), graph.scalar(offValue, dtype)]);
}

/** Rows of `updates` added into `base` at `indices` int32 [..., depth]. */
function scatterAdd(graph: Graph, base: Value, indices: Value, updates: Value): Value {
  const inputs = [base, cast(graph, indices, "int64"), updates];
  return graph.op("ScatterND", inputs, base, { reduction: text("add") });
}

/** Segment sums over the first axis. Ids outside [0, numSegments) are dropped, as tfjs drops them. */
function segmentSum({ graph, inputs: { x, segmentIds }, attrs }: KernelCall): Value {
  const count = attrs.numSegments as number;
  const width = sizeOf(x.shape) / segmentIds.shape[0];
  const size = segmentIds.shape[0];
  const flat = reshape(graph, x, [size, width]);
  const zero = graph.scalar(0, "int32");
  const below = binary(graph, "Less", [segmentIds, zero], "bool");
  const above = binary(graph, "GreaterOrEqual", [segmentIds, graph.scalar(count, "int32")], "bool");
  const outside = binary(graph, "Or", [below, above]);
  // One spare row takes what is dropped.
  const safe = where(graph, outside, [graph.uniform(segmentIds, count), segmentIds]);
  const base = graph.uniform({ dtype: x.dtype, shape: [count + 1, width] }, 0);
  const sums = scatterAdd(graph, base, reshape(graph, safe, [size, 1]), flat);
  const kept = graph.op("Slice", [sums, graph.longs([0]), graph.longs([count]), graph.longs([0])], {
    dtype: x.dtype,
    shape: [count, width],
  });
  return reshape(graph, kept, [count, ...x.shape.slice(1)]);
}

function topK({ graph, inputs: { x }, attrs }: KernelCall): readonly Value[] {
  const k = attrs.k as number;
  const shape = [...x.shape.slice(0, -1), k];
  const [values, indices] = graph.add({
    op: "TopK",
    inputs: [x, graph.longs([k])],
    outputs: [
      { dtype: x.dtype, shape },
      { dtype: "int64", shape },
    ],
    attributes: { axis: int(x.shape.length - 1), largest: int(1), sorted: int(1) },
  });
  return [values, cast(graph, indices, "int32")];
}

/** Counts (or sums of weights) per class; ids outside are dropped. `x` int32 [N] or [B, N] */
function countClasses({ graph, inputs: { x, weights }, attrs }: KernelCall): Value {
  const size = attrs.size as number;
  const classes = graph.constant(
    { dtype: "int32", shape: [size] },
    Int32Array.from({ length: size }, (_, i) => i),
  );
  const hit = binary(graph, "Equal", [reshape(graph, x, [...x.shape, 1]), classes], "bool");
  const axes = [x.shape.length - 1];
  if (attrs.binaryOutput === true) {
    return cast(graph, reduce(graph, "ReduceMax", cast(graph, hit, "int32"), { axes }), weights.dtype);
  }
  const ones = cast(graph, hit, weights.dtype);
  const weighted =
    sizeOf(weights.shape) === 0 ? ones : mul(graph, ones, reshape(graph, weights, [...x.shape, 1]));
  return reduce(graph, "ReduceSum", weighted, { axes });
}

/** How many elements of each sorted row lie before each value. */
function countBefore(graph: Graph, sequence: Value, values: Value, side: string): Value {
  const [batch, length] = sequence.shape;
  const row = reshape(graph, sequence, [batch, 1, length]);
  const wanted = reshape(graph, values, [batch, values.shape[1], 1]);
  const before = binary(graph, side === "left" ? "Less" : "LessOrEqual", [row, wanted], "bool");
  return reduce(graph, "ReduceSum", cast(graph, before, "int32"), { axes: [2] });
}

const counts: KernelTable = {
  Bincount: countClasses,
  DenseBincount: countClasses,
  SearchSorted: ({ graph, inputs, attrs }) =>
    countBefore(graph, inputs.sortedSequence, inputs.values, (attrs.side as string | undefined) ?? "left"),
};

/** Lowerings of this family. */
export const gathers: KernelTable = {
  ...counts,
  GatherV2: gather,
  OneHot: oneHot,
  UnsortedSegmentSum: segmentSum,
  TopK: topK,
  GatherNd: ({ graph, inputs: { params, indices } }) => {
    const depth = indices.shape[indices.shape.length - 1];
    const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
    return graph.op("GatherND", [params, cast(graph, indices, "int64")], { dtype: params.dtype, shape });
  },
  ScatterNd: ({ graph, inputs: { indices, updates }, attrs }) => {
    const base = graph.uniform({ dtype: updates.dtype, shape: attrs.shape as number[] }, 0);
    return scatterAdd(graph, base, indices, updates);
  },
  TensorScatterUpdate: ({ graph, inputs: { tensor, indices, updates } }) =>
    graph.op("ScatterND", [tensor, cast(graph, indices, "int64"), updates], tensor),
  Diag: ({ graph, inputs: { x } }) => {
    const size = sizeOf(x.shape);
    const eye = Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
    const mask = graph.constant({ dtype: "float32", shape: [size, size] }, eye);
    return reshape(graph, mul(graph, mask, reshape(graph, cast(graph, x, "float32"), [1, size])), [
      ...x.shape,
      ...x.shape,
    ]);
  },
};
