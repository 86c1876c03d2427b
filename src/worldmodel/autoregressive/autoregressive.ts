/**
 * @file The autoregressive dynamics network: a decoder transformer that writes the next frame's tokens one after the other.
 *
 * A frame is N + 1 positions: a prefix that holds the action and state that led to it, and its N tokens; the action and
 * state are added to the tokens too. Position i of a frame predicts token i; the last one, which has seen the whole frame,
 * is where state, reward and end are read. Draft heads guess tokens further ahead from the same position.
 * @source Cosmos-Predict1, autoregressive Video2World (3D rotary positions, QK-norm, action conditioning); Cai et al.
 * 2024, Medusa, §2.1 (draft heads); Micheli et al. 2023, IRIS (a frame's tokens and its action as one block)
 */

import { tf, type Tensor } from "../../engine/jit.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { fail } from "../../core/errors.ts";
import type { Rng } from "../../core/rng.ts";
import { decodeSequence, initDecoder, type DecoderBlocks, type DecoderCaches } from "../../nn/decoder.ts";
import {
  initLinear,
  initMlp,
  initNorm,
  linear,
  mlp,
  normalInit,
  rmsNorm,
  type Linear,
  type Mlp,
  type Norm,
} from "../../nn/layers.ts";
import { rotaryTable, type Place, type RotaryTable } from "../../nn/rotary.ts";

/** Architecture; part of the checkpoint. */
export interface AutoregressiveConfig {
  /** Frames that the model sees. */
  readonly contextLength: number;
  /** Tokens per frame, in rows of `columns`. */
  readonly rows: number;
  readonly columns: number;
  /** Levels of the tokenizer's channels; their product is the number of tokens to choose from. */
  readonly levels: readonly number[];
  readonly stateSize: number;
  readonly actionSize: number;
  readonly dim: number;
  readonly heads: number;
  readonly blocks: number;
  /** Tokens further ahead that are guessed in the same pass; 0 for none. */
  readonly draftHeads: number;
}

/** Weights. */
export interface AutoregressiveParams<T> {
  /** One row per channel and level; a token is the sum of its channels' rows. */
  readonly embed: Linear<T>;
  readonly positions: T;
  readonly condition: Mlp<T>;
  readonly blocks: DecoderBlocks<T>;
  readonly norm: Norm<T>;
  readonly output: Linear<T>;
  readonly drafts: { readonly [head: string]: Mlp<T> };
  readonly readout: Mlp<T>;
}

/** Network outputs at the end of a frame: next state [B, S], normalized reward [B], termination logit [B]. */
export interface FrameFacts {
  readonly state: Tensor;
  readonly reward: Tensor;
  readonly terminationLogit: Tensor;
}

/** Tokens per frame. */
export function tokensPerFrame({ rows, columns }: Pick<AutoregressiveConfig, "rows" | "columns">): number {
  return rows * columns;
}

/** Number of different tokens. */
export function vocabularySize({ levels }: Pick<AutoregressiveConfig, "levels">): number {
  return levels.reduce((product, steps) => product * steps, 1);
}

function checkConfig({ contextLength, dim, heads, draftHeads, rows, columns }: AutoregressiveConfig): void {
  const whole = [contextLength, draftHeads, rows, columns].every((value) => Number.isInteger(value));
  if (whole && contextLength >= 1 && draftHeads >= 0 && draftHeads < rows * columns && dim % heads === 0)
    return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "autoregressive model config is not sound",
    expected: "contextLength 1 or more, fewer draftHeads than tokens, heads a divisor of dim",
    got: `contextLength ${contextLength}, draftHeads ${draftHeads}, tokens ${rows * columns}, dim ${dim}, heads ${heads}`,
    fix: "use contextLength 2, draftHeads 3, dim 128, heads 4",
  });
}

/** Fresh weights. @throws INVALID_ARGUMENT */
export function initAutoregressive(rng: Rng, config: AutoregressiveConfig): AutoregressiveParams<NdArray> {
  checkConfig(config);
  const { dim, heads, blocks, levels, stateSize, actionSize, draftHeads } = config;
  const steps = levels.reduce((sum, count) => sum + count, 0);
  const drafts: Record<string, Mlp<NdArray>> = {};
  for (let i = 0; i < draftHeads; i++) drafts[`head${i}`] = initMlp(rng, [dim, dim, dim], 0.1);
  return {
    embed: initLinear(rng, steps, dim, Math.sqrt(steps / levels.length)),
    positions: normalInit(rng, [tokensPerFrame(config) + 1, dim], 0.02),
    condition: initMlp(rng, [actionSize + stateSize + 1, dim, dim]),
    blocks: initDecoder(rng, { dim, heads, count: blocks }),
    norm: initNorm(dim),
    output: initLinear(rng, dim, vocabularySize(config), 0.1),
    drafts,
    readout: initMlp(rng, [dim, dim, stateSize + 2], 0.1),
  };
}

