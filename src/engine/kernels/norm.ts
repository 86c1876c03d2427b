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

/** [y, 1 / root mean square]. The fused operator is ONNX Runtime's own; only on the CPU is its second output right. */
function rmsNorm({ graph, inputs: { x, gain }, attrs }: KernelCall): readonly Value[] {
  const epsilon = attrs.epsilon as number;
  const fused = { op: "SimplifiedLayerNormalization", inputs: [x, gain] };
  const attributes = { axis: int(-1), epsilon: float(epsilon) };
  if (graph.target === "cpu") {
    return graph.add({ ...fused, outputs: [x, { dtype: x.dtype, shape: rowShape(x) }], attributes });
  }
  const meanSquare = reduce(graph, "ReduceMean", mul(graph, x, x), {
    axes: [x.shape.length - 1],
    keepDims: true,
  });
  const inverse = unary(
    graph,
    "Reciprocal",
    unary(graph, "Sqrt", add(graph, meanSquare, graph.scalar(epsilon))),
  );
  if (graph.target === "any") return [mul(graph, mul(graph, x, inverse), gain), inverse];
  return [graph.add({ ...fused, outputs: [x], attributes })[0], inverse];
}

function gelu(graph: Graph, x: Value): Value {
  if (graph.target !== "any")
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
