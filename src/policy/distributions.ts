/** @file Action distributions inside a trace: the tanh-squashed Gaussian. */

import { tf, type Tensor } from "../engine/jit.ts";

/** Means [B, A] before squashing and log standard deviations [A] (or [B, A]). */
export interface TanhGaussian {
  readonly mean: Tensor;
  readonly logStd: Tensor;
}

const EDGE = 1 - 1e-5;

/** tanh(mean + std · noise), noise [B, A] standard normal; kept off ±1 so that its density is finite. */
export function sampleAction(d: TanhGaussian, noise: Tensor): Tensor {
  const raw = tf.add(d.mean, tf.mul(tf.exp(d.logStd), noise));
  return tf.clipByValue(tf.tanh(raw), -EDGE, EDGE);
}

/** Log density of actions [B, A] in (-1, 1): [B]. @source Haarnoja et al. 2018, Soft Actor-Critic, appendix C */
export function logProbability(d: TanhGaussian, actions: Tensor): Tensor {
  const squashed = tf.clipByValue(actions, -EDGE, EDGE);
  const raw = tf.mul(0.5, tf.sub(tf.log1p(squashed), tf.log1p(tf.neg(squashed))));
  const z = tf.div(tf.sub(raw, d.mean), tf.exp(d.logStd));
  const gaussian = tf.sub(tf.mul(-0.5, tf.square(z)), tf.add(d.logStd, 0.5 * Math.log(2 * Math.PI)));
  const jacobian = tf.log(tf.add(tf.sub(1, tf.square(squashed)), 1e-6));
  return tf.sum(tf.sub(gaussian, jacobian), -1);
}

/** Entropy of the Gaussian before squashing, summed over dimensions; a scalar for a shared [A] deviation. */
export function gaussianEntropy(d: TanhGaussian): Tensor {
  return tf.mean(tf.sum(tf.add(d.logStd, 0.5 * Math.log(2 * Math.PI * Math.E)), -1));
}
