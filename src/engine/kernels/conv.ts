/** @file Convolutions of two and three spatial axes, plain and depthwise, and their gradients; tfjs's NHWC around ONNX's NCHW. */

import { int, ints } from "../graph.ts";
import type { Graph, Value } from "../graph.ts";
import { fail } from "../../core/errors.ts";
import { tf } from "../tfjs.ts";
import type { KernelCall, KernelTable } from "./call.ts";
import { mul } from "./elementwise.ts";
import { finishFused, matmul } from "./matmul.ts";
import { reduce } from "./reduction.ts";
import { concat, pad, reshape, slice, transpose } from "./shape.ts";

/** The geometry of one convolution or pooling; one entry per spatial axis. */
export interface Window {
  /** Sizes of the input, `[N, ...spatial, C]`. */
  readonly inShape: readonly number[];
  /** Sizes of the output, `[N, ...spatial, C]`. */
  readonly outShape: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

type Info2D = ReturnType<typeof tf.backend_util.computeConv2DInfo>;
type Info3D = ReturnType<typeof tf.backend_util.computeConv3DInfo>;

/** Geometry from tfjs's two-dimensional description. @throws NOT_SUPPORTED for channels-first data */
export function window2D(info: Info2D): Window {
  if (info.dataFormat === "channelsFirst") {
    fail({
      code: "NOT_SUPPORTED",
      what: "a convolution or pooling on channels-first (NCHW) data",
      expected: "NHWC, tfjs's default",
      fix: "transpose the data to NHWC",
    });
  }
  return {
    inShape: info.inShape,
    outShape: info.outShape,
    kernel: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    before: [info.padInfo.top, info.padInfo.left],
    after: [info.padInfo.bottom, info.padInfo.right],
  };
}

/** Geometry from tfjs's three-dimensional description. */
export function window3D(info: Info3D): Window {
  return {
    inShape: info.inShape,
    outShape: info.outShape,
    kernel: [info.filterDepth, info.filterHeight, info.filterWidth],
    strides: [info.strideDepth, info.strideHeight, info.strideWidth],
    dilations: [info.dilationDepth, info.dilationHeight, info.dilationWidth],
    before: [info.padInfo.front, info.padInfo.top, info.padInfo.left],
    after: [info.padInfo.back, info.padInfo.bottom, info.padInfo.right],
  };
}

const channelsFirst = (rank: number): number[] => [
  0,
  rank - 1,
  ...Array.from({ length: rank - 2 }, (_, i) => i + 1),
];
const channelsLast = (rank: number): number[] => [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];

/** `[N, ...spatial, C]` to `[N, C, ...spatial]`. */
export function toFirst(graph: Graph, x: Value): Value {
  return transpose(graph, x, channelsFirst(x.shape.length));
}

/** `[N, C, ...spatial]` to `[N, ...spatial, C]`. */
export function toLast(graph: Graph, x: Value): Value {
  return transpose(graph, x, channelsLast(x.shape.length));
}

/** ONNX's shape for tfjs's `[N, ...spatial, C]`. */
export function firstShape(shape: readonly number[], channels = shape[shape.length - 1]): number[] {
  return [shape[0], channels, ...shape.slice(1, -1)];
}

function geometry(window: Window): Record<string, ReturnType<typeof ints>> {
  const { kernel, strides, dilations, before, after } = window;
  return {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    dilations: ints(dilations),
    pads: ints([...before, ...after]),
  };
}

/** Filter `[...spatial, in, out]` with its channels moved to the front: `[out, in, ...spatial]` or `[in, out, ...spatial]`. */
function filterFirst(graph: Graph, filter: Value, order: "out-in" | "in-out"): Value {
  const spatial = filter.shape.length - 2;
  const channels = order === "out-in" ? [spatial + 1, spatial] : [spatial, spatial + 1];
  return transpose(graph, filter, [...channels, ...Array.from({ length: spatial }, (_, i) => i)]);
}

function forward(graph: Graph, x: Value, filter: Value, window: Window): Value {
  const shape = firstShape(window.outShape, filter.shape[filter.shape.length - 1]);
  const inputs = [toFirst(graph, x), filterFirst(graph, filter, "out-in")];
  return toLast(graph, graph.op("Conv", inputs, { dtype: x.dtype, shape }, geometry(window)));
}

/** Transposed convolution of `dy` (channels first) back to the input's size. */
function spreadBack(graph: Graph, dy: Value, weight: Value, spec: { window: Window; group: number }): Value {
  const { window, group } = spec;
  const spatial = window.kernel.map((_, i) => i);
  const reach = (i: number): number =>
    (window.outShape[i + 1] - 1) * window.strides[i] + (window.kernel[i] - 1) * window.dilations[i] + 1;
  const missing = spatial.map((i) => window.inShape[i + 1] - (reach(i) - window.before[i] - window.after[i]));
  const shape = firstShape(window.inShape);
  const attributes = { ...geometry(window), output_padding: ints(missing), group: int(group) };
  return graph.op("ConvTranspose", [dy, weight], { dtype: dy.dtype, shape }, attributes);
}

function backToInput(graph: Graph, dy: Value, filter: Value, window: Window): Value {
  const weight = filterFirst(graph, filter, "out-in");
  return toLast(graph, spreadBack(graph, toFirst(graph, dy), weight, { window, group: 1 }));
}

/** All positions of the kernel, last axis fastest. */
function positions(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (list, size) => list.flatMap((at) => Array.from({ length: size }, (_, i) => [...at, i])),
    [[]],
  );
}

