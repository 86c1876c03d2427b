/** @file The frame-causal flow model behind the `WorldModel` contract, and its file. */

import { jit, tf, type Host, type Tensor } from "../engine/jit.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import { fail } from "../core/errors.ts";
import { Rng } from "../core/rng.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../nn/checkpoint.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { checkActionSpec, requireSameActions } from "./action-spec.ts";
import {
  drawNext,
  initCausalFlow,
  readContext,
  type CausalFlowConfig,
  type CausalFlowParams,
} from "./causal-flow.ts";
import {
  makeLatentWorldModel,
  newest,
  shiftRows,
  type EncodedWorldModel,
  type Normalizers,
} from "./latent-model.ts";
import type { ActionSpec, LatentState, Observation, ObservationWindow, Prediction } from "./worldmodel.ts";

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

function drawNoise(rng: Rng | readonly Rng[], batch: number, width: number): Floats {
  const noise = zeros("float32", [batch, width]);
  if (rng instanceof Rng) rng.fillNormal(noise.data);
  else rng.forEach((own, b) => own.fillNormal(noise.data.subarray(b * width, (b + 1) * width)));
  return noise;
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
    const rewards = zeros("float32", [batch]);
    for (let i = 0; i < batch; i++) {
      const p = out.terminated.data[i];
      const alive = out.reward.data[i] * normalizers.rewardScale + normalizers.rewardMean;
      rewards.data[i] = (1 - p) * alive + p * normalizers.terminalReward;
    }
    return {
      state: {
        latents: shiftRows(state.latents, out.latent),
        states: shiftRows(state.states, out.state),
        pastActions: shiftRows(state.pastActions, actions),
      },
      rewards,
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
  const { config, params, normalizers } = parts;
  const actionSpec = checkActionSpec(parts.actionSpec);
  return saveCheckpoint(path, { params }, { kind: KIND, config, normalizers, actionSpec, tokenizerHash });
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
  const { tensors, meta } = loadCheckpoint(path);
  if (meta.kind !== KIND || meta.tokenizerHash !== tokenizer.hash) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: `${path} does not belong to this tokenizer`,
      expected: `a ${KIND} trained on tokenizer ${tokenizer.hash.slice(0, 12)}`,
      got: `${String(meta.kind)} of tokenizer ${String(meta.tokenizerHash).slice(0, 12)}`,
      fix: "load the tokenizer that was saved beside it",
    });
  }
  const config = meta.config as CausalFlowConfig;
  const { params } = restoreParams({ params: initCausalFlow(Rng.fromSeed(0), config) }, tensors, path);
  const { normalizers, actionSpec } = meta as unknown as { normalizers: Normalizers; actionSpec: ActionSpec };
  if (options.actionSpec !== undefined) requireSameActions(actionSpec, options.actionSpec, path);
  const { samplingSteps } = options;
  return makeCausalFlowModel({ config, params, normalizers, tokenizer, actionSpec, samplingSteps });
}
