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
  /** Vector envs: all rows draw from one generator, so a list of seeds is refused and rows depend on each other's resets. */
  readonly sharedGenerator?: boolean;
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

/** Keyword arguments of an environment's maker. */
export type Kwargs = Record<string, unknown>;

/** Builds one environment; an async function may import its module lazily (then `makeAsync` or `makeVec` builds it). */
export type EnvMaker = (kwargs: Kwargs) => Env | Promise<Env>;

/** Builds a masked-step primitive of `numEnvs` sub-environments. */
export type VectorEnvMaker = (kwargs: Kwargs & { numEnvs: number }) => VectorEnv | Promise<VectorEnv>;

/** What the registry knows of an environment. */
export interface EnvSpec {
  /** `[namespace/]name[-vN]` */
  readonly id: string;
  /** A maker, or "module#export": a URL or package whose export is the maker. */
  readonly entryPoint?: EnvMaker | string;
  /** The natively batched form: a maker, or "module#export". */
  readonly vectorEntryPoint?: VectorEnvMaker | string;
  /** URL of a module that exports `envs: EnvSpec[]` with this id: worker threads find a spec of functions there. */
  readonly module?: string;
  /** Steps after which an episode is truncated. */
  readonly maxEpisodeSteps?: number;
  /** Mean return over 100 episodes that counts as solved. */
  readonly rewardThreshold?: number;
  /** True when equal seeds do not give equal episodes. */
  readonly nondeterministic?: boolean;
  /** Names of the keyword arguments that it takes: others are refused. Absent: any name goes to the maker. */
  readonly kwargNames?: readonly string[];
  /** Default keyword arguments, overridden by the caller's. */
  readonly kwargs?: Kwargs;
}

/**
 * One environment; synchronous, for local simulators.
 *
 * A seeded `reset` starts a new random stream; a reset without a seed goes on in the running one.
 * @source Gymnasium 1.4 `gymnasium/core.py`
 */
export interface Env<O = unknown, A = unknown> {
  readonly observationSpace: Space<O>;
  readonly actionSpace: Space<A>;
  readonly metadata: EnvMetadata;
  readonly renderMode: string | undefined;
  /** Set by `make`. */
  readonly spec?: EnvSpec;
  reset(options?: { seed?: number; options?: Record<string, unknown> }): { observation: O; info: Info };
  /** Observations are the caller's to keep unless `bind` was called. */
  step(action: A): StepResult<O>;
  render?(): Frame | undefined;
  /**
   * Write every further observation into `observation` and reuse one result record. A vector env hands out rows of its
   * batch here, so that nothing is gathered, copied or allocated per step.
   */
  bind?(observation: O): void;
  /** The whole state, generator included; plain data that survives structured clone. */
  snapshot?(): Snapshot;
  restore?(snapshot: Snapshot): void;
  /** Idempotent. */
  close(): void;
  toString(): string;
}

/** A batch of observations: arrays with a leading axis N, in the container that the space prescribes. */
export type ObservationBatch =
  | NdArray
  | readonly ObservationBatch[]
  | { readonly [key: string]: ObservationBatch };

/** One info column over the sub-environments; rows where `mask` is 0 carry no value. */
export interface InfoColumn {
  /** Numbers: a typed array [N, …]. An info that is itself a record: nested columns. Anything else: a list of N. */
  readonly values: NdArray | readonly unknown[] | InfoBatch;
  /** bool [N]: which sub-environments supplied the fact. */
  readonly mask: NdArray<"bool">;
}

/** Facts about a batched step, by name; `infoAt(infos, i)` of infos.ts gives one row as a plain record. */
export interface InfoBatch {
  readonly [name: string]: InfoColumn;
}

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
 * An implementation is the *primitive*: `metadata.autoreset` is "disabled" and it keeps four rules.
 * 1. `step(actions, mask)` steps the rows in `mask` (all when absent). The other rows keep their last observation and
 *    report reward 0, both flags 0, `valid` 0 and no info.
 * 2. `reset({ mask })` resets the rows in `mask` (all when absent); the other rows keep observation and generator.
 *    Seeds of rows outside the mask are ignored; without a seed a row's generator runs on.
 * 3. `actions` and `mask` belong to the caller: they are neither kept nor changed. Returned arrays belong to the
 *    environment and may be reused by the next `step` or `reset`; `reset` leaves the rewards and flags of the last step.
 * 4. Stepping a row that has ended is the caller's mistake; `autoreset.ts` never does it.
 *
 * `autoreset.ts` derives NEXT_STEP, SAME_STEP and a guarded DISABLED from these rules for every kind of environment.
 * @source Gymnasium 1.4 `gymnasium/vector/vector_env.py`
 */
export interface VectorEnv<O = ObservationBatch, A = NdArray> {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: EnvMetadata;
  /** Set by `makeVec`. */
  readonly spec?: EnvSpec;
  reset(options?: VectorResetOptions): Promise<ResetBatch<O>>;
  step(actions: A, mask?: NdArray<"bool">): Promise<StepBatch<O>>;
  /** `reset` and `step` without promises, present (both or neither) where nothing has to be waited for. */
  resetSync?(options?: VectorResetOptions): ResetBatch<O>;
  stepSync?(actions: A, mask?: NdArray<"bool">): StepBatch<O>;
  /** One frame per sub-environment; only those in `mask` need to be drawn. Frames are the caller's to keep. */
  render?(mask?: NdArray<"bool">): Promise<readonly (Frame | undefined)[]>;
  renderSync?(mask?: NdArray<"bool">): readonly (Frame | undefined)[];
  snapshot?(): Snapshot;
  restore?(snapshot: Snapshot): void;
  /** Idempotent. */
  close(): Promise<void>;
  toString(): string;
}
