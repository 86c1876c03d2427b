/** @file The imagined environment: a world model behind the `VectorEnv` primitive, so that learners cannot tell it from a simulator. */

import { concatRows, maskedRows, mergeRows, overwriteRows, selectRows } from "../core/array-record.ts";
import { fail } from "../core/errors.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import { Rng, type RngState } from "../core/rng.ts";
import { Box } from "../core/spaces/box.ts";
import type { Space } from "../core/spaces/space.ts";
import type { LatentState, Prediction, WorldModel } from "../worldmodel/worldmodel.ts";
import type {
  EnvMetadata,
  Frame,
  InfoBatch,
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

/** An info column of what `of` gives for the stepped rows; 0 in the others. */
function columnOf(stepped: NdArray<"bool">, of: (row: number) => number): InfoColumn {
  const values = zeros("float32", stepped.shape);
  for (let i = 0; i < values.data.length; i++) if (stepped.data[i]) values.data[i] = of(i);
  return { values, mask: stepped };
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
  #state: LatentState | undefined;
  #elapsed: Int32Array;
  #closed = false;
  /** Draws the noise of rows that are not stepped; what it yields is thrown away. */
  readonly #idle = Rng.fromSeed(0);

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
    this.#rngs = Rng.fromSeed(options.seed).spawn(numEnvs);
    this.#elapsed = new Int32Array(numEnvs);
  }

  async reset(options: VectorResetOptions = {}): Promise<ResetBatch<Features>> {
    const { model, contexts } = this.#options;
    const chosen = maskedRows(this.numEnvs, options.mask);
    const old =
      chosen.length < this.numEnvs || this.#closed ? this.#present("a reset of some rows") : undefined;
    this.#reseed(options.seed, chosen);
    const fresh = chosen.map((i) => contexts.sample(1, this.#rngs[i]));
    if (old === undefined) this.#state = concatRows(fresh);
    else if (fresh.length > 0) this.#state = overwriteRows(old, concatRows(fresh), chosen);
    for (const i of chosen) this.#elapsed[i] = 0;
    return { observations: model.features(this.#present("reset")), infos: {} };
  }

  async step(actions: NdArray<"float32">, mask?: NdArray<"bool">): Promise<StepBatch<Features>> {
    const { model } = this.#options;
    const state = this.#present("step");
    const rngs = this.#rngs.map((own, i) => (mask?.data[i] === 0 ? this.#idle : own));
    const prediction = await model.step(state, actions, rngs);
    const batch = emptyStep(this.numEnvs);
    for (const i of maskedRows(this.numEnvs, mask)) this.#judgeRow(i, prediction, batch);
    this.#state = mask === undefined ? prediction.state : mergeRows(state, prediction.state, mask.data);
    return {
      ...batch,
      observations: model.features(this.#state),
      infos: this.#infosOf(prediction, batch.valid),
    };
  }

  /** Decoded pixels of every row's newest frame; only of the rows in `mask` when there is one. */
  async render(mask?: NdArray<"bool">): Promise<readonly (Frame | undefined)[]> {
    const chosen = maskedRows(this.numEnvs, mask);
    const frames = new Array<Frame | undefined>(this.numEnvs).fill(undefined);
    const state = this.#present("render");
    if (chosen.length === 0) return frames;
    const { frame } = await this.#options.model.decode(selectRows(state, chosen));
    const size = frame.data.length / chosen.length;
    chosen.forEach((i, k) => {
      const data = frame.data.slice(k * size, (k + 1) * size);
      frames[i] = { dtype: "uint8", shape: frame.shape.slice(1), data };
    });
    return frames;
  }

  snapshot(): Snapshot {
    const state = {
      latent: this.#state && structuredClone(this.#state),
      elapsed: this.#elapsed.slice(),
      rngs: this.#rngs.map((rng) => rng.state),
    };
    return { kind: "imagined", state };
  }

  restore(snapshot: Snapshot): void {
    const state = snapshot.state as { latent?: LatentState; elapsed: Int32Array; rngs: RngState[] };
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
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#state = undefined;
  }

  #present(call: string): LatentState {
    if (this.#state !== undefined) return this.#state;
    return fail({
      code: this.#closed ? "ENV_CLOSED" : "RESET_NEEDED",
      what: `${call} ${this.#closed ? "after close()" : "before the first reset of all rows"}`,
      fix: this.#closed ? "make a new environment" : "call await env.reset({ seed }) first",
    });
  }

  /** Reward and flags of a stepped row. */
  #judgeRow(i: number, prediction: Prediction, batch: EmptyStep): void {
    const {
      horizon,
      uncertaintyPenalty = 0,
      terminationReward = 0,
      uncertaintyLimit = Infinity,
    } = this.#options;
    const probability = prediction.terminatedProbabilities.data[i];
    const uncertainty = prediction.uncertainties.data[i];
    this.#elapsed[i]++;
    batch.valid.data[i] = 1;
    batch.rewards.data[i] =
      prediction.rewards.data[i] - uncertaintyPenalty * uncertainty + terminationReward * probability;
    if (!this.#soft && this.#rngs[i].random() < probability) batch.terminations.data[i] = 1;
    else if (this.#elapsed[i] >= horizon || uncertainty > uncertaintyLimit) batch.truncations.data[i] = 1;
  }

  #infosOf({ terminatedProbabilities, uncertainties }: Prediction, stepped: NdArray<"bool">): InfoBatch {
    const infos = {
      terminationProbability: columnOf(stepped, (i) => terminatedProbabilities.data[i]),
      uncertainty: columnOf(stepped, (i) => uncertainties.data[i]),
    };
    if (!this.#soft) return infos;
    return { ...infos, continueProbability: columnOf(stepped, (i) => 1 - terminatedProbabilities.data[i]) };
  }

  get #soft(): boolean {
    return this.#options.termination === "soft";
  }

  #reseed(seed: VectorResetOptions["seed"], chosen: readonly number[]): void {
    if (seed === undefined) return;
    for (const i of chosen) {
      const own = typeof seed === "number" ? seed + i : seed[i];
      if (own !== undefined) this.#rngs[i] = Rng.fromSeed(own);
    }
  }
}

type EmptyStep = Omit<StepBatch<Features>, "observations" | "infos">;

function emptyStep(numEnvs: number): EmptyStep {
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
