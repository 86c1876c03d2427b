/** @file Rectified flow over the next latent: noising, few-step Euler sampling, and the deterministic form as its limit. */

import { tf, type Tensor } from "../engine/jit.ts";
import { denoise, type Context, type DenoiserConfig, type DenoiserParams, type Outcome } from "./denoiser.ts";

/** (1 − τ)·noise + τ·clean for latents [B, D] and times [B]. @source Liu et al. 2023, Flow Straight and Fast, eq. 1 */
export function noiseLatent(clean: Tensor, noise: Tensor, time: Tensor): Tensor {
  const tau = tf.reshape(time, [-1, 1]);
  return tf.add(tf.mul(noise, tf.sub(1, tau)), tf.mul(clean, tau));
}

/**
 * Draw the next latent. Deterministic: one pass, `noise` unused. Flow: `samplingSteps` Euler steps from `noise` [B, D];
 * the network predicts the clean latent, its velocity is (clean − current) / (1 − τ). Reward and end come from the last pass.
 */
export function sampleNext(
  p: DenoiserParams<Tensor>,
  config: DenoiserConfig,
  context: Context,
  noise?: Tensor,
): Outcome {
  if (config.form === "deterministic" || noise === undefined) return denoise(p, config, context);
  const batch = noise.shape[0];
  const steps = config.samplingSteps;
  let current = noise;
  let outcome: Outcome | undefined;
  for (let i = 0; i < steps; i++) {
    const tau = i / steps;
    outcome = denoise(p, config, context, { latent: current, time: tf.fill([batch], tau) });
    const velocity = tf.div(tf.sub(outcome.latent, current), 1 - tau);
    current = tf.add(current, tf.div(velocity, steps)) as Tensor;
  }
  return { ...(outcome as Outcome), latent: current };
}
