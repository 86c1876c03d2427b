/** @file `DriveTraffic-v0`: drive a curved three-lane road among other cars from a bird's-eye view. */

import { fail } from "../../core/errors.ts";
import { checkCamera } from "./front-view.ts";
import type { DrivingCamera } from "./front-view.ts";
import type { ObservationForm } from "./spaces.ts";
import { TrafficWorld, episodeRanges } from "./traffic-world.ts";
import { DrivingVecEnv } from "./vec-env.ts";
import type { Split } from "./world.ts";

/** Options of `makeDriveTrafficVec`. */
export interface DriveTrafficOptions {
  readonly numEnvs: number;
  /** Range of episode seeds: disjoint for training (1 M), validation and test (10 k each). Default "train". */
  readonly split?: Split;
  /** Default "dict". */
  readonly observation?: ObservationForm;
  /** What frames and pictures show: the scene from above, or the view through the windscreen. Default "bird". */
  readonly camera?: DrivingCamera;
  /** Start off the lane's middle, badly aimed, at 2–16 m/s. Default false. */
  readonly wideStarts?: boolean;
  /** Default 300 (30 s); -1: never. */
  readonly maxEpisodeSteps?: number;
}

/** The vector env of `DriveTraffic-v0`. */
export type DriveTrafficVecEnv = DrivingVecEnv<TrafficWorld>;

/**
 * `DriveTraffic-v0`, natively batched.
 *
 * | | |
 * |---|---|
 * | observation | Dict {frame: uint8 [64, 64, 3] bird's-eye, 0.5 m per pixel, ego at row 50 heading up; state: float32 [3] = speed m/s [0, 20], yaw rate rad/s, steering angle rad [-0.22, 0.22]}; or the frame alone |
 * | action | float32 [2] in [-1, 1]: steering (left positive), acceleration (+3 m/s² … -6 m/s²) |
 * | dynamics | kinematic bicycle, wheelbase 2.7 m, 10 Hz in two substeps; steering closes half of its error per step |
 * | traffic | 8 IDM cars (desired 6–11 m/s, 2 m/s², 3 m/s², 1.2 s, 3 m), lane changes at 0.006 per step where a gap allows, recycled ahead at 9–26 m |
 * | reward | clip(v_along / 15, 0, 1.2) - 0.02 steer², and -3 on termination |
 * | terminated | overlap with a car, abs(lateral) > 5.4 m, or heading error > 90° |
 * | truncated | after 300 steps |
 * | info | progressM (of the episode), lateralErrorM (from the nearest lane's middle), headingErrorRad, timeToCollisionS (nearest leader, ≤ 10), speedMps, crashed, episodeId |
 * | reset options | `episode`: id or ids |
 *
 * With `camera: "front"` the frame is the view through the windscreen instead.
 *
 * Version history: v0, first.
 */
export function makeDriveTrafficVec(options: DriveTrafficOptions): DriveTrafficVecEnv {
  const split = options.split ?? "train";
  const range = episodeRanges[split];
  if (range === undefined) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such split",
      expected: '"train", "validation" or "test"',
      got: JSON.stringify(split),
    });
  }
  const { numEnvs, wideStarts = false } = options;
  return new DrivingVecEnv(
    new TrafficWorld({ numEnvs, split, wideStarts, range, camera: checkCamera(options.camera) }),
    {
      numEnvs,
      observation: options.observation ?? "dict",
      maxEpisodeSteps: options.maxEpisodeSteps ?? 300,
    },
  );
}
