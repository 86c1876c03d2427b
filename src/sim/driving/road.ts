/** @file DriveTraffic's road: three lanes along a centre line that is the sum of two sines, tabulated along x. */

import type { Rng } from "../../core/rng.ts";

/** Width of one lane and half of the paved width, m. */
export const laneWidthM = 4;
export const laneCount = 3;
export const roadHalfWidthM = (laneCount * laneWidthM) / 2;

/** Table spacing in m of x; the table spans what 30 s at top speed and the view can reach. */
export const roadSpacingM = 0.5;
const firstX = -64;
const entries = 1664;

/**
 * A road running along x. Entry i is at x = -64 + i/2: the centre line's y, unit tangent, and arc length (0 at x = 0).
 * The arrays are owned and rewritten by `shapeRoad`.
 */
export interface Road {
  readonly firstX: number;
  readonly entries: number;
  readonly y: Float64Array;
  readonly tangentX: Float64Array;
  readonly tangentY: Float64Array;
  readonly arc: Float64Array;
  readonly curvature: Float64Array;
}

/** A place relative to the road. */
export interface RoadPlace {
  arcM: number;
  /** Signed distance from the road's middle, positive to the left. */
  lateralM: number;
  /** Direction of the road there. */
  roadYawRad: number;
  curvature: number;
}

/** A pose in the world. */
export interface Pose {
  xM: number;
  yM: number;
  yawRad: number;
}

/** An unshaped (straight) road. */
export function makeRoad(): Road {
  const array = (): Float64Array => new Float64Array(entries);
  return {
    firstX,
    entries,
    y: array(),
    tangentX: array(),
    tangentY: array(),
    arc: array(),
    curvature: array(),
  };
}

/** Two sines: amplitudes in m, wave numbers in rad/m, phases in rad. */
export interface RoadShape {
  readonly amplitude: readonly [number, number];
  readonly wave: readonly [number, number];
  readonly phase: readonly [number, number];
}

/** Draw a shape: amplitudes 2–9 m and 1–4.5 m, wavelengths 130–260 m and 90–150 m. @source reference task definition */
export function drawShape(rng: Rng): RoadShape {
  const turn = 2 * Math.PI;
  return {
    amplitude: [rng.uniform(2, 9), rng.uniform(1, 4.5)],
    wave: [turn / rng.uniform(130, 260), turn / rng.uniform(90, 150)],
    phase: [rng.uniform(0, turn), rng.uniform(0, turn)],
  };
}

/** Tabulate a shape into `road`, in place. */
export function shapeRoad(road: Road, shape: RoadShape): void {
  const { amplitude, wave, phase } = shape;
  let arc = 0;
  for (let i = 0; i < road.entries; i++) {
    const x = road.firstX + i * roadSpacingM;
    let y = 0;
    let slope = 0;
    let bend = 0;
    for (let k = 0; k < 2; k++) {
      const angle = wave[k] * x + phase[k];
      y += amplitude[k] * Math.sin(angle);
      slope += amplitude[k] * wave[k] * Math.cos(angle);
      bend -= amplitude[k] * wave[k] * wave[k] * Math.sin(angle);
    }
    const stretch = Math.sqrt(1 + slope * slope);
    if (i > 0) arc += Math.hypot(roadSpacingM, y - road.y[i - 1]);
    road.y[i] = y;
    road.tangentX[i] = 1 / stretch;
    road.tangentY[i] = slope / stretch;
    road.curvature[i] = bend / (stretch * stretch * stretch);
    road.arc[i] = arc;
  }
  const atZero = road.arc[-road.firstX / roadSpacingM];
  for (let i = 0; i < road.entries; i++) road.arc[i] -= atZero;
}

function entryOf(road: Road, x: number): number {
  const i = Math.round((x - road.firstX) / roadSpacingM);
  return i < 0 ? 0 : i >= road.entries ? road.entries - 1 : i;
}

/** Project a point onto the road; writes `place`. Exact to a centimetre within the paved width. */
export function placeOnRoad(road: Road, x: number, y: number, place: RoadPlace): void {
  let foot = x;
  let i = entryOf(road, foot);
  for (let round = 0; round < 3; round++) {
    const along =
      (x - road.firstX - i * roadSpacingM) * road.tangentX[i] + (y - road.y[i]) * road.tangentY[i];
    const left = (y - road.y[i]) * road.tangentX[i] - (x - road.firstX - i * roadSpacingM) * road.tangentY[i];
    foot = road.firstX + i * roadSpacingM + (along * road.tangentX[i]) / (1 - road.curvature[i] * left);
    i = entryOf(road, foot);
  }
  const dx = x - road.firstX - i * roadSpacingM;
  const dy = y - road.y[i];
  const left = dy * road.tangentX[i] - dx * road.tangentY[i];
  const bend = road.curvature[i];
  const along = (dx * road.tangentX[i] + dy * road.tangentY[i]) / (1 - bend * left);
  place.arcM = road.arc[i] + along;
  place.lateralM = left - (bend * along * along) / 2;
  place.roadYawRad = Math.atan2(road.tangentY[i], road.tangentX[i]) + bend * along;
  place.curvature = bend;
}

/** The world pose at an arc length and lateral offset, heading along the road; writes `pose`. */
export function poseOnRoad(road: Road, arcM: number, lateralM: number, pose: Pose): void {
  let low = 0;
  let high = road.entries - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (road.arc[middle] <= arcM) low = middle;
    else high = middle;
  }
  const share = (arcM - road.arc[low]) / (road.arc[high] - road.arc[low]);
  const yaw = Math.atan2(
    road.tangentY[low] + share * (road.tangentY[high] - road.tangentY[low]),
    road.tangentX[low] + share * (road.tangentX[high] - road.tangentX[low]),
  );
  pose.xM = road.firstX + (low + share) * roadSpacingM - lateralM * Math.sin(yaw);
  pose.yM = road.y[low] + share * (road.y[high] - road.y[low]) + lateralM * Math.cos(yaw);
  pose.yawRad = yaw;
}

/** Curvature (1/m) of the road at an arc length. */
export function roadCurvatureAt(road: Road, arcM: number): number {
  let i = entryOf(road, arcM);
  while (i < road.entries - 1 && road.arc[i] < arcM) i++;
  while (i > 0 && road.arc[i] > arcM) i--;
  return road.curvature[i];
}

/** Middle of a lane, counted from the right (0) to the left (2), as a lateral offset in m. */
export function laneMiddle(lane: number): number {
  return (lane - (laneCount - 1) / 2) * laneWidthM;
}

/** The lane in which a lateral offset lies. */
export function laneOf(lateralM: number): number {
  const lane = Math.round(lateralM / laneWidthM + (laneCount - 1) / 2);
  return lane <= 0 ? 0 : lane >= laneCount ? laneCount - 1 : lane;
}
