/** @file Kernels that move or copy elements without computing: reshape, transpose, slices, joins, padding, constants. */

import { sizeOf } from "../../core/ndarray.ts";
import type { DType } from "../../core/ndarray.ts";
import { int, ints, text } from "../graph.ts";
import type { Graph, Value } from "../graph.ts";
import { axesOf, axisOf, listOf, sameShape } from "./call.ts";
import type { KernelTable } from "./call.ts";
import { tf } from "../tfjs.ts";
import { expand } from "./elementwise.ts";

/** The same elements under another shape; chains collapse. */
export function reshape(graph: Graph, x: Value, shape: readonly number[]): Value {
  if (sameShape(x.shape, shape)) return x;
  if (x.uniform !== undefined) return graph.uniform({ dtype: x.dtype, shape }, x.uniform);
  const source = x.node?.op === "Reshape" ? x.node.inputs[0] : undefined;
  if (source !== undefined) return reshape(graph, source, shape);
  return graph.op("Reshape", [x, graph.longs(shape)], { dtype: x.dtype, shape });
}

function permutationOf(value: Value): readonly number[] | undefined {
  const perm = value.node?.op === "Transpose" ? value.node.attributes.perm : undefined;
  return perm?.kind === "ints" ? perm.value : undefined;
}

/** Axes in the order of `perm`; chains collapse, and moving only unit axes is a reshape. */
export function transpose(graph: Graph, x: Value, perm: readonly number[]): Value {
  const shape = perm.map((axis) => x.shape[axis]);
  if (x.uniform !== undefined) return graph.uniform({ dtype: x.dtype, shape }, x.uniform);
  const moving = perm.filter((axis) => x.shape[axis] !== 1);
  if (moving.every((axis, i) => i === 0 || axis > moving[i - 1])) return reshape(graph, x, shape);
  const before = permutationOf(x);
  const source = x.node?.inputs[0];
  if (before !== undefined && source !== undefined) {
    return transpose(
      graph,
      source,
      perm.map((axis) => before[axis]),
    );
  }
  return graph.op("Transpose", [x], { dtype: x.dtype, shape }, { perm: ints(perm) });
}

/** The last two axes swapped. */
export function swapLast(graph: Graph, x: Value): Value {
  const rank = x.shape.length;
  const perm = x.shape.map((_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
  return transpose(graph, x, perm);
}

/** `starts`, `ends` (exclusive) and `steps` for every axis; the output's `shape` is the caller's to know. */
export interface SliceBounds {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly steps: readonly number[];
  readonly shape: readonly number[];
}

/** ONNX's end bound that reaches beyond the first element when stepping backwards. */
export const BEFORE_FIRST = -(2 ** 31);

/** A strided slice; axes taken whole are left out of the node. */
export function slice(graph: Graph, x: Value, bounds: SliceBounds): Value {
  const { shape } = bounds;
  if (x.uniform !== undefined) return graph.uniform({ dtype: x.dtype, shape }, x.uniform);
  const axes = x.shape.map((_, i) => i).filter((i) => bounds.steps[i] !== 1 || shape[i] !== x.shape[i]);
  if (axes.length === 0) return x;
  const pick = (list: readonly number[]): Value => graph.longs(axes.map((axis) => list[axis]));
  const inputs = [x, pick(bounds.starts), pick(bounds.ends), graph.longs(axes), pick(bounds.steps)];
  return graph.op("Slice", inputs, { dtype: x.dtype, shape });
}

/** Values joined along `axis`; empty ones are left out. */
export function concat(graph: Graph, values: readonly Value[], axis: number): Value {
  const full = values.filter((value) => sizeOf(value.shape) > 0);
  if (full.length === 0) return values[0];
  if (full.length === 1) return full[0];
  const { dtype, shape } = full[0];
  const total = full.reduce((sum, value) => sum + value.shape[axis], 0);
  const joined = shape.map((size, i) => (i === axis ? total : size));
  const [{ uniform }] = full;
  if (uniform !== undefined && full.every((value) => value.uniform === uniform)) {
    return graph.uniform({ dtype, shape: joined }, uniform);
  }
  return graph.op("Concat", full, { dtype, shape: joined }, { axis: int(axis) });
}

/** Values cut along `axis` into parts of the given sizes. */
export function split(graph: Graph, x: Value, axis: number, sizes: readonly number[]): readonly Value[] {
  if (sizes.length === 1) return [x];
  const outputs = sizes.map((size) => ({
    dtype: x.dtype,
    shape: x.shape.map((s, i) => (i === axis ? size : s)),
  }));
  if (x.uniform !== undefined) return outputs.map((output) => graph.uniform(output, x.uniform ?? 0));
  return graph.add({
    op: "Split",
    inputs: [x, graph.longs(sizes)],
    outputs,
    attributes: { axis: int(axis) },
  });
}

/** Zeros or `value` around `x`. */
export function pad(
  graph: Graph,
  x: Value,
  paddings: readonly (readonly [number, number])[],
  value: number,
): Value {
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return x;
  const shape = x.shape.map((size, i) => size + paddings[i][0] + paddings[i][1]);
  if (x.uniform === value) return graph.uniform({ dtype: x.dtype, shape }, value);
  const pads = graph.longs([...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])]);
  return graph.op("Pad", [x, pads, graph.scalar(value, x.dtype)], { dtype: x.dtype, shape });
}

