/** @file Rectified flow over the next latent: noising, few-step Euler sampling, and the deterministic form as its limit. */

import { stopGradient, tf, type Tensor } from "../../engine/jit.ts";
import { zeros, type NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import { denoise, type Context, type DenoiserConfig, type DenoiserParams, type Outcome } from "./denoiser.ts";

/** (1 − τ)·noise + τ·clean for latents [B, D] and times [B]. @source Liu et al. 2023, Flow Straight and Fast, eq. 1 */
export function noiseLatent(clean: Tensor, noise: Tensor, time: Tensor): Tensor {
  const tau = tf.reshape(time, [-1, 1]);
  return tf.add(tf.mul(noise, tf.sub(1, tau)), tf.mul(clean, tau));
}

/**
 * Draw the next latent. Deterministic: one pass, `noise` unused. Flow: `samplingSteps` Euler steps from `noise` [B, D]
 * (τ = 0) to the latent (τ = 1); the network predicts the clean latent, its velocity is (clean − current) / (1 − τ).
 * State, reward and end come from the last pass. Gradients reach the weights through the last pass alone.
 */
export function sampleNext(
  p: DenoiserParams<Tensor>,
  config: DenoiserConfig,
  context: Context,
  noise?: Tensor,
): Outcome {
  if (config.form === "deterministic") return denoise(p, config, context);
  let current = noise as Tensor;
  const batch = current.shape[0];
  const steps = config.samplingSteps;
  let outcome: Outcome | undefined;
  for (let i = 0; i < steps; i++) {
    const tau = i / steps;
    const noised = { latent: stopGradient(current), time: tf.fill([batch], tau) };
    outcome = denoise(p, config, context, noised);
    const velocity = tf.div(tf.sub(outcome.latent, current), 1 - tau);
    current = tf.add(current, tf.div(velocity, steps));
  }
  return { ...(outcome as Outcome), latent: current };
}

/** Unit noise [B, width]: from one generator for all rows, or from each row's own. */
export function drawNoise(rng: Rng | readonly Rng[], batch: number, width: number): NdArray<"float32"> {
  const noise = zeros("float32", [batch, width]);
  if (rng instanceof Rng) rng.fillNormal(noise.data);
  else rng.forEach((own, b) => own.fillNormal(noise.data.subarray(b * width, (b + 1) * width)));
  return noise;
}
