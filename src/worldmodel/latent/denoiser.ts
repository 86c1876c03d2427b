/**
 * @file The latent dynamics network: a window of latents, states and actions to the next latent, state, reward and end.
 *
 * The context's frames are stacked on channels, so that a step attends over one frame's tokens plus a readout token. The
 * flow form gets the noised next latent as further channels and its time in the condition; the deterministic form is the
 * same network without them.
 */

import { tf, type Tensor } from "../../engine/jit.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { fail } from "../../core/errors.ts";
import type { Rng } from "../../core/rng.ts";
import {
  initLinear,
  initMlp,
  initNorm,
  linear,
  mlp,
  normalInit,
  rmsNorm,
  timeEmbedding,
  type Linear,
  type Mlp,
  type Norm,
} from "../../nn/layers.ts";
import { initBlocks, transformer, type Blocks } from "../../nn/transformer.ts";

/** Architecture of one ensemble member; part of the checkpoint. */
export interface DenoiserConfig {
  /** "deterministic": one pass gives the next latent. "flow": rectified flow with `samplingSteps` Euler steps. */
  readonly form: "deterministic" | "flow";
  readonly contextLength: number;
  readonly tokens: number;
  readonly channels: number;
  readonly stateSize: number;
  readonly actionSize: number;
  readonly dim: number;
  readonly heads: number;
  readonly blocks: number;
  readonly samplingSteps: number;
}

/** Weights of one member. */
export interface DenoiserParams<T> {
  readonly embed: Linear<T>;
  readonly positions: T;
  readonly condition: Mlp<T>;
  readonly blocks: Blocks<T>;
  readonly norm: Norm<T>;
  readonly output: Linear<T>;
  readonly readout: Mlp<T>;
}

/** A window: latents [B, K, N·C], states [B, K, S] (normalized), actions [B, K, A], the last of them taken now. */
export interface Context {
  readonly latents: Tensor;
  readonly states: Tensor;
  readonly actions: Tensor;
}

/** Network outputs: next latent [B, N·C], next state [B, S], normalized reward [B], termination logit [B]. */
export interface Outcome {
  readonly latent: Tensor;
  readonly state: Tensor;
  readonly reward: Tensor;
  readonly terminationLogit: Tensor;
}

const TIME_FEATURES = 32;

/** Fresh weights. @throws INVALID_ARGUMENT for a context shorter than 2 */
export function initDenoiser(rng: Rng, config: DenoiserConfig): DenoiserParams<NdArray> {
  const { contextLength, channels, dim, stateSize, actionSize, form } = config;
  if (contextLength < 2) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "contextLength is too short",
      expected: "2 or more frames: speed is not visible in one",
      got: String(contextLength),
      fix: "set contextLength: 3",
    });
  }
  const flow = form === "flow";
  const conditionSize = contextLength * (actionSize + stateSize) + (flow ? TIME_FEATURES : 0);
  return {
    embed: initLinear(rng, channels * (contextLength + (flow ? 1 : 0)), dim),
    positions: normalInit(rng, [config.tokens + 1, dim], 0.02),
    condition: initMlp(rng, [conditionSize, dim, dim]),
    blocks: initBlocks(rng, dim, config.blocks),
    norm: initNorm(dim),
    output: initLinear(rng, dim, channels, 0.1),
    readout: initMlp(rng, [dim, dim, stateSize + 2], 0.1),
  };
}

/** Context latents [B, K, N·C] to tokens [B, N, K·C]. */
function stackChannels(latents: Tensor, config: DenoiserConfig): Tensor {
  const [batch, frames] = latents.shape;
  const grid = tf.reshape(latents, [batch, frames, config.tokens, config.channels]);
  return tf.reshape(tf.transpose(grid, [0, 2, 1, 3]), [batch, config.tokens, frames * config.channels]);
}

/** Last row of the time axis of x [B, K, D]. */
function lastFrame(x: Tensor): Tensor {
  const [batch, frames, width] = x.shape as [number, number, number];
  return tf.reshape(tf.slice(x, [0, frames - 1, 0], [batch, 1, width]), [batch, width]);
}

/** Drop the oldest row of x [B, K, D] and append `next` [B, D]. */
export function shiftWindow(x: Tensor, next: Tensor): Tensor {
  const [batch, frames, width] = x.shape as [number, number, number];
  const kept = tf.slice(x, [0, 1, 0], [batch, frames - 1, width]);
  return tf.concat([kept, tf.reshape(next, [batch, 1, width])], 1);
}

/**
 * One pass of the network.
 * @param noised flow form only: the noised next latent [B, N·C] and its time [B] in [0, 1] (1 is clean)
 */
export function denoise(
  p: DenoiserParams<Tensor>,
  config: DenoiserConfig,
  context: Context,
  noised?: { latent: Tensor; time: Tensor },
): Outcome {
  const batch = context.latents.shape[0];
  const { tokens, channels, dim, contextLength, actionSize, stateSize } = config;
  const stacked = stackChannels(context.latents, config);
  const input = noised
    ? tf.concat([stacked, tf.reshape(noised.latent, [batch, tokens, channels])], -1)
    : stacked;
  const facts = [
    tf.reshape(context.actions, [batch, contextLength * actionSize]),
    tf.reshape(context.states, [batch, contextLength * stateSize]),
    ...(noised ? [timeEmbedding(noised.time, TIME_FEATURES)] : []),
  ];
  const condition = tf.reshape(mlp(p.condition, tf.concat(facts, -1)), [batch, 1, dim]);
  const withReadout = tf.pad(linear(p.embed, input), [
    [0, 0],
    [0, 1],
    [0, 0],
  ]);
  const embedded = tf.add(tf.add(withReadout, p.positions), condition);
  const hidden = rmsNorm(p.norm, transformer(p.blocks, embedded, { heads: config.heads }).output);
  const change = linear(p.output, tf.slice(hidden, [0, 0, 0], [batch, tokens, dim]));
  const read = mlp(p.readout, tf.reshape(tf.slice(hidden, [0, tokens, 0], [batch, 1, dim]), [batch, dim]));
  return {
    latent: tf.add(lastFrame(context.latents), tf.reshape(change, [batch, tokens * channels])),
    state: tf.add(lastFrame(context.states), tf.slice(read, [0, 0], [batch, stateSize])),
    reward: tf.reshape(tf.slice(read, [0, stateSize], [batch, 1]), [batch]),
    terminationLogit: tf.reshape(tf.slice(read, [0, stateSize + 1], [batch, 1]), [batch]),
  };
}
