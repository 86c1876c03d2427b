/** @file A real environment seen through a world model: observations become the features that imagined environments give. */

import { maskedRows, mergeRows, overwriteRows } from "../core/array-record.ts";
import { fail } from "../core/errors.ts";
import { takeRows, zeros, type NdArray } from "../core/ndarray.ts";
import { Box } from "../core/spaces/box.ts";
import type { Space } from "../core/spaces/space.ts";
import type { LatentState, Observation, WorldModel } from "../worldmodel/worldmodel.ts";
import type { EnvMetadata, ResetBatch, Snapshot, StepBatch, VectorEnv, VectorResetOptions } from "./env.ts";

/** Pixels and state vectors under the names that the world model uses. */
export interface PixelBatch {
  /** uint8 [N, H, W, 3] */
  readonly frame: NdArray<"uint8">;
  /** float32 [N, S] */
  readonly state: NdArray<"float32">;
  readonly [key: string]: NdArray;
}

type Features = NdArray<"float32">;

/** A vector-env primitive whose observations are `WorldModel.features`; made by `withLatentObservations`. */
export class LatentObservationEnv implements VectorEnv<Features, NdArray<"float32">> {
  readonly inner: VectorEnv<PixelBatch, NdArray<"float32">>;
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: EnvMetadata;
  readonly #model: WorldModel;
  #state: LatentState | undefined;

  constructor(inner: VectorEnv<PixelBatch, NdArray<"float32">>, model: WorldModel) {
    this.inner = inner;
    this.#model = model;
    this.numEnvs = inner.numEnvs;
    this.singleObservationSpace = new Box(-Infinity, Infinity, [model.featureSize]);
    this.observationSpace = new Box(-Infinity, Infinity, [inner.numEnvs, model.featureSize]);
    this.singleActionSpace = inner.singleActionSpace;
    this.actionSpace = inner.actionSpace;
    this.metadata = inner.metadata;
  }

  /** The model's state of every row: what a planner branches. @throws RESET_NEEDED before the first reset */
  get latentState(): LatentState {
    return (
      this.#state ??
      fail({ code: "RESET_NEEDED", what: "no latent state before the first reset", fix: "call reset first" })
    );
  }

  async reset(options: VectorResetOptions = {}): Promise<ResetBatch<Features>> {
    const chosen = maskedRows(this.numEnvs, options.mask);
    const old = chosen.length < this.numEnvs ? this.latentState : undefined;
    const { observations, infos } = await this.inner.reset(options);
    const fresh = await this.#encodeFirst(observations, chosen);
    this.#state = old === undefined ? fresh : overwriteRows(old, fresh, chosen);
    return { observations: this.#model.features(this.#state), infos };
  }

  async step(actions: NdArray<"float32">, mask?: NdArray<"bool">): Promise<StepBatch<Features>> {
    const state = this.latentState;
    const batch = await this.inner.step(actions, mask);
    const next = await this.#model.observe(state, actions, batch.observations);
    this.#state = mask ? mergeRows(state, next, mask.data) : next;
    return {
      ...batch,
      observations: this.#model.features(this.#state),
      finalObservations: undefined,
    };
  }

  get render(): VectorEnv["render"] {
    return this.inner.render?.bind(this.inner);
  }

  get snapshot(): (() => Snapshot) | undefined {
    const { inner } = this;
    if (inner.snapshot === undefined) return undefined;
    const latent = (): LatentState | undefined => this.#state && structuredClone(this.#state);
    return () => ({ kind: "latent", state: { latent: latent(), inner: inner.snapshot!() } });
  }

  get restore(): ((snapshot: Snapshot) => void) | undefined {
    return this.inner.restore && ((snapshot) => this.#restore(snapshot));
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  #restore(snapshot: Snapshot): void {
    if (snapshot.kind !== "latent") {
      fail({
        code: "INVALID_ARGUMENT",
        what: "the snapshot is not of a latent-observation environment",
        got: `kind "${snapshot.kind}"`,
        fix: "restore it into an environment made with the same options",
      });
    }
    const state = snapshot.state as { latent?: LatentState; inner: Snapshot };
    this.inner.restore!(state.inner);
    this.#state = state.latent && structuredClone(state.latent);
  }

  /** The states of the chosen rows at the first observation of their episodes. */
  #encodeFirst({ frame, state }: PixelBatch, chosen: readonly number[]): Promise<LatentState> {
    const windows = oneFrameWindows({ frame: takeRows(frame, chosen), state: takeRows(state, chosen) });
    return this.#model.encode(windows, zeros("float32", [chosen.length, 0, this.#actionSize]));
  }

  get #actionSize(): number {
    return this.#model.actionSpec.names.length;
  }
}

function oneFrameWindows(observations: Observation): Observation {
  const { frame, state } = observations;
  return {
    frame: { ...frame, shape: [frame.shape[0], 1, ...frame.shape.slice(1)] },
    state: { ...state, shape: [state.shape[0], 1, ...state.shape.slice(1)] },
  };
}

/** See a real environment's pixels as latent features. `inner` is a primitive: put autoreset outside. */
export function withLatentObservations(
  inner: VectorEnv<PixelBatch, NdArray<"float32">>,
  model: WorldModel,
): LatentObservationEnv {
  return new LatentObservationEnv(inner, model);
}
