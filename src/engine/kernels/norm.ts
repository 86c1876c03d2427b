/** @file Lowerings of the kernels behind `ops.ts`: layer norm, RMS norm and GELU as ONNX Runtime's fused operators. */

import { float, int } from "../graph.ts";
import type { Graph, Value } from "../graph.ts";
import type { KernelCall, KernelTable } from "./call.ts";
import { add, mul, unary } from "./elementwise.ts";
import { reduce } from "./reduction.ts";

/** Names under which `ops.ts` calls these kernels. */
export const LAYER_NORM = "ReverieLayerNorm";
export const RMS_NORM = "ReverieRmsNorm";
export const GELU = "ReverieGelu";

const rowShape = (x: Value): number[] => [...x.shape.slice(0, -1), 1];

/** [y, mean, 1 / deviation]; the last two have one element per row. */
function layerNorm({ graph, inputs: { x, gain, bias }, attrs }: KernelCall): readonly Value[] {
  const row = { dtype: x.dtype, shape: rowShape(x) };
  return graph.add({
    op: "LayerNormalization",
    inputs: [x, gain, bias],
    outputs: [x, row, row],
    attributes: { axis: int(-1), epsilon: float(attrs.epsilon as number) },
  });
}

/** [y, 1 / root mean square]. The fused operator is ONNX Runtime's own. */
function rmsNorm({ graph, inputs: { x, gain }, attrs }: KernelCall): readonly Value[] {
  const row = { dtype: x.dtype, shape: rowShape(x) };
  if (!graph.portable) {
    const attributes = { axis: int(-1), epsilon: float(attrs.epsilon as number) };
    return graph.add({
      op: "SimplifiedLayerNormalization",
      inputs: [x, gain],
      outputs: [x, row],
      attributes,
    });
  }
  const axes = [x.shape.length - 1];
  const meanSquare = reduce(graph, "ReduceMean", mul(graph, x, x), { axes, keepDims: true });
  const root = unary(graph, "Sqrt", add(graph, meanSquare, graph.scalar(attrs.epsilon as number)));
  const inverse = unary(graph, "Reciprocal", root);
  return [mul(graph, mul(graph, x, inverse), gain), inverse];
}

function gelu(graph: Graph, x: Value): Value {
  if (!graph.portable)
    return graph.add({ op: "Gelu", domain: "com.microsoft", inputs: [x], outputs: [x] })[0];
  const share = add(graph, unary(graph, "Erf", mul(graph, x, graph.scalar(Math.SQRT1_2))), graph.scalar(1));
  return mul(graph, mul(graph, x, graph.scalar(0.5)), share);
}

/** Lowerings of this family. */
export const norms: KernelTable = {
  [LAYER_NORM]: layerNorm,
  [RMS_NORM]: rmsNorm,
  [GELU]: ({ graph, inputs: { x } }) => gelu(graph, x),
};
