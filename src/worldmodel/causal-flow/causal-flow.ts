/**
 * @file The frame-causal flow network: past frames and the noised next one in one transformer, with time, action and state
 * entering through adaptive norms; past frames' keys and values are computed once for all sampling steps.
 *
 * Every frame is its tokens and a readout position, where state, reward and end are read. The next latent is drawn from
 * noise (time 0) to data (time 1) in 1, 2 or 4 steps; with `shortcut` the network is told the size of the step and has
 * learned that one large step goes where two half ones go.
 * @source Cosmos-Predict2.5 (actions through the time embedding, frame replacement with noise); Frans et al. 2024, One Step
 * Diffusion via Shortcut Models; Hafner et al. 2025, Dreamer 4 (clean prediction); Karras et al. 2022, EDM, table 1
 */

import { tf, type Tensor } from "../../engine/jit.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { fail } from "../../core/errors.ts";
import type { Rng } from "../../core/rng.ts";
import {
  adaptiveTransformer,
  initAdaptive,
  type AdaptiveBlocks,
  type AdaptiveCaches,
} from "../../nn/adaptive.ts";
import { initCross, type CrossBlocks } from "../../nn/cross-attention.ts";
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
import { rotaryTable, type Place, type RotaryTable } from "../../nn/rotary.ts";
import type { Outcome } from "../latent/denoiser.ts";

/** Architecture and form; part of the checkpoint. */
export interface CausalFlowConfig {
  readonly contextLength: number;
  /** Tokens per frame; a square grid. */
  readonly tokens: number;
  readonly channels: number;
  readonly stateSize: number;
  readonly actionSize: number;
  readonly dim: number;
  readonly heads: number;
  readonly blocks: number;
  /** Steps from noise to the next latent. */
  readonly samplingSteps: 1 | 2 | 4;
  /** How the clean latent is read: as a change of the newest frame, or by EDM's skip and output scales. */
  readonly preconditioning: "residual" | "edm";
  /** Is the network told the step's size, and trained to jump? */
  readonly shortcut: boolean;
  /** Numbers of an embedded text that every frame is told; none unless given. */
  readonly textSize?: number;
  /** How actions enter: with time and state through the adaptive norms (default), or by cross-attention. */
  readonly actionEntry?: "norm" | "cross-attention";
}

/** Weights. */
export interface CausalFlowParams<T> {
  readonly embed: Linear<T>;
  readonly positions: T;
  readonly condition: Mlp<T>;
  readonly blocks: AdaptiveBlocks<T>;
  /** Where actions enter by cross-attention; empty otherwise. */
  readonly crossing: CrossBlocks<T>;
  readonly norm: Norm<T>;
  readonly output: Linear<T>;
  readonly readout: Mlp<T>;
}

/** Deviation of the data, for EDM's scales: latents are standardized. */
const DATA = 1;
const FEATURES = 4;

/** Fresh weights. @throws INVALID_ARGUMENT */
export function initCausalFlow(rng: Rng, config: CausalFlowConfig): CausalFlowParams<NdArray> {
  const { contextLength, tokens, channels, stateSize, actionSize, dim, heads, samplingSteps } = config;
  if (contextLength < 1 || dim % heads !== 0 || ![1, 2, 4].includes(samplingSteps)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "causal flow config is not sound",
      expected: "contextLength 1 or more, heads a divisor of dim, samplingSteps 1, 2 or 4",
      got: `contextLength ${contextLength}, dim ${dim}, heads ${heads}, samplingSteps ${samplingSteps}`,
      fix: "use contextLength 3, dim 128, heads 4, samplingSteps 2",
    });
  }
  const crosses = config.actionEntry === "cross-attention";
  const conditionSize = (crosses ? 0 : actionSize) + stateSize + 1 + 2 * FEATURES + (config.textSize ?? 0);
  return {
    embed: initLinear(rng, channels, dim),
    positions: normalInit(rng, [tokens + 1, dim], 0.02),
    condition: initMlp(rng, [conditionSize, dim, dim]),
    blocks: initAdaptive(rng, { dim, heads, count: config.blocks }),
    norm: initNorm(dim),
    output: initLinear(rng, dim, channels, 0.1),
    readout: initMlp(rng, [dim, dim, stateSize + 2], 0.1),
    crossing: crosses ? initCross(rng, { dim, size: actionSize, count: config.blocks }) : {},
  };
}

/** Rotary rows of frames [from, to) of a window: tokens on their grid, the readout beside it. */
function windowRotary(config: CausalFlowConfig, from: number, to: number): RotaryTable {
  const side = Math.ceil(Math.sqrt(config.tokens));
  const places = Array.from({ length: to - from }, (_, k) => [
    ...Array.from({ length: config.tokens }, (_unused, i): Place => [
      from + k,
      Math.floor(i / side),
      i % side,
    ]),
    [from + k, -1, -1] as const,
  ]).flat();
  return rotaryTable(places, config.dim / config.heads);
}

