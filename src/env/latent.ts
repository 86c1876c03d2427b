/** @file A real environment seen through a world model: observations become the features that imagined environments give. */

import { mergeRows, overwriteRows } from "../core/array-record.ts";
import { fail } from "../core/errors.ts";
import { takeRows, zeros, type NdArray } from "../core/ndarray.ts";
import { Box } from "../core/spaces/box.ts";
import type { Space } from "../core/spaces/space.ts";
import type { LatentState, Observation, WorldModel } from "../worldmodel/worldmodel.ts";
import type {
  EnvMetadata,
  Frame,
  ResetBatch,
  Snapshot,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "./env.ts";

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
    const { observations, infos } = await this.inner.reset(options);
    const chosen = chosenRows(this.numEnvs, options.mask);
    const { frame, state } = observations;
    const windows = oneFrameWindows({ frame: takeRows(frame, chosen), state: takeRows(state, chosen) });
    const fresh = await this.#model.encode(windows, zeros("float32", [chosen.length, 0, this.#actionSize]));
    this.#state = this.#state === undefined ? fresh : overwriteRows(this.#state, fresh, chosen);
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

  async render(): Promise<readonly (Frame | undefined)[]> {
    return this.inner.render?.() ?? [];
  }

  snapshot(): Snapshot {
    if (this.inner.snapshot === undefined) {
      return fail({
        code: "NOT_SUPPORTED",
        what: "the inner environment has no snapshot",
        fix: "use an environment with snapshot()",
      });
    }
    const latent = this.#state && structuredClone(this.#state);
    return { kind: "latent", state: { latent, inner: this.inner.snapshot() } };
  }

  restore(snapshot: Snapshot): void {
    const state = snapshot.state as { latent?: LatentState; inner: Snapshot };
    if (snapshot.kind !== "latent" || this.inner.restore === undefined) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "the snapshot is not of a latent-observation environment",
        got: `kind "${snapshot.kind}"`,
        fix: "restore it into an environment made with the same options",
      });
    }
    this.inner.restore(state.inner);
    this.#state = state.latent && structuredClone(state.latent);
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  get #actionSize(): number {
    return this.#model.actionSpec.names.length;
  }
}

function chosenRows(count: number, mask: NdArray<"bool"> | undefined): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => mask === undefined || mask.data[i] !== 0);
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
