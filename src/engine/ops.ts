/** @file Functions over tensors that run as one fused operator forward and have a hand-written gradient: norms and GELU. */

import { registerRule } from "./gradients.ts";
import { GELU, LAYER_NORM, RMS_NORM } from "./kernels/norm.ts";
import { activeTrace } from "./tracer.ts";
import { tf } from "./tfjs.ts";
import type { Tensor } from "./tfjs.ts";

const perRow = (x: Tensor): Tensor => tf.mean(x, -1, true);

/** As [rows, width]. */
function flat(x: Tensor): Tensor {
  return tf.reshape(x, [-1, x.shape[x.shape.length - 1]]);
}

/** Is the gradient that tfjs fills in for an output that nobody used? */
function isZero(x: Tensor): boolean {
  return activeTrace()?.valueOf(x).uniform === 0;
}

/** Σ over the last axis of x · gain / width, as a product that writes one number per row. */
function weightedMean(x: Tensor, gain: Tensor): Tensor {
  const width = gain.shape[0];
  const sums = tf.matMul(flat(x), tf.reshape(tf.div(gain, width), [width, 1]));
  return tf.reshape(sums, [...x.shape.slice(0, -1), 1]);
}

/** Gradients of [y, mean, inverse]; those of the statistics flow only in derivatives of higher order. */
function layerNormGradient(
  dys: readonly Tensor[],
  [x, gain, mean, inverse]: readonly Tensor[],
): Record<string, () => Tensor> {
  const [dy, dMean, dInverse] = dys;
  const standard = tf.mul(tf.sub(x, mean), inverse);
  const products = tf.mul(dy, standard);
  const input = (): Tensor => {
    const centred = tf.sub(tf.mul(dy, gain), weightedMean(dy, gain));
    let dx: Tensor = tf.mul(tf.sub(centred, tf.mul(standard, weightedMean(products, gain))), inverse);
    const width = gain.shape[0];
    if (!isZero(dMean)) dx = tf.add(dx, tf.div(dMean, width));
    if (!isZero(dInverse)) {
      dx = tf.sub(dx, tf.mul(standard, tf.div(tf.mul(dInverse, tf.square(inverse)), width)));
    }
    return dx;
  };
  return { x: input, gain: () => tf.sum(flat(products), 0), bias: () => tf.sum(flat(dy), 0) };
}

/** Gradients of [y, inverse]. */
function rmsNormGradient(
  dys: readonly Tensor[],
  [x, gain, inverse]: readonly Tensor[],
): Record<string, () => Tensor> {
  const [dy, dInverse] = dys;
  const standard = tf.mul(x, inverse);
  const products = tf.mul(dy, standard);
  const input = (): Tensor => {
    const dx = tf.mul(tf.sub(tf.mul(dy, gain), tf.mul(standard, weightedMean(products, gain))), inverse);
    if (isZero(dInverse)) return dx;
    return tf.sub(dx, tf.mul(standard, tf.div(tf.mul(dInverse, tf.square(inverse)), gain.shape[0])));
  };
  return { x: input, gain: () => tf.sum(flat(products), 0) };
}

const INVERSE_SQRT_2PI = 1 / Math.sqrt(2 * Math.PI);

/** The normal distribution's share below x. */
function normalShare(x: Tensor): Tensor {
  return tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
}

registerRule({
  kernel: LAYER_NORM,
  inputs: ["x", "gain"],
  outputs: [false, true, true],
  gradients: layerNormGradient,
});
registerRule({ kernel: RMS_NORM, inputs: ["x", "gain"], outputs: [false, true], gradients: rmsNormGradient });
registerRule({
  kernel: GELU,
  inputs: ["x"],
  gradients: ([dy], [x]) => ({
    x: () => {
      const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), INVERSE_SQRT_2PI);
      return tf.mul(dy, tf.add(normalShare(x), tf.mul(x, density)));
    },
  }),
});

function run(kernel: string, inputs: Record<string, Tensor>, attrs: Record<string, number> = {}): Tensor {
  const out: Tensor | Tensor[] = tf.engine().runKernel(kernel, inputs, attrs);
  return Array.isArray(out) ? out[0] : out;
}

/**
 * (x − mean) / √(variance + ε) · gain + bias over the last axis.
 * @param x float32 [..., D]
 * @param gain float32 [D]
 * @param bias float32 [D]
 * @source Ba, Kiros & Hinton 2016, Layer Normalization
 */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, epsilon = 1e-5): Tensor {
  if (activeTrace() !== undefined) return run(LAYER_NORM, { x, gain, bias }, { epsilon });
  const centred = tf.sub(x, perRow(x));
  const inverse = tf.rsqrt(tf.add(perRow(tf.square(centred)), epsilon));
  return tf.add(tf.mul(tf.mul(centred, inverse), gain), bias);
}

/**
 * x / √(mean of squares + ε) · gain over the last axis.
 * @param x float32 [..., D]
 * @param gain float32 [D]
 * @source Zhang & Sennrich 2019, Root Mean Square Layer Normalization
 */
export function rmsNorm(x: Tensor, gain: Tensor, epsilon = 1e-6): Tensor {
  if (activeTrace() !== undefined) return run(RMS_NORM, { x, gain }, { epsilon });
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(perRow(tf.square(x)), epsilon))), gain);
}

/** x · Φ(x), exact (by the error function). @source Hendrycks & Gimpel 2016, Gaussian Error Linear Units */
export function gelu(x: Tensor): Tensor {
  return activeTrace() === undefined ? tf.mul(x, normalShare(x)) : run(GELU, { x });
}
