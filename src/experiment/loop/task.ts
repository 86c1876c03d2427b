/** @file What the loop of learning in an imagined world has to be told of a task: its simulator, its drivers, its words. */

import type { NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import type { Episode } from "../../data/episode.ts";
import type { VectorEnv } from "../../env/env.ts";
import type { PixelBatch } from "../../env/latent.ts";
import type { Policy } from "../../policy/policy.ts";
import type { ActionSpec } from "../../worldmodel/worldmodel.ts";

/** The three disjoint pools of a task's worlds. */
export type Split = "train" | "validation" | "test";

/** A task's simulator by the type that learners use; drivers look behind it, and it can be drawn. */
export type TaskEnv = VectorEnv<PixelBatch, NdArray<"float32">> & Required<Pick<VectorEnv, "render">>;

/** Options of a simulator batch. */
export interface TaskEnvOptions {
  readonly numEnvs: number;
  readonly split: Split;
  /** Start anywhere: for collecting and for learning, not for judging. */
  readonly wideStarts?: boolean;
  /** Steps until truncation; the task's own unless given. */
  readonly maxEpisodeSteps?: number;
}

/** Something that acts on all rows by looking into the simulator. */
export interface Driver {
  /** Actions float32 [N, A] for the present state; the array may be overwritten by the next call. */
  act(rng: Rng): NdArray<"float32">;
  /** Episodes begin in the rows of `mask`. */
  begin(mask: NdArray<"bool">): void;
}

/** How a task's reports speak of its ends. */
export interface TaskWords {
  /** What an episode terminates by: "crash". */
  readonly end: string;
  /** Several of it: "crashes". */
  readonly ends: string;
  /** What an episode did that terminated: "crashed". */
  readonly ended: string;
  /** What unseen ones of are judged on: "worlds". */
  readonly places: string;
  /** Are ends wanted (a goal that is reached) or to be avoided (a crash)? */
  readonly wanted: boolean;
}

/** A number of the state that reports give the prediction error of. */
export interface ReportedState {
  readonly key: string;
  readonly index: number;
  readonly label: string;
  readonly unit: string;
  readonly digits: number;
}

/** A task, as one config means it. */
export interface LoopTask {
  /** The environment's id. */
  readonly id: string;
  /** Numbers in the observation's `state`. */
  readonly stateSize: number;
  readonly actionSpec: ActionSpec;
  /** Steps until an episode is truncated. */
  readonly episodeSteps: number;
  readonly words: TaskWords;
  readonly reportedStates: readonly ReportedState[];
  makeEnv(options: TaskEnvOptions): Promise<TaskEnv>;
  /** The scripted expert of an environment made here: the ceiling. */
  expert(env: TaskEnv): Driver;
  /** Who collects the data; under `stress`, the worst of them. */
  behaviour(env: TaskEnv, stress?: boolean): Driver;
  /**
   * How the task looks when it is done, in the episodes of `split` that begin from seeds `seed`, `seed` + 1, …: `count`
   * rows of frames and states, made in another environment than the one that is judged. Absent where done has no look.
   */
  readonly goalFrames?: (split: Split, seed: number, count: number) => Promise<PixelBatch>;
  /** An episode's mirror image, as true as the original; absent where there is none, or where it is not wanted. */
  readonly mirrored?: (episode: Episode) => Episode;
  /** Present where this is several tasks that one tokenizer, one world model and one policy learn. */
  readonly union?: TaskUnion;
}

/** Several tasks as one: row i of the environments of the whole is of part i modulo the number of parts. */
export interface TaskUnion {
  /** Each alone: its environments have rows of that part only, and the same observations and actions as the whole. */
  readonly parts: readonly LoopTask[];
  /** Index of the part that a `state` [S] tells of. */
  partOf(state: ArrayLike<number>): number;
}

/** The parts of a union, or the task itself: what is recorded and measured one by one. */
export function partsOf(task: LoopTask): readonly LoopTask[] {
  return task.union?.parts ?? [task];
}

/** The rows of part `index` among those of the whole. */
export function rowsOfPart<T>(task: LoopTask, rows: readonly T[], index: number): T[] {
  return rows.filter((_, row) => row % partsOf(task).length === index);
}

/** What episodes of the worst drivers are tagged with. */
export const stressTag = "behaviour-stress";

/** A scripted driver as a policy: it looks into the simulator and ignores the observations. */
export function driverPolicy(driver: Driver, seed: number): Policy<unknown> {
  const rng = Rng.fromSeed(seed);
  return {
    async act(_observations, begins) {
      driver.begin(begins);
      const actions = driver.act(rng);
      return { actions: { ...actions, data: actions.data.slice() } };
    },
  };
}

/** Uniform random actions of `size` numbers. */
export function randomPolicy(seed: number, size: number): Policy<unknown> {
  const rng = Rng.fromSeed(seed);
  return {
    async act(_observations, begins) {
      const rows = begins.data.length;
      const data = Float32Array.from({ length: rows * size }, () => 2 * rng.random() - 1);
      return { actions: { dtype: "float32", shape: [rows, size], data } };
    },
  };
}