/** Mirror images around `x`: `reflect` leaves the edge out, `symmetric` repeats it. */
function mirrorPad(
  graph: Graph,
  x: Value,
  paddings: readonly (readonly [number, number])[],
  symmetric: boolean,
): Value {
  if (!symmetric) {
    const shape = x.shape.map((size, i) => size + paddings[i][0] + paddings[i][1]);
    const pads = graph.longs([...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])]);
    return graph.op("Pad", [x, pads], { dtype: x.dtype, shape }, { mode: text("reflect") });
  }
  return paddings.reduce((value, [before, after], axis) => {
    const size = value.shape[axis];
    const indices = Array.from({ length: before + size + after }, (_, i) => {
      const at = i - before;
      return at < 0 ? -at - 1 : at >= size ? 2 * size - at - 1 : at;
    });
    const shape = value.shape.map((s, i) => (i === axis ? indices.length : s));
    return graph.op(
      "Gather",
      [value, graph.longs(indices)],
      { dtype: value.dtype, shape },
      { axis: int(axis) },
    );
  }, x);
}

/** Elements in reverse order along `axes`. */
export function reverse(graph: Graph, x: Value, axes: readonly number[]): Value {
  const flipped = (i: number): boolean => axes.includes(i) && x.shape[i] > 1;
  return slice(graph, x, {
    starts: x.shape.map((size, i) => (flipped(i) ? size - 1 : 0)),
    ends: x.shape.map((size, i) => (flipped(i) ? BEFORE_FIRST : size)),
    steps: x.shape.map((_, i) => (flipped(i) ? -1 : 1)),
    shape: x.shape,
  });
}

function tile(graph: Graph, x: Value, repeats: readonly number[]): Value {
  const shape = x.shape.map((size, i) => size * repeats[i]);
  if (x.uniform !== undefined) return graph.uniform({ dtype: x.dtype, shape }, x.uniform);
  if (x.shape.every((size, i) => size === 1 || repeats[i] === 1)) return expand(graph, x, shape);
  return graph.op("Tile", [x, graph.longs(repeats)], { dtype: x.dtype, shape });
}

const withUnitAxis = (shape: readonly number[], axis: number): number[] => [
  ...shape.slice(0, axis),
  1,
  ...shape.slice(axis),
];

