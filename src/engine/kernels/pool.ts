/** @file Maximum and average pooling over two and three spatial axes, and their gradients. */

import { sizeOf } from "../../core/ndarray.ts";
import { int, ints, text } from "../graph.ts";
import type { Graph, Value } from "../graph.ts";
import { tf } from "../tfjs.ts";
import type { KernelCall, KernelTable, Lowering } from "./call.ts";
import { firstShape, toFirst, toLast, window2D, window3D } from "./conv.ts";
import type { Window } from "./conv.ts";
import { div } from "./elementwise.ts";
import { reshape } from "./shape.ts";

function poolWindow({ attrs, inputs }: KernelCall, depth: 2 | 3): Window {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as Readonly<Record<string, never>>;
  const shape = (inputs.x ?? inputs.input).shape as never;
  return depth === 2
    ? window2D(tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode))
    : window3D(tf.backend_util.computePool3DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode));
}

function geometry(window: Window): Record<string, ReturnType<typeof ints>> {
  return {
    kernel_shape: ints(window.kernel),
    strides: ints(window.strides),
    pads: ints([...window.before, ...window.after]),
  };
}

const maxPool =
  (depth: 2 | 3): Lowering =>
  (call) => {
    const { graph, inputs } = call;
    const window = poolWindow(call, depth);
    const output = { dtype: inputs.x.dtype, shape: firstShape(window.outShape) };
    return toLast(graph, graph.op("MaxPool", [toFirst(graph, inputs.x)], output, geometry(window)));
  };

/** The winners' places, counted through the whole channels-first input; the gradient is added there. */
const maxPoolGradient =
  (depth: 2 | 3): Lowering =>
  (call) => {
    const { graph, inputs } = call;
    const window = poolWindow(call, depth);
    const shape = firstShape(window.outShape);
    const [, places] = graph.add({
      op: "MaxPool",
      inputs: [toFirst(graph, inputs.input)],
      outputs: [
        { dtype: "float32", shape },
        { dtype: "int64", shape },
      ],
      attributes: geometry(window),
    });
    const size = sizeOf(window.inShape);
    const base = graph.uniform({ dtype: "float32", shape: [size] }, 0);
    const at = reshape(graph, places, [sizeOf(shape)]);
    const updates = reshape(graph, toFirst(graph, inputs.dy), [sizeOf(shape)]);
    const sums = graph.op("ScatterElements", [base, at, updates], base, {
      axis: int(0),
      reduction: text("add"),
    });
    return toLast(graph, reshape(graph, sums, firstShape(window.inShape)));
  };

const averagePool =
  (depth: 2 | 3): Lowering =>
  (call) => {
    const { graph, inputs } = call;
    const window = poolWindow(call, depth);
    const output = { dtype: inputs.x.dtype, shape: firstShape(window.outShape) };
    return toLast(graph, graph.op("AveragePool", [toFirst(graph, inputs.x)], output, geometry(window)));
  };

/** How many input elements each output averages; fewer at padded edges. `[1, 1, ...out]` */
function counts(graph: Graph, window: Window): Value {
  const along = window.kernel.map((size, axis) =>
    Array.from({ length: window.outShape[axis + 1] }, (_, i) => {
      const start = i * window.strides[axis] - window.before[axis];
      return Math.min(start + size, window.inShape[axis + 1]) - Math.max(start, 0);
    }),
  );
  const all = along.reduce((list, sizes) => list.flatMap((a) => sizes.map((b) => a * b)), [1]);
  const shape = [1, 1, ...window.outShape.slice(1, -1)];
  return graph.constant({ dtype: "float32", shape }, Float32Array.from(all));
}

const averagePoolGradient =
  (depth: 2 | 3): Lowering =>
  (call) => {
    const { graph, inputs } = call;
    const window = poolWindow(call, depth);
    const channels = window.inShape[window.inShape.length - 1];
    const shares = div(graph, toFirst(graph, inputs.dy), counts(graph, window));
    const weight = graph.uniform({ dtype: "float32", shape: [channels, 1, ...window.kernel] }, 1);
    const missing = window.kernel.map((size, i) => {
      const reach = (window.outShape[i + 1] - 1) * window.strides[i] + size;
      return window.inShape[i + 1] - (reach - window.before[i] - window.after[i]);
    });
    const attributes = { ...geometry(window), output_padding: ints(missing), group: int(channels) };
    const output = { dtype: "float32", shape: firstShape(window.inShape) } as const;
    return toLast(graph, graph.op("ConvTranspose", [shares, weight], output, attributes));
  };

/** Lowerings of this family. */
export const pools: KernelTable = {
  MaxPool: maxPool(2),
  MaxPoolGrad: maxPoolGradient(2),
  MaxPool3D: maxPool(3),
  MaxPool3DGrad: maxPoolGradient(3),
  AvgPool: averagePool(2),
  AvgPoolGrad: averagePoolGradient(2),
  AvgPool3D: averagePool(3),
  AvgPool3DGrad: averagePoolGradient(3),
};
