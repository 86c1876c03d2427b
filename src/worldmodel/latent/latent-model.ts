/** @file The latent world model: a frozen tokenizer and an ensemble of denoisers behind the `WorldModel` contract. */

import { jit, tf, type Host, type Tensor } from "../../engine/jit.ts";
import { ndarray, zeros, type NdArray } from "../../core/ndarray.ts";
import { fail } from "../../core/errors.ts";
import type { Rng } from "../../core/rng.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { shiftWindow, type DenoiserConfig, type DenoiserParams } from "./denoiser.ts";
import { drawNoise, sampleNext } from "./flow.ts";
import { expectedRewards, normalizeStates, restoreStates, type Normalizers } from "../normalizers.ts";
import { fitWindow, newest, shiftRows } from "../windows.ts";
import type {
  ActionSpec,
  EncodedWorldModel,
  LatentState,
  Observation,
  ObservationWindow,
  Prediction,
} from "../worldmodel.ts";

/** Everything a latent world model is made of. */
export interface LatentModelParts {
  readonly config: DenoiserConfig;
  readonly members: readonly DenoiserParams<NdArray>[];
  readonly normalizers: Normalizers;
  readonly tokenizer: Tokenizer;
  readonly actionSpec: ActionSpec;
  /** How the members' termination probabilities are joined: their mean, or the highest (pessimism). */
  readonly termination?: "mean" | "max";
}

interface StepInput {
  readonly members: DenoiserParams<Tensor>[];
  readonly latents: Tensor;
  readonly states: Tensor;
  readonly pastActions: Tensor;
  readonly actions: Tensor;
  readonly noise?: Tensor;
}

function meanOf(tensors: readonly Tensor[]): Tensor {
  return tensors.length === 1 ? tensors[0] : (tf.div(tf.addN([...tensors]), tensors.length) as Tensor);
}

/** Root mean square distance of the members' next latents from their mean: [B], in standard deviations of the latents. */
function disagreement(latents: readonly Tensor[], mean: Tensor): Tensor {
  if (latents.length === 1) return tf.zeros([mean.shape[0]]);
  const squares = latents.map((latent) => tf.mean(tf.square(tf.sub(latent, mean)), -1));
  return tf.sqrt(tf.div(tf.addN(squares), latents.length - 1));
}

function compileStep(config: DenoiserConfig, termination: "mean" | "max") {
  return jit(
    (input: StepInput) => {
      const batch = input.actions.shape[0];
      const actions = tf.concat(
        [input.pastActions, tf.reshape(input.actions, [batch, 1, config.actionSize])],
        1,
      );
      const context = { latents: input.latents, states: input.states, actions };
      const outcomes = input.members.map((member) => sampleNext(member, config, context, input.noise));
      const latent = meanOf(outcomes.map((outcome) => outcome.latent));
      const probabilities = outcomes.map((outcome) => tf.sigmoid(outcome.terminationLogit));
      const terminated =
        termination === "max" ? probabilities.reduce((a, b) => tf.maximum(a, b)) : meanOf(probabilities);
      return {
        latents: shiftWindow(input.latents, latent),
        states: shiftWindow(input.states, meanOf(outcomes.map((outcome) => outcome.state))),
        pastActions: tf.slice(actions, [0, 1, 0], [batch, config.contextLength - 1, config.actionSize]),
        reward: meanOf(outcomes.map((outcome) => outcome.reward)),
        terminated,
        uncertainty: disagreement(
          outcomes.map((outcome) => outcome.latent),
          latent,
        ),
      };
    },
    { name: "worldmodel.step" },
  );
}

class LatentModel implements LatentWorldModel {
  readonly kind = "latent";
  readonly frameShape;
  readonly stateSize: number;
  readonly actionSpec: ActionSpec;
  readonly contextLength: number;
  readonly stepSeconds: number;
  readonly featureSize: number;
  readonly #parts: LatentModelParts;
  readonly #compiled;
  readonly #width: number;

  constructor(parts: LatentModelParts, compiled = compileStep(parts.config, parts.termination ?? "mean")) {
    const { config, tokenizer, actionSpec } = parts;
    this.#parts = parts;
    this.#compiled = compiled;
    this.#width = config.tokens * config.channels;
    this.frameShape = tokenizer.frameShape;
    this.stateSize = config.stateSize;
    this.actionSpec = actionSpec;
    this.contextLength = config.contextLength;
    this.stepSeconds = 1 / actionSpec.rateHz;
    this.featureSize = 2 * this.#width + config.stateSize + config.actionSize;
  }

