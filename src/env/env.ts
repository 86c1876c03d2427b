/** @file The environment contracts: `Env` (one, synchronous) and `VectorEnv` (N copies stepped together). */

import type { NdArray } from "../core/ndarray.ts";
import type { Space } from "../core/spaces/space.ts";

/** Free-form facts about one step of one environment. */
export type Info = Record<string, unknown>;

/** An image: uint8 [H, W, 3]. */
export type Frame = NdArray<"uint8">;

/** What `metadata` says of an environment, under Gymnasium's names in camel case. */
export interface EnvMetadata {
  readonly renderModes: readonly string[];
  readonly renderFps?: number;
  readonly autoreset?: AutoresetMode;
}

/** When a finished sub-environment is reset; Gymnasium's three modes. */
export type AutoresetMode = "next-step" | "same-step" | "disabled";

/** Result of one step. `terminated`: the task ended (do not bootstrap). `truncated`: cut from outside (bootstrap). */
export interface StepResult<O> {
  observation: O;
  reward: number;
  terminated: boolean;
  truncated: boolean;
  info: Info;
}

/** One environment; synchronous, for local simulators. @source Gymnasium 1.4 `gymnasium/core.py` */
export interface Env<O = unknown, A = unknown> {
  readonly observationSpace: Space<O>;
  readonly actionSpace: Space<A>;
  readonly metadata: EnvMetadata;
  readonly renderMode: string | undefined;
  reset(options?: { seed?: number; options?: Record<string, unknown> }): { observation: O; info: Info };
  step(action: A): StepResult<O>;
  render?(): Frame | undefined;
  close(): void;
}

/** A batch of observations: arrays with a leading axis N, in the container that the space prescribes. */
export type ObservationBatch = NdArray | readonly ObservationBatch[] | { readonly [key: string]: ObservationBatch };

/** One typed info column over the sub-environments; rows where `mask` is 0 carry no value. */
export interface InfoColumn {
  readonly values: NdArray | readonly unknown[];
  readonly mask: NdArray<"bool">;
}

/** Facts about a batched step, by name. */
export type InfoBatch = Record<string, InfoColumn>;

/** Result of a (masked) reset. Rows outside the mask keep their last observation. */
export interface ResetBatch<O = ObservationBatch> {
  observations: O;
  infos: InfoBatch;
}

/**
 * Result of a batched step.
 *
 * Arrays belong to the environment and are overwritten by the next call unless it was made with `copy: true`.
 */
export interface StepBatch<O = ObservationBatch> {
  observations: O;
  /** float64 [N] (float32 where a batched env computes in float32). */
  rewards: NdArray<"float64" | "float32">;
  /** bool [N] */
  terminations: NdArray<"bool">;
  /** bool [N] */
  truncations: NdArray<"bool">;
  infos: InfoBatch;
  /** bool [N]; 0 marks NEXT_STEP's artificial transition (its action was ignored) and rows outside a step's mask. */
  valid: NdArray<"bool">;
  /** Same-step only: the last observation of the episodes that ended in this step; other rows are undefined. */
  finalObservations?: O;
  /** Same-step only: bool [N], which rows of `finalObservations` count. */
  finalMask?: NdArray<"bool">;
  /** Same-step only: infos of the ending step. */
  finalInfos?: InfoBatch;
}

/** Opaque state of a vector env, generators included; plain data that survives structured clone. */
export interface Snapshot {
  readonly kind: string;
  readonly state: unknown;
}

/** Options of `VectorEnv.reset`: an int seed `s` gives sub-environment i the seed `s + i`. */
export interface VectorResetOptions {
  seed?: number | readonly (number | undefined)[];
  options?: Record<string, unknown>;
  /** bool [N]: which sub-environments to reset; all when absent. */
  mask?: NdArray<"bool">;
}

/**
 * N copies stepped together; promises, because models, workers and sockets are asynchronous.
 *
 * An implementation is the *primitive*: `metadata.autoreset` is "disabled", `step` steps the rows in `mask` (all when
 * absent) and `reset` resets the rows in `mask`. `autoreset.ts` derives NEXT_STEP and SAME_STEP from it.
 * @source Gymnasium 1.4 `gymnasium/vector/vector_env.py`
 */
export interface VectorEnv<O = ObservationBatch, A extends NdArray | unknown = NdArray> {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: EnvMetadata;
  reset(options?: VectorResetOptions): Promise<ResetBatch<O>>;
  step(actions: A, mask?: NdArray<"bool">): Promise<StepBatch<O>>;
  /** One frame per sub-environment. */
  render?(): Promise<readonly (Frame | undefined)[]>;
  snapshot?(): Snapshot;
  restore?(snapshot: Snapshot): void;
  close(): Promise<void>;
}