/** What is known of frames before they are looked at. */
export interface FrameFacts {
  /** [B, F, A]: the action that led to each, and [B, F, S] the state before it; zeros where nothing is known. */
  readonly actions: Tensor;
  readonly states: Tensor;
  /** [B, F]: 1 where they are known. */
  readonly known: Tensor;
  /** [B, F]: share of data in each frame, and the size of the step that is asked for (0: none, or infinitely small). */
  readonly times: Tensor;
  readonly steps: Tensor;
  /** [B, E], zeros for no text; where the network knows texts. */
  readonly text?: Tensor;
}

function conditionsOf(p: CausalFlowParams<Tensor>, config: CausalFlowConfig, facts: FrameFacts): Tensor {
  const [batch, frames] = facts.times.shape as [number, number];
  const embedded = (x: Tensor): Tensor =>
    tf.reshape(timeEmbedding(tf.reshape(x, [batch * frames]), FEATURES), [batch, frames, FEATURES]);
  const known = tf.reshape(facts.known, [batch, frames, 1]);
  const all = [facts.states, known, embedded(facts.times), embedded(facts.steps)];
  if (config.actionEntry !== "cross-attention") all.unshift(facts.actions);
  if (facts.text) {
    const size = facts.text.shape[1] as number;
    all.push(tf.tile(tf.reshape(facts.text, [batch, 1, size]), [1, frames, 1]));
  }
  return mlp(p.condition, tf.concat(all, -1));
}

/** Latents [B, F, N·C] as frames of positions [B, F, N + 1, D]. */
function embedLatents(p: CausalFlowParams<Tensor>, config: CausalFlowConfig, latents: Tensor): Tensor {
  const [batch, frames] = latents.shape as [number, number];
  const tokens = linear(p.embed, tf.reshape(latents, [batch, frames, config.tokens, config.channels]));
  const withReadout = tf.pad(tokens, [
    [0, 0],
    [0, 0],
    [0, 1],
    [0, 0],
  ]);
  return tf.add(withReadout, p.positions);
}

/** Frames [from, from + F) of a window after those in `past`: hidden states [B, F, N + 1, D], keys and values. */
export function runFrames(
  p: CausalFlowParams<Tensor>,
  config: CausalFlowConfig,
  input: { latents: Tensor; facts: FrameFacts; from: number },
  past?: AdaptiveCaches<Tensor>,
): { hidden: Tensor; caches: AdaptiveCaches<Tensor> } {
  const frames = input.latents.shape[1] as number;
  const { output, caches } = adaptiveTransformer(p.blocks, embedLatents(p, config, input.latents), {
    conditions: conditionsOf(p, config, input.facts),
    heads: config.heads,
    rotary: windowRotary(config, input.from, input.from + frames),
    past,
    crossing: { blocks: p.crossing, numbers: input.facts.actions },
  });
  return { hidden: rmsNorm(p.norm, output), caches };
}

/** The context's end, and what leads on from it. */
export interface Present {
  /** [B, N·C], [B, S]: the newest frame. */
  readonly latent: Tensor;
  readonly state: Tensor;
  /** [B, A]: taken now. */
  readonly action: Tensor;
  readonly caches: AdaptiveCaches<Tensor>;
  /** [B, E], as in `FrameFacts`. */
  readonly text?: Tensor;
  /** [B]: 1 where state and action are known; everywhere unless given. */
  readonly known?: Tensor;
}

/** EDM's scales at time τ, written for z = τ·data + (1 − τ)·noise, where none of them is infinite. */
function edmScales(time: Tensor): { skip: Tensor; input: Tensor; output: Tensor } {
  const noise = tf.sub(1, time);
  const total = tf.add(tf.square(noise), tf.mul(tf.square(time), DATA ** 2));
  return {
    skip: tf.div(tf.mul(time, DATA ** 2), total),
    input: tf.rsqrt(total),
    output: tf.mul(tf.mul(noise, DATA), tf.rsqrt(total)),
  };
}

/** A noised next latent [B, N·C] with its time [B] and the size of the step that is asked for [B]. */
export interface Noised {
  readonly latent: Tensor;
  readonly time: Tensor;
  readonly step: Tensor;
}