  /** The same model with other weights of the same shapes; nothing is compiled anew. */
  withMembers(members: readonly DenoiserParams<NdArray>[]): LatentModel {
    return new LatentModel({ ...this.#parts, members }, this.#compiled);
  }

  async encode(observations: ObservationWindow, actions: NdArray<"float32">): Promise<LatentState> {
    const [batch, time, ...frame] = observations.frame.shape;
    const flat = ndarray("uint8", [batch * time, ...frame], observations.frame.data);
    const latents = await this.#parts.tokenizer.encode(flat);
    return this.fromLatents(
      ndarray("float32", [batch, time, this.#width], latents.data),
      observations.state,
      actions,
    );
  }

  /** As `encode`, from latents float32 [B, T, N·C] that the same tokenizer gave. */
  fromLatents(
    latents: NdArray<"float32">,
    states: NdArray<"float32">,
    actions: NdArray<"float32">,
  ): LatentState {
    const frames = this.contextLength;
    return {
      latents: fitWindow(latents, frames, "repeat"),
      states: fitWindow(normalizeStates(this.#parts.normalizers, states), frames, "repeat"),
      pastActions: fitWindow(actions, frames - 1, "zero"),
    };
  }

  async observe(
    state: LatentState,
    actions: NdArray<"float32">,
    observation: Observation,
  ): Promise<LatentState> {
    const latent = await this.#parts.tokenizer.encode(observation.frame);
    return {
      latents: shiftRows(state.latents, latent),
      states: shiftRows(state.states, normalizeStates(this.#parts.normalizers, observation.state)),
      pastActions: shiftRows(state.pastActions, actions),
    };
  }

  async step(
    state: LatentState,
    actions: NdArray<"float32">,
    rng: Rng | readonly Rng[],
  ): Promise<Prediction> {
    const { config, members, normalizers } = this.#parts;
    const batch = actions.shape[0];
    const input: Record<string, unknown> = { members, ...state, actions };
    if (config.form === "flow") input.noise = drawNoise(rng, batch, this.#width);
    const out = (await this.#compiled(input as unknown as Host<StepInput>)) as unknown as Record<
      string,
      NdArray<"float32">
    >;
    return {
      state: { latents: out.latents, states: out.states, pastActions: out.pastActions },
      rewards: expectedRewards(normalizers, out.reward, out.terminated),
      terminatedProbabilities: out.terminated,
      uncertainties: out.uncertainty,
    };
  }

  /** The two newest latents, the newest state (normalized) and the action that led to it. */
  features(state: LatentState): NdArray<"float32"> {
    const { latents, states, pastActions } = state;
    const [batch, frames, width] = latents.shape;
    const out = zeros("float32", [batch, this.featureSize]);
    const { stateSize, actionSize } = this.#parts.config;
    for (let b = 0; b < batch; b++) {
      const at = b * this.featureSize;
      out.data.set(latents.data.subarray((b * frames + frames - 2) * width, (b + 1) * frames * width), at);
      out.data.set(
        states.data.subarray(((b + 1) * frames - 1) * stateSize, (b + 1) * frames * stateSize),
        at + 2 * width,
      );
      const end = (b + 1) * (frames - 1) * actionSize;
      out.data.set(pastActions.data.subarray(end - actionSize, end), at + 2 * width + stateSize);
    }
    return out;
  }

  async decode(state: LatentState): Promise<Observation> {
    const frame = await this.#parts.tokenizer.decode(newest(state.latents));
    return { frame, state: restoreStates(this.#parts.normalizers, newest(state.states)) };
  }
}

/** The model, with newer weights of the same shapes on demand. */
export interface LatentWorldModel extends EncodedWorldModel {
  withMembers(members: readonly DenoiserParams<NdArray>[]): LatentWorldModel;
}

/** @throws CHECKPOINT_MISMATCH when the tokenizer's latents are not of the shape that the weights were trained for */
export function makeLatentWorldModel(parts: LatentModelParts): LatentWorldModel {
  const { config, tokenizer } = parts;
  if (tokenizer.tokens !== config.tokens || tokenizer.channels !== config.channels) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: "tokenizer and world model do not belong together",
      expected: `${config.tokens} tokens of ${config.channels} channels`,
      got: `${tokenizer.tokens} tokens of ${tokenizer.channels} channels`,
      fix: "load the tokenizer that this world model was trained with",
    });
  }
  return new LatentModel(parts);
}
