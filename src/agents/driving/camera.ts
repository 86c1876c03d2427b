/** @file The camera as a sensor: place and heading in the lane from a bird's-eye frame, by the road's edges. */

import { sizeOf } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Reading } from "./fusion.ts";

/** How the frames are taken and what the ground looks like. */
export interface CameraOptions {
  readonly metresPerPixel: number;
  /** Row whose upper edge the car is on, from the top; it is in the middle of the row, heading up. */
  readonly egoRow: number;
  /** How much greener than blue the ground beside the road and the road are, 0 … 255. */
  readonly greennessBeside: number;
  readonly greennessOnRoad: number;
  /** Half the width of the car's own picture. */
  readonly carHalfWidthM: number;
  /** Half the width that a road may have at most. */
  readonly maxHalfWidthM: number;
}

/** Metres of road from the middle of a row to one side; undefined when no edge is seen. */
function roadWidth(
  frame: NdArray<"uint8">,
  row: number,
  side: -1 | 1,
  options: CameraOptions,
): number | undefined {
  const [, width] = frame.shape;
  const { metresPerPixel, greennessBeside: beside, greennessOnRoad: road, maxHalfWidthM } = options;
  let share = 0;
  for (let k = 0; k * metresPerPixel < 2 * maxHalfWidthM; k++) {
    const x = side > 0 ? width / 2 + k : width / 2 - 1 - k;
    if (x < 0 || x >= width) return undefined;
    const at = (row * width + x) * 3;
    // A pixel on the edge is part road, part ground: its colour says how much.
    const grass = (frame.data[at + 1] - frame.data[at + 2] - road) / (beside - road);
    // Where the car itself is drawn, nothing is seen of the ground: it is taken for road.
    const hidden = k * metresPerPixel < options.carHalfWidthM;
    share += hidden ? 1 : 1 - Math.min(1, Math.max(0, grass));
    if (!hidden && grass > 0.9) return share * metresPerPixel;
  }
  return undefined;
}

/** Metres from the car's middle line to the road's, to the left; undefined when an edge is not seen. */
function middleAt(frame: NdArray<"uint8">, row: number, options: CameraOptions): number | undefined {
  const [left, right] = [roadWidth(frame, row, -1, options), roadWidth(frame, row, 1, options)];
  if (left === undefined || right === undefined || left + right > 2 * options.maxHalfWidthM) return undefined;
  return (left - right) / 2;
}

/**
 * Read a frame, uint8 [H, W, 3]: the road's middle in the rows around the car, and a straight line through them.
 *
 * Quantities that the frame does not show (no road, a junction, black) are absent.
 */
export function readCamera(frame: NdArray<"uint8">, options: CameraOptions): Reading {
  if (sizeOf(frame.shape) === 0) return {};
  const points: { ahead: number; middle: number }[] = [];
  for (let row = options.egoRow - 6; row <= options.egoRow + 6; row++) {
    const middle = middleAt(frame, row, options);
    const ahead = (options.egoRow - row - 0.5) * options.metresPerPixel;
    if (middle !== undefined) points.push({ ahead, middle });
  }
  if (points.length < 5) return {};
  const mean = (value: (point: { ahead: number; middle: number }) => number): number =>
    points.reduce((sum, point) => sum + value(point), 0) / points.length;
  const [ahead, middle] = [mean((point) => point.ahead), mean((point) => point.middle)];
  const slope =
    mean((point) => (point.ahead - ahead) * (point.middle - middle)) /
    mean((point) => (point.ahead - ahead) ** 2);
  return {
    lateralErrorM: -(middle - slope * ahead) * Math.cos(Math.atan(slope)),
    headingErrorRad: -Math.atan(slope),
  };
}