/** One pass over the next frame alone, its past by caches: the clean latent and what is read beside it. */
export function denoiseNext(
  p: CausalFlowParams<Tensor>,
  config: CausalFlowConfig,
  present: Present,
  noised: Noised,
): Outcome {
  const [batch, width] = noised.latent.shape as [number, number];
  const column = (x: Tensor): Tensor => tf.reshape(x, [batch, 1]);
  const scales = edmScales(column(noised.time));
  const edm = config.preconditioning === "edm";
  const given = edm ? tf.mul(noised.latent, scales.input) : noised.latent;
  const facts = {
    actions: tf.reshape(present.action, [batch, 1, config.actionSize]),
    states: tf.reshape(present.state, [batch, 1, config.stateSize]),
    known: present.known ? column(present.known) : tf.ones([batch, 1]),
    times: column(noised.time),
    steps: config.shortcut ? column(noised.step) : tf.zeros([batch, 1]),
    text: present.text,
  };
  const input = { latents: tf.reshape(given, [batch, 1, width]), facts, from: config.contextLength };
  const { hidden } = runFrames(p, config, input, present.caches);
  const flat = tf.reshape(hidden, [batch, config.tokens + 1, config.dim]);
  const raw = linear(p.output, tf.slice(flat, [0, 0, 0], [batch, config.tokens, config.dim]));
  const change = tf.reshape(raw, [batch, width]);
  const end = tf.slice(flat, [0, config.tokens, 0], [batch, 1, config.dim]);
  const read = mlp(p.readout, tf.reshape(end, [batch, config.dim]));
  const size = config.stateSize;
  return {
    latent: edm
      ? tf.add(tf.mul(noised.latent, scales.skip), tf.mul(change, scales.output))
      : tf.add(present.latent, change),
    state: tf.add(present.state, tf.slice(read, [0, 0], [batch, size])),
    reward: tf.reshape(tf.slice(read, [0, size], [batch, 1]), [batch]),
    terminationLogit: tf.reshape(tf.slice(read, [0, size + 1], [batch, 1]), [batch]),
  };
}

/**
 * The window's end, its past frames run once.
 * @param window latents [B, K, N·C], states [B, K, S], actions [B, K, A], the last of them taken now, times [B, K]: 1 for
 * clean frames, less for frames to which noise was added, 0 for frames that are not there (noise alone); text [B, E], known [B]
 * (states and actions of that row; zeros otherwise)
 */
export function readContext(
  p: CausalFlowParams<Tensor>,
  config: CausalFlowConfig,
  window: { latents: Tensor; states: Tensor; actions: Tensor; times: Tensor; text?: Tensor; known?: Tensor },
): Present {
  const [batch, frames, width] = window.latents.shape as [number, number, number];
  const { actionSize, stateSize } = config;
  const later = (x: Tensor, size: number): Tensor =>
    tf.pad(tf.slice(x, [0, 0, 0], [batch, frames - 1, size]), [
      [0, 0],
      [1, 0],
      [0, 0],
    ]);
  const { text, known: rows } = window;
  const all = tf.pad(tf.ones([batch, frames - 1]), [
    [0, 0],
    [1, 0],
  ]);
  const known = rows ? tf.mul(all, tf.reshape(rows, [batch, 1])) : all;
  const facts = {
    actions: later(window.actions, actionSize),
    states: later(window.states, stateSize),
    known,
    times: window.times,
    steps: tf.zeros([batch, frames]),
    text,
  };
  const { caches } = runFrames(p, config, { latents: window.latents, facts, from: 0 });
  const last = (x: Tensor, size: number): Tensor =>
    tf.reshape(tf.slice(x, [0, frames - 1, 0], [batch, 1, size]), [batch, size]);
  return {
    latent: last(window.latents, width),
    state: last(window.states, stateSize),
    action: last(window.actions, actionSize),
    caches,
    text,
    known: rows,
  };
}

/** Velocity towards the clean latent: (clean − z) / (1 − τ), for times [B] below 1. */
export function velocityOf(clean: Tensor, noised: Noised): Tensor {
  const left = tf.reshape(tf.sub(1, noised.time), [noised.time.shape[0], 1]);
  return tf.div(tf.sub(clean, noised.latent), left);
}

/**
 * The next latent from `noise` [B, N·C] in `steps` equal steps; state, reward and end from the last pass. What comes before
 * the last pass is cut from differentiation by `hold`.
 */
export function drawNext(
  p: CausalFlowParams<Tensor>,
  config: CausalFlowConfig,
  present: Present,
  options: { noise: Tensor; hold?: (x: Tensor) => Tensor },
): Outcome {
  const { noise, hold = (x: Tensor) => x } = options;
  const batch = noise.shape[0];
  const size = 1 / config.samplingSteps;
  const at = (i: number, latent: Tensor): Noised => ({
    latent: hold(latent),
    time: tf.fill([batch], i * size),
    step: tf.fill([batch], size),
  });
  let noised = at(0, noise);
  let outcome = denoiseNext(p, config, present, noised);
  for (let i = 1; i < config.samplingSteps; i++) {
    const moved = tf.add(noised.latent, tf.mul(velocityOf(outcome.latent, noised), size));
    noised = at(i, moved);
    outcome = denoiseNext(p, config, present, noised);
  }
  // The last step's velocity leads to the clean latent itself.
  return outcome;
}
