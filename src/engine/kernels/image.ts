/** @file Kernels on images and blocks: resizing, space/batch/depth regrouping, batch and local response normalisation. */

import { sizeOf } from "../../core/ndarray.ts";
import type { Graph, Value } from "../graph.ts";
import { tf } from "../tfjs.ts";
import type { KernelCall, KernelTable } from "./call.ts";
import { add, binary, mul, sub, unary } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { pad, reshape, reverse, slice, transpose } from "./shape.ts";

interface Resizing {
  readonly nearest: boolean;
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

function resizingOf(nearest: boolean, attrs: KernelCall["attrs"]): Resizing {
  return {
    nearest,
    alignCorners: attrs.alignCorners === true,
    halfPixelCenters: attrs.halfPixelCenters === true,
  };
}

/** Where output element `i` looks in the input, by tfjs's three conventions. */
function sourceAt(i: number, [from, to]: readonly [number, number], how: Resizing): number {
  const scale = how.alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  if (!how.halfPixelCenters) return i * scale;
  return how.nearest ? (i + 0.5) * scale : (i + 0.5) * scale - 0.5;
}

/** Resizing one axis is a product with this `[to, from]` matrix of shares. */
function resizeMatrix(graph: Graph, sizes: readonly [number, number], how: Resizing): Value {
  const [from, to] = sizes;
  const shares = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const at = sourceAt(i, sizes, how);
    if (how.nearest) {
      const row = Math.min(from - 1, how.alignCorners ? Math.round(at) : Math.floor(at));
      shares[i * from + Math.max(0, row)] = 1;
      continue;
    }
    const low = Math.max(0, Math.floor(at));
    const high = Math.min(from - 1, Math.ceil(at));
    shares[i * from + low] += 1 - (at - low);
    shares[i * from + high] += at - low;
  }
  return graph.constant({ dtype: "float32", shape: [to, from] }, shares);
}

/** rows · x · columns over the spatial axes of `x` float32 [B, H, W, C]. */
function resample(graph: Graph, x: Value, rows: Value, columns: Value): Value {
  const [b, h, w, c] = x.shape;
  const flat = reshape(graph, x, [b, h, w * c]);
  const tall = matmul(graph, { value: rows, transposed: false }, { value: flat, transposed: false });
  const height = rows.shape[0];
  const wide = reshape(graph, tall, [b * height, w, c]);
  const out = matmul(graph, { value: columns, transposed: false }, { value: wide, transposed: false });
  return reshape(graph, out, [b, height, columns.shape[0], c]);
}

function resize({ graph, inputs: { images }, attrs }: KernelCall, nearest: boolean): Value {
  const [height, width] = attrs.size as [number, number];
  const how = resizingOf(nearest, attrs);
  const [, h, w] = images.shape;
  return resample(graph, images, resizeMatrix(graph, [h, height], how), resizeMatrix(graph, [w, width], how));
}

function resizeGradient({ graph, inputs: { images, dy }, attrs }: KernelCall, nearest: boolean): Value {
  const how = resizingOf(nearest, attrs);
  const back = (axis: number): Value =>
    transpose(graph, resizeMatrix(graph, [images.shape[axis], dy.shape[axis]], how), [1, 0]);
  return resample(graph, dy, back(1), back(2));
}

const resizers: KernelTable = {
  ResizeBilinear: (call) => resize(call, false),
  ResizeNearestNeighbor: (call) => resize(call, true),
  ResizeBilinearGrad: (call) => resizeGradient(call, false),
  ResizeNearestNeighborGrad: (call) => resizeGradient(call, true),
};

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

