/** @file `DriveTrack-v0`: drive a closed random track from a bird's-eye view. */

import { fail } from "../../core/errors.ts";
import { checkCamera } from "./front-view.ts";
import type { DrivingCamera } from "./front-view.ts";
import { TrackWorld, trackPools } from "./track-world.ts";
import { DrivingVecEnv } from "./vec-env.ts";
import type { ObservationForm } from "./spaces.ts";
import type { Split } from "./world.ts";

/** Options of `makeDriveTrackVec`. */
export interface DriveTrackOptions {
  readonly numEnvs: number;
  /** Pool of tracks: disjoint for training (200), validation (40) and test (100). Default "train". */
  readonly split?: Split;
  /** Default "dict". */
  readonly observation?: ObservationForm;
  /** What frames and pictures show: the scene from above, or the view through the windscreen. Default "bird". */
  readonly camera?: DrivingCamera;
  /** Start anywhere on the road at up to 13 m/s, badly aimed: what data collection wants. Default false. */
  readonly wideStarts?: boolean;
  /** Default 300 (30 s); -1: never. */
  readonly maxEpisodeSteps?: number;
  /** Track ids to draw from instead of the split's pool. */
  readonly trackSeeds?: readonly number[];
}

/** The vector env of `DriveTrack-v0`. */
export type DriveTrackVecEnv = DrivingVecEnv<TrackWorld>;

/**
 * `DriveTrack-v0`, natively batched.
 *
 * | | |
 * |---|---|
 * | observation | Dict {frame: uint8 [64, 64, 3] bird's-eye, 0.5 m per pixel, ego at row 48 heading up; state: float32 [3] = speed m/s [0, 16], yaw rate rad/s, steering angle rad [-0.42, 0.42]}; or the frame alone |
 * | action | float32 [2] in [-1, 1]: steering (left positive), acceleration (+4 m/s² … -6 m/s²) |
 * | dynamics | kinematic bicycle, wheelbase 2.6 m, 10 Hz; steering closes 60 % of its error per step; lateral acceleration 7·tanh(a/7) m/s² |
 * | reward | metres gained along the centre line - 0.3·max(0, abs(d) - 1.5) - 10 on leaving the road |
 * | terminated | abs(d) > 4 m |
 * | truncated | after 300 steps |
 * | info | progressM (of the episode), lateralErrorM, headingErrorRad, timeToCollisionS (to the road's edge, ≤ 10), speedMps, crashed, trackId |
 * | reset options | `track`: id or ids |
 *
 * With `camera: "front"` the frame is the view through the windscreen instead.
 *
 * Version history: v0, first.
 */
export function makeDriveTrackVec(options: DriveTrackOptions): DriveTrackVecEnv {
  const split = options.split ?? "train";
  const pool = options.trackSeeds ?? trackPools[split];
  if (pool === undefined || pool.length === 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no tracks to drive on",
      expected: 'split "train", "validation" or "test", or a non-empty trackSeeds',
      got: `split ${JSON.stringify(split)}`,
    });
  }
  const { numEnvs, wideStarts = false } = options;
  const world = new TrackWorld({ numEnvs, split, wideStarts, pool, camera: checkCamera(options.camera) });
  return new DrivingVecEnv(world, {
    numEnvs,
    observation: options.observation ?? "dict",
    maxEpisodeSteps: options.maxEpisodeSteps ?? 300,
  });
}
