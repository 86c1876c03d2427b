/** @file The imagined environment: a world model behind the `VectorEnv` primitive, so that learners cannot tell it from a simulator. */

import { concatRows, mergeRows, overwriteRows } from "../core/array-record.ts";
import { fail } from "../core/errors.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import { Rng, type RngState } from "../core/rng.ts";
import { Box } from "../core/spaces/box.ts";
import type { Space } from "../core/spaces/space.ts";
import type { LatentState, WorldModel } from "../worldmodel/worldmodel.ts";
import type {
  EnvMetadata,
  Frame,
  InfoColumn,
  ResetBatch,
  Snapshot,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "./env.ts";

/** Start states for imagined episodes. */
export interface ContextSource {
  sample(count: number, rng: Rng): LatentState;
}

/** Options of `makeImaginedEnv`. */
export interface ImaginedOptions {
  readonly model: WorldModel;
  readonly contexts: ContextSource;
  readonly numEnvs: number;
  /** Imagined steps until truncation. */
  readonly horizon: number;
  /**
   * "sampled": the end is drawn from its probability, as in a simulator. "soft": no row ends before the horizon, and the
   * info column `continueProbability` tells the learner how much of the future to count.
   */
  readonly termination?: "sampled" | "soft";
  /** Subtracted from the reward per unit of the ensemble's disagreement. */
  readonly uncertaintyPenalty?: number;
  /** Rows whose disagreement exceeds this are truncated. */
  readonly uncertaintyLimit?: number;
  /** Added to the reward times the termination probability (negative: pessimism). */
  readonly terminationReward?: number;
  readonly seed?: number;
}

type Features = NdArray<"float32">;

/** 1 − p, float32 [N]. */
function complement(probabilities: Float32Array): Features {
  const out = zeros("float32", [probabilities.length]);
  for (let i = 0; i < out.data.length; i++) out.data[i] = 1 - probabilities[i];
  return out;
}

/** N dreams stepped together; made by `makeImaginedEnv`. */
export class ImaginedEnv implements VectorEnv<Features, NdArray<"float32">> {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: EnvMetadata;
  readonly #options: ImaginedOptions;
  #rngs: Rng[];
  #noise: Rng;
  #state: LatentState | undefined;
  #elapsed: Int32Array;

  constructor(options: ImaginedOptions) {
    const { model, numEnvs } = options;
    const actionSize = model.actionSpec.names.length;
    this.#options = options;
    this.numEnvs = numEnvs;
    this.singleObservationSpace = new Box(-Infinity, Infinity, [model.featureSize]);
    this.singleActionSpace = new Box(-1, 1, [actionSize]);
    this.observationSpace = new Box(-Infinity, Infinity, [numEnvs, model.featureSize]);
    this.actionSpace = new Box(-1, 1, [numEnvs, actionSize]);
    this.metadata = { renderModes: ["rgb_array"], renderFps: 1 / model.stepSeconds, autoreset: "disabled" };
    const root = Rng.fromSeed(options.seed);
    this.#noise = root.spawn(1)[0];
    this.#rngs = root.spawn(numEnvs);
    this.#elapsed = new Int32Array(numEnvs);
  }

  async reset(options: VectorResetOptions = {}): Promise<ResetBatch<Features>> {
    const { numEnvs } = this;
    const { model, contexts } = this.#options;
    const chosen = Array.from({ length: numEnvs }, (_, i) => i).filter((i) => options.mask?.data[i] !== 0);
    this.#reseed(options.seed, chosen);
    const fresh = chosen.map((i) => contexts.sample(1, this.#rngs[i]));
    const old = this.#state;
    if (old === undefined && chosen.length < numEnvs) {
      fail({
        code: "RESET_NEEDED",
        what: "the first reset of an imagined environment left rows out",
        expected: "reset() of all rows first",
        fix: "call reset without a mask once",
      });
    }
    const joined = concatRows(fresh);
    this.#state = old === undefined ? joined : overwriteRows(old, joined, chosen);
    for (const i of chosen) this.#elapsed[i] = 0;
    return { observations: model.features(this.#state), infos: {} };
  }

  async step(actions: NdArray<"float32">, mask?: NdArray<"bool">): Promise<StepBatch<Features>> {
    const {
      model,
      horizon,
      uncertaintyPenalty = 0,
      terminationReward = 0,
      uncertaintyLimit = Infinity,
    } = this.#options;
    if (this.#state === undefined) {
      fail({
        code: "RESET_NEEDED",
        what: "step before the first reset",
        fix: "call await env.reset({ seed }) first",
      });
    }
    const { numEnvs } = this;
    const prediction = await model.step(this.#state, actions, this.#noise);
    const batch = emptyStep(numEnvs);
    const probabilities = prediction.terminatedProbabilities.data;
    const sampled = (this.#options.termination ?? "sampled") === "sampled";
    for (let i = 0; i < numEnvs; i++) {
      if (mask !== undefined && mask.data[i] === 0) continue;
      const uncertainty = prediction.uncertainties.data[i];
      this.#elapsed[i]++;
      batch.valid.data[i] = 1;
      batch.rewards.data[i] =
        prediction.rewards.data[i] - uncertaintyPenalty * uncertainty + terminationReward * probabilities[i];
      if (sampled && this.#rngs[i].random() < probabilities[i]) batch.terminations.data[i] = 1;
      if (this.#elapsed[i] >= horizon || uncertainty > uncertaintyLimit) batch.truncations.data[i] = 1;
    }
    this.#state = mask === undefined ? prediction.state : mergeRows(this.#state, prediction.state, mask.data);
    const infos: Record<string, InfoColumn> = {
      terminationProbability: { values: prediction.terminatedProbabilities, mask: batch.valid },
      uncertainty: { values: prediction.uncertainties, mask: batch.valid },
    };
    if (!sampled) infos.continueProbability = { values: complement(probabilities), mask: batch.valid };
    return { ...batch, observations: model.features(this.#state), infos };
  }

  /** Decoded pixels of every row's newest frame. */
  async render(): Promise<readonly Frame[]> {
    if (this.#state === undefined) {
      fail({
        code: "RESET_NEEDED",
        what: "render before the first reset",
        fix: "call await env.reset({ seed }) first",
      });
    }
    const { frame } = await this.#options.model.decode(this.#state);
    const size = frame.data.length / this.numEnvs;
    return Array.from({ length: this.numEnvs }, (_, i) => ({
      dtype: "uint8" as const,
      shape: frame.shape.slice(1),
      data: frame.data.slice(i * size, (i + 1) * size),
    }));
  }

  snapshot(): Snapshot {
    const state = {
      latent: this.#state && structuredClone(this.#state),
      elapsed: this.#elapsed.slice(),
      rngs: this.#rngs.map((rng) => rng.state),
      noise: this.#noise.state,
    };
    return { kind: "imagined", state };
  }

  restore(snapshot: Snapshot): void {
    const state = snapshot.state as {
      latent?: LatentState;
      elapsed: Int32Array;
      rngs: RngState[];
      noise: RngState;
    };
    if (snapshot.kind !== "imagined" || state.elapsed.length !== this.numEnvs) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "the snapshot is not of an imagined environment of this size",
        expected: `kind "imagined", ${this.numEnvs} rows`,
        got: `kind "${snapshot.kind}"`,
        fix: "restore it into an environment made with the same options",
      });
    }
    this.#state = state.latent && structuredClone(state.latent);
    this.#elapsed = state.elapsed.slice();
    this.#rngs = state.rngs.map((rng) => Rng.fromState(rng));
    this.#noise = Rng.fromState(state.noise);
  }

  async close(): Promise<void> {
    this.#state = undefined;
  }

  #reseed(seed: VectorResetOptions["seed"], chosen: readonly number[]): void {
    if (seed === undefined) return;
    for (const i of chosen) {
      const own = typeof seed === "number" ? seed + i : seed[i];
      if (own !== undefined) this.#rngs[i] = Rng.fromSeed(own);
    }
    if (typeof seed === "number") this.#noise = Rng.fromSeed([seed, this.numEnvs]);
  }
}

function emptyStep(numEnvs: number): Omit<StepBatch<Features>, "observations" | "infos"> {
  return {
    rewards: zeros("float64", [numEnvs]),
    terminations: zeros("bool", [numEnvs]),
    truncations: zeros("bool", [numEnvs]),
    valid: zeros("bool", [numEnvs]),
  };
}

/** N imagined episodes as a vector-env primitive; wrap it with `withAutoreset` for Gymnasium's modes. */
export function makeImaginedEnv(options: ImaginedOptions): ImaginedEnv {
  return new ImaginedEnv(options);
}