const blocks: KernelTable = {
  SpaceToBatchND: ({ graph, inputs: { x }, attrs }) => {
    const blockShape = attrs.blockShape as number[];
    const paddings = attrs.paddings as [number, number][];
    const rest = x.shape.slice(1 + blockShape.length);
    const padded = pad(graph, x, [[0, 0], ...paddings, ...rest.map((): [number, number] => [0, 0])], 0);
    const split = tf.backend_util.getReshaped([...padded.shape], blockShape, product(blockShape), false);
    const perm = tf.backend_util.getPermuted(split.length, blockShape.length, false);
    const shape = tf.backend_util.getReshapedPermuted(
      [...padded.shape],
      blockShape,
      product(blockShape),
      false,
    );
    return reshape(graph, transpose(graph, reshape(graph, padded, split), perm), shape);
  },
  BatchToSpaceND: ({ graph, inputs: { x }, attrs }) => {
    const blockShape = attrs.blockShape as number[];
    const crops = attrs.crops as number[][];
    const split = tf.backend_util.getReshaped([...x.shape], blockShape, product(blockShape));
    const perm = tf.backend_util.getPermuted(split.length, blockShape.length);
    const whole = tf.backend_util.getReshapedPermuted([...x.shape], blockShape, product(blockShape));
    const joined = reshape(graph, transpose(graph, reshape(graph, x, split), perm), whole);
    const starts = tf.backend_util.getSliceBeginCoords(crops, blockShape.length);
    const shape = tf.backend_util.getSliceSize(whole, crops, blockShape.length);
    const begin = whole.map((_, i) => starts[i] ?? 0);
    const size = whole.map((all, i) => shape[i] ?? all);
    const ends = begin.map((start, i) => start + size[i]);
    return slice(graph, joined, { starts: begin, ends, steps: whole.map(() => 1), shape: size });
  },
  FlipLeftRight: ({ graph, inputs: { image } }) => reverse(graph, image, [2]),
  DepthToSpace: ({ graph, inputs: { x }, attrs }) => {
    const [b, h, w, c] = x.shape;
    const block = attrs.blockSize as number;
    const depth = c / (block * block);
    const split = reshape(graph, x, [b, h, w, block, block, depth]);
    return reshape(graph, transpose(graph, split, [0, 1, 3, 2, 4, 5]), [b, h * block, w * block, depth]);
  },
};

/** Sums over each channel's neighbours, as a product with a band of ones. */
function neighbourSum(graph: Graph, x: Value, radius: number): Value {
  const channels = x.shape[x.shape.length - 1];
  const band = Float32Array.from({ length: channels * channels }, (_, i) =>
    Math.abs(Math.floor(i / channels) - (i % channels)) <= radius ? 1 : 0,
  );
  const matrix = graph.constant({ dtype: "float32", shape: [channels, channels] }, band);
  const flat = reshape(graph, x, [sizeOf(x.shape) / channels, channels]);
  return reshape(
    graph,
    matmul(graph, { value: flat, transposed: false }, { value: matrix, transposed: false }),
    x.shape,
  );
}

interface Response {
  readonly depthRadius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

function responseNorm(graph: Graph, x: Value, { depthRadius, bias, alpha }: Response): Value {
  const sums = neighbourSum(graph, mul(graph, x, x), depthRadius);
  return add(graph, mul(graph, sums, graph.scalar(alpha)), graph.scalar(bias));
}

const power = (graph: Graph, x: Value, exponent: number): Value =>
  binary(graph, "Pow", [x, graph.scalar(exponent)]);

const norms: KernelTable = {
  FusedBatchNorm: ({ graph, inputs, attrs }) => {
    const { x, mean, variance, offset, scale } = inputs;
    const epsilon = graph.scalar((attrs.varianceEpsilon as number | undefined) ?? 0.001);
    const deviation = unary(graph, "Sqrt", add(graph, variance, epsilon));
    const inverse = unary(graph, "Reciprocal", deviation);
    const factor = scale === undefined ? inverse : mul(graph, inverse, scale);
    const out = mul(graph, sub(graph, x, mean), factor);
    return offset === undefined ? out : add(graph, out, offset);
  },
  LRN: ({ graph, inputs: { x }, attrs }) => {
    const response = attrs as unknown as Response;
    return mul(graph, x, power(graph, responseNorm(graph, x, response), -response.beta));
  },
  LRNGrad: ({ graph, inputs: { x, dy }, attrs }) => {
    const response = attrs as unknown as Response;
    const norm = responseNorm(graph, x, response);
    const own = mul(graph, dy, power(graph, norm, -response.beta));
    const shared = mul(graph, mul(graph, dy, x), power(graph, norm, -response.beta - 1));
    const spread = neighbourSum(graph, shared, response.depthRadius);
    return sub(
      graph,
      own,
      mul(graph, mul(graph, x, spread), graph.scalar(2 * response.alpha * response.beta)),
    );
  },
};

/** Lowerings of this family. */
export const images: KernelTable = { ...resizers, ...blocks, ...norms };