const movers: KernelTable = {
  Reshape: ({ graph, inputs, attrs }) => {
    const shape = [...(attrs.shape as number[])];
    const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
    const open = shape.indexOf(-1);
    if (open >= 0) shape[open] = sizeOf(inputs.x.shape) / known;
    return reshape(graph, inputs.x, shape);
  },
  ExpandDims: ({ graph, inputs: { input }, attrs }) =>
    reshape(graph, input, withUnitAxis(input.shape, axisOf(attrs.dim as number, input.shape.length + 1))),
  Transpose: ({ graph, inputs, attrs }) => transpose(graph, inputs.x, attrs.perm as number[]),
  Slice: ({ graph, inputs: { x }, attrs }) => {
    const [begin, shape] = tf.slice_util.parseSliceParams(
      { shape: [...x.shape], rank: x.shape.length } as never,
      attrs.begin as number[],
      attrs.size as number[],
    );
    const ends = begin.map((start, i) => start + shape[i]);
    return slice(graph, x, { starts: begin, ends, steps: x.shape.map(() => 1), shape });
  },
  StridedSlice: ({ graph, inputs: { x }, attrs: a }) => {
    const masks = ["beginMask", "endMask", "ellipsisMask", "newAxisMask", "shrinkAxisMask"].map(
      (m) => a[m] as number,
    );
    const info = tf.slice_util.sliceInfo(
      [...x.shape],
      a.begin as number[],
      a.end as number[],
      a.strides as number[],
      masks[0],
      masks[1],
      masks[2],
      masks[3],
      masks[4],
    );
    const { begin, end, strides, finalShapeSparse, finalShape } = info;
    const shape = begin.map((start, i) => Math.max(0, Math.ceil((end[i] - start) / strides[i])));
    const ends = end.map((stop, i) => (strides[i] < 0 && stop < 0 ? BEFORE_FIRST : stop));
    return reshape(
      graph,
      slice(graph, x, { starts: begin, ends, steps: strides, shape }),
      finalShape ?? finalShapeSparse,
    );
  },
  Concat: (call) => {
    const values = listOf(call);
    return concat(call.graph, values, axisOf(call.attrs.axis as number, values[0].shape.length));
  },
  SplitV: ({ graph, inputs: { x }, attrs }) => {
    const axis = axisOf(attrs.axis as number, x.shape.length);
    const sizes = tf.backend_util.prepareSplitSize(
      { shape: [...x.shape] } as never,
      attrs.numOrSizeSplits as number[],
      axis,
    );
    return split(graph, x, axis, sizes);
  },
  Pack: (call) => {
    const values = listOf(call);
    const axis = axisOf(call.attrs.axis as number, values[0].shape.length + 1);
    return concat(
      call.graph,
      values.map((v) => reshape(call.graph, v, withUnitAxis(v.shape, axis))),
      axis,
    );
  },
  Unpack: ({ graph, inputs: { value }, attrs }) => {
    const axis = axisOf(attrs.axis as number, value.shape.length);
    const shape = value.shape.filter((_, i) => i !== axis);
    const parts = split(
      graph,
      value,
      axis,
      Array.from({ length: value.shape[axis] }, () => 1),
    );
    return parts.map((part) => reshape(graph, part, shape));
  },
  PadV2: ({ graph, inputs, attrs }) =>
    pad(
      graph,
      inputs.x,
      attrs.paddings as [number, number][],
      (attrs.constantValue as number | undefined) ?? 0,
    ),
  MirrorPad: ({ graph, inputs, attrs }) =>
    mirrorPad(graph, inputs.x, attrs.paddings as [number, number][], attrs.mode === "symmetric"),
  Reverse: ({ graph, inputs: { x }, attrs }) => reverse(graph, x, axesOf(attrs.dims, x.shape.length)),
  Tile: ({ graph, inputs, attrs }) => tile(graph, inputs.x, attrs.reps as number[]),
  BroadcastTo: ({ graph, inputs, attrs }) => {
    const shape = attrs.shape as number[];
    return expand(graph, inputs.x, shape);
  },
};

const makers: KernelTable = {
  Fill: ({ graph, attrs }) => {
    const dtype = ((attrs.dtype as string | undefined) ?? "float32") as DType;
    return graph.uniform({ dtype, shape: attrs.shape as number[] }, Number(attrs.value));
  },
  Range: ({ graph, attrs }) => {
    const {
      start,
      stop,
      step,
      dtype = "float32",
    } = attrs as { start: number; stop: number; step: number; dtype?: string };
    const direction = start < stop && step === undefined ? 1 : (step ?? 1);
    const count = Math.max(0, Math.ceil((stop - start) / direction));
    const values = Array.from({ length: count }, (_, i) => start + i * direction);
    const data = dtype === "int32" ? Int32Array.from(values) : Float32Array.from(values);
    return graph.constant({ dtype: dtype as DType, shape: [count] }, data);
  },
  LinSpace: ({ graph, attrs }) => {
    const { start, stop, num } = attrs as { start: number; stop: number; num: number };
    const values = Array.from({ length: num }, (_, i) => start + ((stop - start) / Math.max(1, num - 1)) * i);
    return graph.constant({ dtype: "float32", shape: [num] }, Float32Array.from(values));
  },
};

/** Lowerings of this family. */
export const shapes: KernelTable = { ...movers, ...makers };
