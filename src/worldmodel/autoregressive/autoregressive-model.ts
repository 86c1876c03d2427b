/** @file The autoregressive world model: a frozen tokenizer of tokens and a decoder transformer behind the `WorldModel` contract. */

import { jit, tf, type Host, type Tensor } from "../../engine/jit.ts";
import { ndarray, zeros, type NdArray } from "../../core/ndarray.ts";
import { fail } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import { decodeNext, type DecoderCaches } from "../../nn/decoder.ts";
import { rmsNorm } from "../../nn/layers.ts";
import type { DiscreteVideoTokenizer } from "../../tokenizer/tokenizer.ts";
import {
  draftLogits,
  embedFrames,
  embedTokens,
  frameConditions,
  nextLogits,
  placesOf,
  readFacts,
  runSequence,
  tokensPerFrame,
  type AutoregressiveConfig,
  type AutoregressiveParams,
} from "./autoregressive.ts";
import { rotaryTable } from "../../nn/rotary.ts";
import { expectedRewards, normalizeStates, restoreStates, type Normalizers } from "../normalizers.ts";
import { writeFrame, type HostCaches, type PassOutput } from "./token-decoding.ts";
import { checkSampling, defaultSampling, type TokenSampling } from "./token-sampling.ts";
import { fitWindow, newest, shiftRows } from "../windows.ts";
import type {
  ActionSpec,
  EncodedWorldModel,
  LatentState,
  Observation,
  ObservationWindow,
  Prediction,
} from "../worldmodel.ts";

type Floats = NdArray<"float32">;

/** Everything an autoregressive world model is made of. */
export interface AutoregressiveParts {
  readonly config: AutoregressiveConfig;
  readonly params: AutoregressiveParams<NdArray>;
  readonly normalizers: Normalizers;
  /** Of single frames: temporal compression 1. */
  readonly tokenizer: DiscreteVideoTokenizer;
  readonly actionSpec: ActionSpec;
  readonly sampling?: TokenSampling;
  /** Write several tokens per pass by the draft heads; the same tokens in fewer passes. Default: true where there are heads. */
  readonly drafting?: boolean;
}

interface PrefillInput {
  readonly params: AutoregressiveParams<Tensor>;
  /** [B, K, N] */
  readonly tokens: Tensor;
  /** [B, K, S], normalized */
  readonly states: Tensor;
  /** [B, K, A]: between the frames, the last of them taken now. */
  readonly actions: Tensor;
}

interface PassInput {
  readonly params: AutoregressiveParams<Tensor>;
  readonly context: DecoderCaches<Tensor>;
  readonly recent: DecoderCaches<Tensor>;
  /** [B, D]: of the frame that is being written. */
  readonly condition: Tensor;
  /** [B, m] */
  readonly tokens: Tensor;
  /** [B]: place of the first of them in the frame. */
  readonly starts: Tensor;
}

/** Everything before the new frame's first token: K whole frames and the new frame's prefix. */
function prefill(config: AutoregressiveConfig) {
  return ({ params, tokens, states, actions }: PrefillInput) => {
    const [batch, frames] = tokens.shape as [number, number];
    const conditions = frameConditions(params, actions, states);
    const wide = [batch, frames, config.dim] as [number, number, number];
    const past = embedFrames(params, config, tokens, tf.slice(conditions, [0, 0, 0], wide));
    const condition = tf.slice(conditions, [0, frames, 0], [batch, 1, config.dim]);
    const prefix = tf.add(condition, tf.slice(params.positions, [0, 0], [1, config.dim]));
    const { hidden, caches } = runSequence(params, config, tf.concat([past, prefix], 1));
    const last = tf.slice(hidden, [0, (hidden.shape[1] as number) - 1, 0], [batch, 1, config.dim]);
    const flat = tf.reshape(last, [batch, config.dim]);
    return {
      logits: nextLogits(params, flat),
      drafts: draftLogits(params, flat),
      caches,
      condition: tf.reshape(condition, [batch, config.dim]),
    };
  };
}