/** Multi-hot rows [V, Σ levels]: which level of each channel a token has. */
function levelTable(levels: readonly number[]): Tensor {
  const size = levels.reduce((product, steps) => product * steps, 1);
  const width = levels.reduce((sum, steps) => sum + steps, 0);
  const values = new Float32Array(size * width);
  for (let id = 0; id < size; id++) {
    let [rest, at] = [id, id * width];
    for (const steps of levels) {
      values[at + (rest % steps)] = 1;
      rest = Math.floor(rest / steps);
      at += steps;
    }
  }
  return tf.tensor2d(values, [size, width]);
}

/** Ids (whole numbers) of any shape to embeddings [..., D]. */
export function embedTokens(
  p: AutoregressiveParams<Tensor>,
  ids: Tensor,
  config: AutoregressiveConfig,
): Tensor {
  return linear(p.embed, tf.gather(levelTable(config.levels), tf.cast(ids, "int32")));
}

/** Places of the positions of `frames` frames: a prefix stands before its frame's first token. */
export function placesOf(frames: number, config: AutoregressiveConfig): Place[] {
  return Array.from({ length: frames }, (_, t) => {
    const tokens = Array.from({ length: tokensPerFrame(config) }, (_unused, i): Place => [
      t,
      Math.floor(i / config.columns),
      i % config.columns,
    ]);
    return [[t, -1, -1] as const, ...tokens];
  }).flat();
}

/** Rotary table of the first `length` positions of a window. */
export function windowRotary(config: AutoregressiveConfig, length?: number): RotaryTable {
  const places = placesOf(config.contextLength + 1, config);
  return rotaryTable(places.slice(0, length), config.dim / config.heads);
}

/**
 * What led to each frame, as a vector of width D.
 * @param actions [B, F − 1, A] between the frames @param states [B, F − 1, S] before them (normalized)
 * @returns [B, F, D]; the first frame's is that of "nothing is known"
 */
export function frameConditions(p: AutoregressiveParams<Tensor>, actions: Tensor, states: Tensor): Tensor {
  const [batch, steps] = actions.shape as [number, number];
  const facts = tf.concat([actions, states, tf.ones([batch, steps, 1])], -1);
  const padded = tf.pad(facts, [
    [0, 0],
    [1, 0],
    [0, 0],
  ]);
  return mlp(p.condition, padded);
}

/** Embedded positions of whole frames: tokens [B, F, N] and conditions [B, F, D] to [B, F·(N + 1), D]. */
export function embedFrames(
  p: AutoregressiveParams<Tensor>,
  config: AutoregressiveConfig,
  tokens: Tensor,
  conditions: Tensor,
): Tensor {
  const [batch, frames] = tokens.shape as [number, number];
  const positions = tokensPerFrame(config) + 1;
  const embedded = tf.pad(embedTokens(p, tokens, config), [
    [0, 0],
    [0, 0],
    [1, 0],
    [0, 0],
  ]);
  const shared = tf.reshape(conditions, [batch, frames, 1, config.dim]);
  const summed = tf.add(tf.add(embedded, shared), p.positions);
  return tf.reshape(summed, [batch, frames * positions, config.dim]);
}

/** Normalized hidden states [B, L, D] of a sequence that begins with a window, and its keys and values. */
export function runSequence(
  p: AutoregressiveParams<Tensor>,
  config: AutoregressiveConfig,
  x: Tensor,
): { hidden: Tensor; caches: DecoderCaches<Tensor> } {
  const rotary = windowRotary(config, x.shape[1]);
  const { output, caches } = decodeSequence(p.blocks, x, { heads: config.heads, rotary });
  return { hidden: rmsNorm(p.norm, output), caches };
}

/** Logits of the token at each position's own place: hidden [..., D] to [..., V]. */
export function nextLogits(p: AutoregressiveParams<Tensor>, hidden: Tensor): Tensor {
  return linear(p.output, hidden);
}

/** Logits of the tokens 1 … draftHeads places further on, in that order. */
export function draftLogits(p: AutoregressiveParams<Tensor>, hidden: Tensor): Tensor[] {
  return Object.values(p.drafts).map((head) => nextLogits(p, tf.add(hidden, mlp(head, hidden))));
}

/** State, reward and end from hidden states [B, D] at a frame's last position; `state` [B, S] is that of the frame before. */
export function readFacts(p: AutoregressiveParams<Tensor>, hidden: Tensor, state: Tensor): FrameFacts {
  const [batch, size] = state.shape as [number, number];
  const read = mlp(p.readout, hidden);
  return {
    state: tf.add(state, tf.slice(read, [0, 0], [batch, size])),
    reward: tf.reshape(tf.slice(read, [0, size], [batch, 1]), [batch]),
    terminationLogit: tf.reshape(tf.slice(read, [0, size + 1], [batch, 1]), [batch]),
  };
}
