/** @file Linear layers, norms, embeddings and perceptrons: `initX` makes host parameters, `x` applies traced ones. */

import { tf, type Tensor } from "../engine/jit.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";

/** Weight [in, out], bias [out]; `adapter`: a change of rank r beside the weight, down [in, r] and up [r, out]. */
export interface Linear<T> {
  readonly weight: T;
  readonly bias: T;
  readonly adapter?: { readonly down: T; readonly up: T };
}

/** Gain [dim]. */
export interface Norm<T> {
  readonly gain: T;
}

/** Hidden layers and an output layer, in order. */
export type Mlp<T> = { readonly [layer: string]: Linear<T> };

/** float32 array of normal draws with standard deviation `std`. */
export function normalInit(rng: Rng, shape: readonly number[], std: number): NdArray<"float32"> {
  const out = zeros("float32", shape);
  rng.fillNormal(out.data);
  for (let i = 0; i < out.data.length; i++) out.data[i] *= std;
  return out;
}

/** Linear layer with variance-preserving weights scaled by `gain` (0 gives zeros). */
export function initLinear(rng: Rng, inputs: number, outputs: number, gain = 1): Linear<NdArray> {
  return {
    weight:
      gain === 0
        ? zeros("float32", [inputs, outputs])
        : normalInit(rng, [inputs, outputs], gain / Math.sqrt(inputs)),
    bias: zeros("float32", [outputs]),
  };
}

/** x [..., in] to [..., out]; leading axes are folded so that one matrix product does the work. */
export function linear(p: Linear<Tensor>, x: Tensor): Tensor {
  const [inputs, outputs] = p.weight.shape;
  const flat = x.rank === 2 ? x : tf.reshape(x, [-1, inputs]);
  const out = tf.add(tf.matMul(flat as never, p.weight as never), p.bias);
  const { adapter } = p;
  const adapted = adapter
    ? tf.add(out, tf.matMul(tf.matMul(flat as never, adapter.down as never), adapter.up as never))
    : out;
  return x.rank === 2 ? adapted : tf.reshape(adapted, [...x.shape.slice(0, -1), outputs]);
}

/** Unit gain. */
export function initNorm(dim: number): Norm<NdArray> {
  const gain = zeros("float32", [dim]);
  gain.data.fill(1);
  return { gain };
}

/** x / rms(x) · gain over the last axis. @source Zhang & Sennrich 2019, RMSNorm */
export function rmsNorm(p: Norm<Tensor>, x: Tensor): Tensor {
  const meanSquare = tf.mean(tf.square(x), -1, true);
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(meanSquare, 1e-6))), p.gain);
}

/** Perceptron over the given sizes: [in, hidden…, out]; the last layer is scaled by `outputGain`. */
export function initMlp(rng: Rng, sizes: readonly number[], outputGain = 1): Mlp<NdArray> {
  const layers: Record<string, Linear<NdArray>> = {};
  for (let i = 0; i + 1 < sizes.length; i++) {
    const last = i + 2 === sizes.length;
    layers[`layer${i}`] = initLinear(rng, sizes[i], sizes[i + 1], last ? outputGain : Math.SQRT2);
  }
  return layers;
}

/** ReLU (or another activation) between layers, none after the last. */
export function mlp(p: Mlp<Tensor>, x: Tensor, activation: (x: Tensor) => Tensor = tf.relu): Tensor {
  const layers = Object.values(p);
  return layers.reduce((h, layer, i) => {
    const out = linear(layer, h);
    return i + 1 < layers.length ? activation(out) : out;
  }, x);
}

/** Sinusoidal embedding of scalars t [B] in [0, 1] to [B, dim]. @source Vaswani et al. 2017, §3.5 */
export function timeEmbedding(t: Tensor, dim: number): Tensor {
  const half = dim / 2;
  const frequencies = tf.tensor1d(
    Array.from({ length: half }, (_, i) => 2 * Math.PI * 2 ** ((6 * i) / half - 1)),
  );
  const phases = tf.mul(tf.reshape(t, [-1, 1]), tf.reshape(frequencies, [1, half]));
  return tf.concat([tf.sin(phases), tf.cos(phases)], -1);
}