/** Rows of a table [L, W] for places [B, m] as [B, 1, m, W]. */
function rowsAt(table: Tensor, places: Tensor): Tensor {
  const [batch, count] = places.shape as [number, number];
  return tf.reshape(tf.gather(table, places), [batch, 1, count, table.shape[1] as number]);
}

/** m tokens of the new frame after the context and the frame's tokens before them. */
function pass(config: AutoregressiveConfig) {
  const count = tokensPerFrame(config);
  return ({ params, context, recent, condition, tokens, starts }: PassInput) => {
    const [batch, width] = tokens.shape as [number, number];
    const offsets = tf.add(tf.reshape(starts, [batch, 1]), tf.range(0, width));
    const places = tf.cast(tf.minimum(offsets, count - 1), "int32");
    const frame = placesOf(config.contextLength + 1, config).slice(-count);
    const table = rotaryTable(frame, config.dim / config.heads);
    const rotary = { cos: rowsAt(table.cos, places), sin: rowsAt(table.sin, places) };
    const length = Object.values(recent)[0].keys.shape[2] as number;
    const filled = tf.less(tf.range(0, length), tf.reshape(starts, [batch, 1, 1, 1]));
    const recentMask = tf.mul(tf.sub(1, tf.cast(filled, "float32")), -1e9);
    const shared = tf.reshape(condition, [batch, 1, config.dim]);
    const own = tf.gather(params.positions, tf.add(places, tf.scalar(1, "int32")));
    const x = tf.add(tf.add(embedTokens(params, tokens, config), shared), own);
    const past = { context, recent, recentMask };
    const { output, caches } = decodeNext(params.blocks, x, { heads: config.heads, rotary, past });
    const hidden = rmsNorm(params.norm, output);
    return { logits: nextLogits(params, hidden), drafts: draftLogits(params, hidden), caches, hidden };
  };
}

interface FactsInput {
  readonly params: AutoregressiveParams<Tensor>;
  /** [B, D] */
  readonly hidden: Tensor;
  /** [B, S]: of the frame before, normalized. */
  readonly state: Tensor;
}

function compile(config: AutoregressiveConfig) {
  return {
    prefill: jit(prefill(config), { name: "autoregressive.prefill" }),
    pass: jit(pass(config), { name: "autoregressive.pass" }),
    facts: jit(
      ({ params, hidden, state }: FactsInput) => {
        const facts = readFacts(params, hidden, state);
        return { state: facts.state, reward: facts.reward, terminated: tf.sigmoid(facts.terminationLogit) };
      },
      { name: "autoregressive.facts" },
    ),
  };
}

/** A window's tokens [B, K, N] as lattice codes of the two newest frames: what a policy sees of them. */
function newestTokens(tokens: Floats, frames: number): Floats {
  const [batch, have, count] = tokens.shape;
  const out = zeros("float32", [batch, frames * count]);
  for (let b = 0; b < batch; b++) {
    for (let k = 0; k < frames; k++) {
      const from = (b * have + Math.max(0, have - frames + k)) * count;
      out.data.set(tokens.data.subarray(from, from + count), (b * frames + k) * count);
    }
  }
  return out;
}

/** Each token's steps per channel, from −1 to 1: [B, n] to [B, n · channels]. */
function codesOf(tokens: Floats, levels: readonly number[]): Floats {
  const count = levels.length;
  const out = zeros("float32", [tokens.shape[0], tokens.shape[1] * count]);
  for (let i = 0; i < tokens.data.length; i++) {
    let rest = tokens.data[i];
    for (let d = 0; d < count; d++) {
      out.data[i * count + d] = (2 * (rest % levels[d])) / (levels[d] - 1) - 1;
      rest = Math.floor(rest / levels[d]);
    }
  }
  return out;
}

function drawUniforms(rng: Rng | readonly Rng[], batch: number, count: number): Floats {
  const out = zeros("float32", [batch, count]);
  for (let b = 0; b < batch; b++) {
    const own = rng instanceof Rng ? rng : rng[b];
    own.fillUniform(out.data.subarray(b * count, (b + 1) * count));
  }
  return out;
}