/** For each kernel position, the input elements that it meets: a strided slice `[N, ...out, C]` of the padded input. */
function shifted(graph: Graph, x: Value, window: Window): Value[] {
  const margins = window.kernel.map((_, i): [number, number] => [window.before[i], window.after[i]]);
  const padded = pad(graph, x, [[0, 0], ...margins, [0, 0]], 0);
  const channels = x.shape[x.shape.length - 1];
  return positions(window.kernel).map((at) => {
    const starts = at.map((offset, i) => offset * window.dilations[i]);
    const ends = starts.map((start, i) => start + (window.outShape[i + 1] - 1) * window.strides[i] + 1);
    return slice(graph, padded, {
      starts: [0, ...starts, 0],
      ends: [x.shape[0], ...ends, channels],
      steps: [1, ...window.strides, 1],
      shape: [...window.outShape.slice(0, -1), channels],
    });
  });
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** One product of all patches with all output gradients: many times faster than ONNX's convolution of this form. */
function backToFilter(graph: Graph, x: Value, dy: Value, window: Window): Value {
  const count = product(window.outShape.slice(0, -1));
  const [channelsIn, channelsOut] = [x.shape[x.shape.length - 1], dy.shape[dy.shape.length - 1]];
  const slices = shifted(graph, x, window).map((part) => reshape(graph, part, [count, channelsIn]));
  const patches = concat(graph, slices, 1);
  const flat = reshape(graph, dy, [count, channelsOut]);
  const out = matmul(graph, { value: patches, transposed: true }, { value: flat, transposed: false });
  return reshape(graph, out, [...window.kernel, channelsIn, channelsOut]);
}

/** Depthwise weights `[...spatial, C, M]` as ONNX's `[C * M, 1, ...spatial]`. */
function depthwiseWeight(graph: Graph, filter: Value): Value {
  const first = filterFirst(graph, filter, "in-out");
  const [channels, multiplier, ...spatial] = first.shape;
  return reshape(graph, first, [channels * multiplier, 1, ...spatial]);
}

function depthwise(graph: Graph, x: Value, filter: Value, window: Window): Value {
  const shape = firstShape(window.outShape);
  const attributes = { ...geometry(window), group: int(x.shape[x.shape.length - 1]) };
  const inputs = [toFirst(graph, x), depthwiseWeight(graph, filter)];
  return toLast(graph, graph.op("Conv", inputs, { dtype: x.dtype, shape }, attributes));
}

function depthwiseToFilter(graph: Graph, x: Value, dy: Value, window: Window): Value {
  const channels = x.shape[x.shape.length - 1];
  const multiplier = dy.shape[dy.shape.length - 1] / channels;
  const count = product(window.outShape.slice(0, -1));
  const stacked = shifted(graph, x, window).map((part) => reshape(graph, part, [1, count, channels, 1]));
  const products = mul(
    graph,
    concat(graph, stacked, 0),
    reshape(graph, dy, [1, count, channels, multiplier]),
  );
  return reshape(graph, reduce(graph, "ReduceSum", products, { axes: [1] }), [
    ...window.kernel,
    channels,
    multiplier,
  ]);
}

type Attrs = Readonly<Record<string, never>>;

function plainWindow(
  { attrs }: KernelCall,
  inShape: readonly number[],
  filterShape: readonly number[],
): Window {
  const { strides, pad: padding, dilations, dimRoundingMode, dataFormat } = attrs as Attrs;
  const format = tf.backend_util.convertConv2DDataFormat(dataFormat ?? "NHWC");
  const shapes = [[...inShape], [...filterShape]] as [
    [number, number, number, number],
    [number, number, number, number],
  ];
  return window2D(
    tf.backend_util.computeConv2DInfo(
      ...shapes,
      strides,
      dilations ?? 1,
      padding,
      dimRoundingMode,
      false,
      format,
    ),
  );
}

function depthwiseWindow(
  { attrs }: KernelCall,
  inShape: readonly number[],
  filterShape: readonly number[],
): Window {
  const { strides, pad: padding, dilations, dimRoundingMode } = attrs as Attrs;
  const shapes = [[...inShape], [...filterShape]] as [
    [number, number, number, number],
    [number, number, number, number],
  ];
  return window2D(
    tf.backend_util.computeConv2DInfo(
      ...shapes,
      strides,
      dilations ?? [1, 1],
      padding,
      dimRoundingMode,
      true,
    ),
  );
}

function deepWindow(
  { attrs }: KernelCall,
  inShape: readonly number[],
  filterShape: readonly number[],
): Window {
  const { strides, pad: padding, dilations } = attrs as Attrs;
  const info = tf.backend_util.computeConv3DInfo(
    inShape as never,
    filterShape as never,
    strides,
    dilations ?? 1,
    padding,
  );
  return window3D(info);
}

/** Lowerings of this family. */
export const convolutions: KernelTable = {
  Conv2D: (call) => {
    const { x, filter } = call.inputs;
    return forward(call.graph, x, filter, plainWindow(call, x.shape, filter.shape));
  },
  FusedConv2D: (call) => {
    const { x, filter } = call.inputs;
    const out = forward(call.graph, x, filter, plainWindow(call, x.shape, filter.shape));
    return finishFused(call.graph, out, call.inputs, call.attrs);
  },
  Conv2DBackpropInput: (call) => {
    const { dy, filter } = call.inputs;
    return backToInput(
      call.graph,
      dy,
      filter,
      plainWindow(call, call.attrs.inputShape as number[], filter.shape),
    );
  },
  Conv2DBackpropFilter: (call) => {
    const { x, dy } = call.inputs;
    return backToFilter(call.graph, x, dy, plainWindow(call, x.shape, call.attrs.filterShape as number[]));
  },
  DepthwiseConv2dNative: (call) => {
    const { x, filter } = call.inputs;
    return depthwise(call.graph, x, filter, depthwiseWindow(call, x.shape, filter.shape));
  },
  FusedDepthwiseConv2D: (call) => {
    const { x, filter } = call.inputs;
    const out = depthwise(call.graph, x, filter, depthwiseWindow(call, x.shape, filter.shape));
    return finishFused(call.graph, out, call.inputs, call.attrs);
  },
  DepthwiseConv2dNativeBackpropInput: (call) => {
    const { graph, inputs, attrs } = call;
    const window = depthwiseWindow(call, attrs.inputShape as number[], inputs.filter.shape);
    const weight = depthwiseWeight(graph, inputs.filter);
    const group = window.inShape[window.inShape.length - 1];
    return toLast(graph, spreadBack(graph, toFirst(graph, inputs.dy), weight, { window, group }));
  },
  DepthwiseConv2dNativeBackpropFilter: (call) => {
    const { x, dy } = call.inputs;
    return depthwiseToFilter(
      call.graph,
      x,
      dy,
      depthwiseWindow(call, x.shape, call.attrs.filterShape as number[]),
    );
  },
  Conv3D: (call) => {
    const { x, filter } = call.inputs;
    return forward(call.graph, x, filter, deepWindow(call, x.shape, filter.shape));
  },
  Conv3DBackpropInputV2: (call) => {
    const { dy, filter } = call.inputs;
    return backToInput(
      call.graph,
      dy,
      filter,
      deepWindow(call, call.attrs.inputShape as number[], filter.shape),
    );
  },
  Conv3DBackpropFilterV2: (call) => {
    const { x, dy } = call.inputs;
    return backToFilter(call.graph, x, dy, deepWindow(call, x.shape, call.attrs.filterShape as number[]));
  },
};
