/** @file The frame-causal flow model behind the `WorldModel` contract, and its file. */

import { jit, tf, type Host, type Tensor } from "../../engine/jit.ts";
import { zeros, type NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import { restoreParams } from "../../nn/checkpoint.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import {
  drawNext,
  initCausalFlow,
  readContext,
  type CausalFlowConfig,
  type CausalFlowParams,
} from "./causal-flow.ts";
import { drawNoise } from "../latent/flow.ts";
import { makeLatentWorldModel } from "../latent/latent-model.ts";
import { loadModelFile, saveModelFile } from "../model-file.ts";
import { expectedRewards, type Normalizers } from "../normalizers.ts";
import { newest, shiftRows } from "../windows.ts";
import type {
  ActionSpec,
  EncodedWorldModel,
  LatentState,
  Observation,
  ObservationWindow,
  Prediction,
} from "../worldmodel.ts";

type Floats = NdArray<"float32">;

/** Everything a causal flow model is made of. */
export interface CausalFlowParts {
  readonly config: CausalFlowConfig;
  readonly params: CausalFlowParams<NdArray>;
  readonly normalizers: Normalizers;
  readonly tokenizer: Tokenizer;
  readonly actionSpec: ActionSpec;
  /** Steps per drawn frame, in place of the config's. */
  readonly samplingSteps?: CausalFlowConfig["samplingSteps"];
}

interface StepInput {
  readonly params: CausalFlowParams<Tensor>;
  readonly latents: Tensor;
  readonly states: Tensor;
  readonly pastActions: Tensor;
  readonly actions: Tensor;
  readonly noise: Tensor;
}

function compileStep(config: CausalFlowConfig) {
  return jit(
    ({ params, latents, states, pastActions, actions, noise }: StepInput) => {
      const [batch, frames] = latents.shape as [number, number];
      const now = tf.reshape(actions, [batch, 1, config.actionSize]);
      const taken = frames === 1 ? now : tf.concat([pastActions, now], 1);
      const times = tf.ones([batch, frames]);
      const present = readContext(params, config, { latents, states, actions: taken, times });
      const { latent, state, reward, terminationLogit } = drawNext(params, config, present, { noise });
      return { latent, state, reward, terminated: tf.sigmoid(terminationLogit) };
    },
    { name: "causalflow.step" },
  );
}

/** The window's bookkeeping is a latent model's; only the step is its own. */
function windowOf({ config, normalizers, tokenizer, actionSpec }: CausalFlowParts) {
  const { contextLength, tokens, channels, stateSize, actionSize, dim, heads, blocks, samplingSteps } =
    config;
  const shape = { contextLength, tokens, channels, stateSize, actionSize, dim, heads, blocks, samplingSteps };
  return makeLatentWorldModel({
    config: { form: "flow", ...shape },
    members: [],
    normalizers,
    tokenizer,
    actionSpec,
  });
}

class CausalFlowModel implements EncodedWorldModel {
  readonly kind = "causal-flow";
  readonly frameShape;
  readonly stateSize: number;
  readonly actionSpec: ActionSpec;
  readonly contextLength: number;
  readonly stepSeconds: number;
  readonly featureSize: number;
  readonly #parts: CausalFlowParts;
  readonly #window;
  readonly #compiled;

  constructor(parts: CausalFlowParts) {
    const { samplingSteps = parts.config.samplingSteps } = parts;
    this.#parts = parts;
    this.#window = windowOf(parts);
    this.#compiled = compileStep({ ...parts.config, samplingSteps });
    const { frameShape, stateSize, actionSpec, contextLength, stepSeconds, featureSize } = this.#window;
    this.frameShape = frameShape;
    this.stateSize = stateSize;
    this.actionSpec = actionSpec;
    this.contextLength = contextLength;
    this.stepSeconds = stepSeconds;
    this.featureSize = featureSize;
  }

  encode(observations: ObservationWindow, actions: Floats): Promise<LatentState> {
    return this.#window.encode(observations, actions);
  }

  fromLatents(latents: Floats, states: Floats, actions: Floats): LatentState {
    return this.#window.fromLatents(latents, states, actions);
  }

  observe(state: LatentState, actions: Floats, observation: Observation): Promise<LatentState> {
    return this.#window.observe(state, actions, observation);
  }

  features(state: LatentState): Floats {
    return this.#window.features(state);
  }

  decode(state: LatentState): Promise<Observation> {
    return this.#window.decode(state);
  }

  async step(state: LatentState, actions: Floats, rng: Rng | readonly Rng[]): Promise<Prediction> {
    const { params, normalizers } = this.#parts;
    const batch = actions.shape[0];
    const noise = drawNoise(rng, batch, newest(state.latents).shape[1]);
    const input = { params, ...state, actions, noise };
    const out = (await this.#compiled(input as unknown as Host<StepInput>)) as unknown as Record<
      string,
      Floats
    >;
    return {
      state: {
        latents: shiftRows(state.latents, out.latent),
        states: shiftRows(state.states, out.state),
        pastActions: shiftRows(state.pastActions, actions),
      },
      rewards: expectedRewards(normalizers, out.reward, out.terminated),
      terminatedProbabilities: out.terminated,
      uncertainties: zeros("float32", [batch]),
    };
  }
}

/** @throws CHECKPOINT_MISMATCH when the tokenizer's latents are not of the shape that the weights were trained for */
export function makeCausalFlowModel(parts: CausalFlowParts): EncodedWorldModel {
  return new CausalFlowModel(parts);
}

const KIND = "causal-flow-world-model";

/** Write a world model; returns the checkpoint's hash. */
export function saveCausalFlowModel(
  path: string,
  parts: Pick<CausalFlowParts, "config" | "params" | "normalizers" | "actionSpec">,
  tokenizerHash: string,
): string {
  const { params, config, normalizers, actionSpec } = parts;
  return saveModelFile(path, { params }, { kind: KIND, config, normalizers, actionSpec, tokenizerHash });
}

/**
 * Read a world model.
 * @param options.actionSpec what the caller's actions mean; a model of other actions is refused
 * @throws CORRUPT_FILE; CHECKPOINT_MISMATCH when it is no such model, or was trained on another tokenizer's latents or on
 * actions of another meaning
 */
export function loadCausalFlowModel(
  path: string,
  tokenizer: Tokenizer,
  options: Pick<CausalFlowParts, "samplingSteps"> & { readonly actionSpec?: ActionSpec } = {},
): EncodedWorldModel {
  const demands = { kind: KIND, tokenizerHash: tokenizer.hash, actionSpec: options.actionSpec };
  const { tensors, meta } = loadModelFile<CausalFlowConfig>(path, demands);
  const { config, normalizers, actionSpec } = meta;
  const { params } = restoreParams({ params: initCausalFlow(Rng.fromSeed(0), config) }, tensors, path);
  const { samplingSteps } = options;
  return makeCausalFlowModel({ config, params, normalizers, tokenizer, actionSpec, samplingSteps });
}
