/** @file Observation and action spaces of the driving environments. */

import { float32 } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { Dict } from "../../core/spaces/dict.ts";
import type { Space } from "../../core/spaces/space.ts";
import { frameSide } from "./bird-view.ts";
import type { CarSpec } from "./car.ts";

/** `dict`: {frame, state}; `frame`: the picture alone. */
export type ObservationForm = "dict" | "frame";

/** Upper bound of |yaw rate| in rad/s that a space promises; tighter than any car here can turn. */
const yawRateBoundRadps = 8;

/** The values `row` repeated for every row of a batch. */
function bound(row: readonly number[], batch: readonly number[]): NdArray<"float32"> {
  const count = batch.length === 0 ? 1 : batch[0];
  return float32(Array.from({ length: count }, () => row).flat(), [...batch, row.length]);
}

/**
 * Frames uint8 [64, 64, 3]; state float32 [3] = [speed m/s, yaw rate rad/s, steering angle rad].
 * @param batch `[]` for one environment, `[N]` for a batch
 */
export function observationSpace(form: ObservationForm, car: CarSpec, batch: readonly number[]): Space {
  const frame = new Box(0, 255, [...batch, frameSide, frameSide, 3], "uint8");
  if (form === "frame") return frame;
  const low = bound([0, -yawRateBoundRadps, -car.maxSteeringRad], batch);
  const high = bound([car.maxSpeedMps, yawRateBoundRadps, car.maxSteeringRad], batch);
  return new Dict({ frame, state: new Box(low, high, [...batch, 3], "float32") });
}

/** Actions float32 [2] in [-1, 1]: steering and acceleration. */
export function actionSpace(batch: readonly number[]): Space {
  return new Box(-1, 1, [...batch, 2], "float32");
}
