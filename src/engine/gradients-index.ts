/** @file Gradients that tfjs lacks: look-ups and scatters by coordinates, top-k, strided slices, running products, Einstein sums. */

import { fail } from "../core/errors.ts";
import { tf } from "./tfjs.ts";
import type { Tensor } from "./tfjs.ts";

/** Gradients by tfjs's input names, each computed only where it is needed. */
export type GradientMap = Record<string, () => Tensor>;

type Attrs = Readonly<Record<string, unknown>>;

/** One kernel's gradient. */
export interface Rule {
  readonly kernel: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly boolean[];
  /** One gradient per output; `saved` holds the inputs asked for, then the outputs. */
  readonly gradients: (dys: readonly Tensor[], saved: readonly Tensor[], attrs: Attrs) => GradientMap;
}

/** Each picked value flows back to the element it came from. */
function topKGradient(dy: Tensor, x: Tensor, indices: Tensor): Tensor {
  const chosen = tf.oneHot(tf.cast(indices, "int32"), x.shape[x.shape.length - 1], 1, 0, "float32");
  return tf.sum(tf.mul(chosen, tf.expandDims(dy, -1)), -2);
}

/** The same slice of the elements' own numbers says where each gradient belongs. */
function stridedSliceGradient(dy: Tensor, x: Tensor, a: Attrs): Tensor {
  const numbers = tf.reshape(tf.range(0, x.size, 1, "int32"), x.shape);
  const masks = ["beginMask", "endMask", "ellipsisMask", "newAxisMask", "shrinkAxisMask"].map(
    (m) => a[m] as number,
  );
  const picked = tf.stridedSlice(
    numbers,
    a.begin as number[],
    a.end as number[],
    a.strides as number[],
    ...(masks as [number, number, number, number, number]),
  );
  const sums = tf.unsortedSegmentSum(tf.reshape(dy, [-1]), tf.reshape(picked, [-1]), x.size);
  return tf.reshape(sums, x.shape);
}

/** As TensorFlow has it: undefined (zero here) where an element is zero. */
function cumprodGradient(dy: Tensor, x: Tensor, attrs: Attrs): Tensor {
  const { axis, exclusive, reverse } = attrs as { axis: number; exclusive: boolean; reverse: boolean };
  const products = tf.cumprod(x, axis, exclusive, reverse);
  return tf.divNoNan(tf.cumsum(tf.mul(products, dy), axis, exclusive, !reverse), x);
}

/** An operand's gradient is the sum over the output and the other operands; labels that only it has are repeated. */
function einsumGradient(dy: Tensor, operands: readonly Tensor[], equation: string): GradientMap {
  const [left, right] = equation.replaceAll(" ", "").split("->");
  const labels = left.split(",");
  const entries = labels.map((own, i): [string, () => Tensor] => {
    if (new Set(own).size < own.length) {
      fail({
        code: "NOT_SUPPORTED",
        what: `the gradient of an Einstein sum with a repeated label, "${equation}"`,
      });
    }
    const rest = labels.filter((_, j) => j !== i);
    const others = operands.filter((_, j) => j !== i);
    const known = own
      .split("")
      .filter((label) => right.includes(label) || rest.some((list) => list.includes(label)));
    const back = (): Tensor => {
      const partial = tf.einsum(`${[right, ...rest].join(",")}->${known.join("")}`, dy, ...others);
      const shape = own.split("").map((label, axis) => (known.includes(label) ? operands[i].shape[axis] : 1));
      return tf.mul(tf.reshape(partial, shape), tf.ones(operands[i].shape));
    };
    return [String(i), back];
  });
  return Object.fromEntries(entries);
}

/** Rules for kernels that tfjs cannot differentiate. */
export const indexRules: readonly Rule[] = [
  {
    kernel: tf.GatherNd,
    inputs: ["params", "indices"],
    gradients: ([dy], [params, indices]) => ({
      params: () => tf.scatterND(indices, dy, params.shape),
      indices: () => tf.zeros(indices.shape),
    }),
  },
  {
    kernel: tf.ScatterNd,
    inputs: ["indices"],
    gradients: ([dy], [indices]) => ({
      indices: () => tf.zeros(indices.shape),
      updates: () => tf.gatherND(dy, indices),
    }),
  },
  {
    kernel: tf.TopK,
    inputs: ["x"],
    outputs: [false, true],
    gradients: ([dy], [x, indices]) => ({ x: () => topKGradient(dy, x, indices) }),
  },
  {
    kernel: tf.FlipLeftRight,
    gradients: ([dy]) => ({ image: () => tf.image.flipLeftRight(dy as tf.Tensor4D) }),
  },
  {
    kernel: tf.StridedSlice,
    inputs: ["x"],
    gradients: ([dy], [x], attrs) => ({ x: () => stridedSliceGradient(dy, x, attrs) }),
  },
  {
    kernel: tf.Einsum,
    gradients: ([dy], saved, attrs) => einsumGradient(dy, saved, attrs.equation as string),
  },
  {
    kernel: tf.Cumprod,
    inputs: ["x"],
    gradients: ([dy], [x], attrs) => ({ x: () => cumprodGradient(dy, x, attrs) }),
  },
];
