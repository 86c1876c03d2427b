/** @file What a driving task must provide to `DrivingVecEnv`: episodes by row, one step of one row, facts and pictures. */

import type { Rng } from "../../core/rng.ts";
import type { Frame } from "../../env/env.ts";
import type { CarSpec, CarState } from "./car.ts";

/** The three disjoint pools of scenes. */
export type Split = "train" | "validation" | "test";

/** What one step of one row brought. */
export interface Outcome {
  reward: number;
  terminated: boolean;
}

/** Facts about one row after a reset or a step: one info column each. */
export interface DrivingFacts {
  /** Metres gained along the road's centre line since the episode began. */
  progressM: number;
  /** Signed distance from the centre of the track or of the nearest lane in m, positive to the left. */
  lateralErrorM: number;
  headingErrorRad: number;
  /** Seconds until contact if speed and heading are held; at most `timeHorizonS`. */
  timeToCollisionS: number;
  speedMps: number;
  /** The episode ended by a collision or by leaving the road. */
  crashed: boolean;
  /** The track or traffic episode that is being driven. */
  sceneId: number;
}

/** Upper end of `timeToCollisionS`: nothing ahead within ten seconds. */
export const timeHorizonS = 10;

/** N episodes of one driving task. Rows are independent. */
export interface DrivingWorld {
  /** Environment id, also the kind of a snapshot. */
  readonly id: string;
  /** Option of `reset` that pins the scene, and the stem of the info column that tells it. */
  readonly sceneName: "track" | "episode";
  readonly split: Split;
  readonly spec: CarSpec;
  readonly cars: readonly CarState[];
  /** Begin a new episode in a row. `scene` pins it; otherwise the row's generator picks one of the split's. */
  reset(row: number, rng: Rng, scene: number | undefined): void;
  /** Advance a row by one step with actions in [-1, 1]; writes `outcome`. */
  step(row: number, action: { steer: number; accel: number }, outcome: Outcome): void;
  /** Write a row's facts. */
  describe(row: number, facts: DrivingFacts): void;
  /** Draw a row's 64×64 observation at `offset`. */
  draw(row: number, out: Uint8Array, offset: number): void;
  /** A larger, finer picture of a row, for people. */
  picture(row: number, side: number): Frame;
  /** Everything that a row's future depends on, as plain data, and its inverse. */
  saveRow(row: number): unknown;
  loadRow(row: number, saved: unknown): void;
}