/** How the tokens of the last imagined step were written. */
export interface DecodingReport {
  /** Passes through the network, the one over the context not counted. */
  readonly passes: number;
  readonly tokens: number;
}

class AutoregressiveModel implements EncodedWorldModel {
  readonly kind = "autoregressive";
  readonly frameShape;
  readonly stateSize: number;
  readonly actionSpec: ActionSpec;
  readonly contextLength: number;
  readonly stepSeconds: number;
  readonly featureSize: number;
  readonly #parts: AutoregressiveParts;
  readonly #compiled;
  readonly #count: number;
  #report: DecodingReport = { passes: 0, tokens: 0 };

  constructor(parts: AutoregressiveParts) {
    const { config, tokenizer, actionSpec } = parts;
    this.#parts = parts;
    this.#compiled = compile(config);
    this.#count = tokensPerFrame(config);
    this.frameShape = tokenizer.frameShape;
    this.stateSize = config.stateSize;
    this.actionSpec = actionSpec;
    this.contextLength = config.contextLength;
    this.stepSeconds = 1 / actionSpec.rateHz;
    this.featureSize = 2 * this.#count * config.levels.length + config.stateSize + config.actionSize;
  }

  get report(): DecodingReport {
    return this.#report;
  }

  async encode(observations: ObservationWindow, actions: Floats): Promise<LatentState> {
    const [batch, time, ...frame] = observations.frame.shape;
    const flat = ndarray("uint8", [batch * time, 1, ...frame], observations.frame.data);
    const ids = await this.#parts.tokenizer.tokenize(flat);
    const tokens = ndarray("float32", [batch, time, this.#count], Float32Array.from(ids.data));
    return this.fromLatents(tokens, observations.state, actions);
  }

  /** As `encode`, from ids as float32 [B, T, N] that the same tokenizer gave. */
  fromLatents(tokens: Floats, states: Floats, actions: Floats): LatentState {
    const frames = this.contextLength;
    return {
      tokens: fitWindow(tokens, frames, "repeat"),
      states: fitWindow(normalizeStates(this.#parts.normalizers, states), frames, "repeat"),
      pastActions: fitWindow(actions, frames - 1, "zero"),
    };
  }

  async observe(state: LatentState, actions: Floats, observation: Observation): Promise<LatentState> {
    const [batch, ...frame] = observation.frame.shape;
    const ids = await this.#parts.tokenizer.tokenize({ ...observation.frame, shape: [batch, 1, ...frame] });
    const tokens = ndarray("float32", [batch, this.#count], Float32Array.from(ids.data));
    return {
      tokens: shiftRows(state.tokens, tokens),
      states: shiftRows(state.states, normalizeStates(this.#parts.normalizers, observation.state)),
      pastActions: this.#shiftActions(state.pastActions, actions),
    };
  }

  async step(state: LatentState, actions: Floats, rng: Rng | readonly Rng[]): Promise<Prediction> {
    const { params, normalizers } = this.#parts;
    const batch = actions.shape[0];
    const { tokens, hidden } = await this.#writeFrame(state, actions, drawUniforms(rng, batch, this.#count));
    const last = newest(state.states);
    const input = { params, hidden, state: last } as unknown as Host<FactsInput>;
    const facts = (await this.#compiled.facts(input)) as unknown as Record<string, Floats>;
    return {
      state: {
        tokens: shiftRows(state.tokens, tokens),
        states: shiftRows(state.states, facts.state),
        pastActions: this.#shiftActions(state.pastActions, actions),
      },
      rewards: expectedRewards(normalizers, facts.reward, facts.terminated),
      terminatedProbabilities: facts.terminated,
      uncertainties: zeros("float32", [batch]),
    };
  }

  /** Tokens [B, N] of the next frame, and the hidden state [B, D] at its end. */
  async #writeFrame(
    state: LatentState,
    actions: Floats,
    uniforms: Floats,
  ): Promise<{ tokens: Floats; hidden: Floats }> {
    const { config, params, sampling = defaultSampling, drafting = true } = this.#parts;
    const batch = actions.shape[0];
    const all = this.#withActions(state.pastActions, actions);
    const input = { params, tokens: state.tokens, states: state.states, actions: all };
    const first = await this.#compiled.prefill(input);
    const width = drafting ? 1 + config.draftHeads : 1;
    const shared = { params, context: first.caches, condition: first.condition };
    const frame = await writeFrame(
      first as unknown as Pick<PassOutput, "logits" | "drafts">,
      async (next) => {
        const out = await this.#compiled.pass({ ...shared, ...next });
        return out as unknown as PassOutput;
      },
      { batch, tokens: this.#count, width, sampling, uniforms, recent: this.#emptyCaches(batch) },
    );
    this.#report = { passes: frame.passes, tokens: this.#count };
    return frame;
  }

  #emptyCaches(batch: number): HostCaches {
    const { dim, heads, blocks } = this.#parts.config;
    const shape = [batch, heads, this.#count, dim / heads];
    const names = Array.from({ length: blocks }, (_, i) => `block${i}`);
    return Object.fromEntries(
      names.map((name) => [name, { keys: zeros("float32", shape), values: zeros("float32", shape) }]),
    );
  }

  /** The actions between the context's frames and the one taken now: [B, K, A]. */
  #withActions(past: Floats, actions: Floats): Floats {
    const [batch, steps, size] = past.shape;
    const out = zeros("float32", [batch, steps + 1, size]);
    for (let b = 0; b < batch; b++) {
      out.data.set(past.data.subarray(b * steps * size, (b + 1) * steps * size), b * (steps + 1) * size);
      out.data.set(actions.data.subarray(b * size, (b + 1) * size), (b * (steps + 1) + steps) * size);
    }
    return out;
  }

  #shiftActions(past: Floats, actions: Floats): Floats {
    return past.shape[1] === 0 ? past : shiftRows(past, actions);
  }

  /** The two newest frames' codes, the newest state (normalized) and the action that led to it. */
  features(state: LatentState): Floats {
    const { config } = this.#parts;
    const codes = codesOf(newestTokens(state.tokens, 2), config.levels);
    const states = newest(state.states);
    const { pastActions } = state;
    const batch = states.shape[0];
    const last =
      pastActions.shape[1] === 0 ? zeros("float32", [batch, config.actionSize]) : newest(pastActions);
    const out = zeros("float32", [batch, this.featureSize]);
    const parts = [codes, states, last];
    for (let b = 0; b < batch; b++) {
      let at = b * this.featureSize;
      for (const { data, shape } of parts) {
        out.data.set(data.subarray(b * shape[1], (b + 1) * shape[1]), at);
        at += shape[1];
      }
    }
    return out;
  }

  async decode(state: LatentState): Promise<Observation> {
    const tokens = newest(state.tokens);
    const [batch, count] = tokens.shape;
    const ids = ndarray("int32", [batch, 1, count], Int32Array.from(tokens.data));
    const frames = await this.#parts.tokenizer.detokenize(ids);
    const values = restoreStates(this.#parts.normalizers, newest(state.states));
    return { frame: { ...frames, shape: [batch, ...this.frameShape] }, state: values };
  }
}

/** The model; `fromLatents` takes tokens, and `report` tells how many passes the last step took. */
export type AutoregressiveWorldModel = EncodedWorldModel & { readonly report: DecodingReport };

/** @throws CHECKPOINT_MISMATCH when the tokenizer's tokens are not those that the weights were trained for */
export function makeAutoregressiveWorldModel(parts: AutoregressiveParts): AutoregressiveWorldModel {
  const { config, tokenizer, sampling = defaultSampling } = parts;
  checkSampling(sampling);
  const grid = `${tokensPerFrame(config)} tokens of levels (${config.levels.join(", ")}) per single frame`;
  const got = `${tokenizer.tokens} tokens of levels (${tokenizer.levels.join(", ")}) per ${tokenizer.temporal} frames`;
  if (grid !== got.replace(/per 1 frames$/, "per single frame")) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: "tokenizer and world model do not belong together",
      expected: grid,
      got,
      fix: "load the tokenizer that this world model was trained with",
    });
  }
  return new AutoregressiveModel(parts);
}
