/** @file The other cars: eight IDM drivers that change lanes when a gap allows it and return ahead once passed. */

import type { Rng } from "../../core/rng.ts";
import { stepSeconds } from "./car.ts";
import { laneCount, laneMiddle, laneOf, poseOnRoad } from "./road.ts";
import type { Pose, Road } from "./road.ts";

/** One car of the traffic, in road coordinates. */
export interface Vehicle {
  arcM: number;
  lateralM: number;
  speedMps: number;
  /** The lane it is in or changing to, 0 (right) … 2. */
  lane: number;
  /** Speed it would drive on an empty road, m/s. */
  desiredMps: number;
}

/** What traffic sees of the ego. */
export interface RoadUser {
  arcM: number;
  lateralM: number;
  speedMps: number;
}

export const vehicleCount = 8;
export const vehicleLengthM = 4.8;
export const vehicleWidthM = 2.1;

const lateralSpeedMps = 1.6;
const changeChance = 0.006;
const recycleBehindM = 14;
const firstGapM = 8;

/** IDM parameters. @source Treiber, Hennecke, Helbing 2000, eq. 2–3; values of the reference task */
const idm = { accelMps2: 2, brakeMps2: 3, headwayS: 1.2, standstillM: 3, exponent: 4 };

/** Acceleration (m/s²) of a car behind a leader; `gapM` is bumper to bumper, Infinity on a free road. */
export function idmAcceleration(
  speedMps: number,
  desiredMps: number,
  gapM: number,
  closingMps: number,
): number {
  const free = 1 - Math.pow(speedMps / desiredMps, idm.exponent);
  if (gapM === Infinity) return idm.accelMps2 * free;
  const dynamic =
    speedMps * idm.headwayS + (speedMps * closingMps) / (2 * Math.sqrt(idm.accelMps2 * idm.brakeMps2));
  const wanted = idm.standstillM + Math.max(0, dynamic);
  const ratio = wanted / Math.max(gapM, 0.1);
  return Math.max(idm.accelMps2 * (free - ratio * ratio), -8);
}

/** Fill the road ahead of the ego: spacing 9–26 m, random lanes, desired speeds 6–11 m/s; in place. */
export function populate(vehicles: readonly Vehicle[], egoArcM: number, rng: Rng): void {
  let arcM = egoArcM + firstGapM;
  for (const vehicle of vehicles) {
    arcM += rng.uniform(9, 26);
    enter(vehicle, arcM, rng);
  }
}

function enter(vehicle: Vehicle, arcM: number, rng: Rng): void {
  vehicle.arcM = arcM;
  vehicle.lane = rng.integers(laneCount);
  vehicle.lateralM = laneMiddle(vehicle.lane);
  vehicle.desiredMps = rng.uniform(6, 11);
  vehicle.speedMps = vehicle.desiredMps * rng.uniform(0.8, 1);
}

/** Do two lateral offsets share a path? */
function overlaps(a: number, b: number): boolean {
  return Math.abs(a - b) < vehicleWidthM;
}

function occupies(user: RoadUser, laneMiddleM: number): boolean {
  return Math.abs(user.lateralM - laneMiddleM) < vehicleWidthM;
}

/** The nearest road user ahead of `self` on its path or, for a lane change, on the new lane's. */
export function leaderOf(self: Vehicle, vehicles: readonly Vehicle[], ego: RoadUser): RoadUser | undefined {
  let leader: RoadUser | undefined;
  const target = laneMiddle(self.lane);
  for (let i = -1; i < vehicles.length; i++) {
    const other = i < 0 ? ego : vehicles[i];
    if (other === self || other.arcM <= self.arcM) continue;
    if (!overlaps(other.lateralM, self.lateralM) && !occupies(other, target)) continue;
    if (leader === undefined || other.arcM < leader.arcM) leader = other;
  }
  return leader;
}

/** May `self` change into `lane`? A gap ahead and behind that grows with the closing speed. */
function gapAllows(self: Vehicle, lane: number, vehicles: readonly Vehicle[], ego: RoadUser): boolean {
  const middle = laneMiddle(lane);
  for (let i = -1; i < vehicles.length; i++) {
    const other = i < 0 ? ego : vehicles[i];
    if (other === self) continue;
    if (!occupies(other, middle) && !(i >= 0 && vehicles[i].lane === lane)) continue;
    const gap = Math.abs(other.arcM - self.arcM) - vehicleLengthM;
    const closing = other.arcM > self.arcM ? self.speedMps - other.speedMps : other.speedMps - self.speedMps;
    if (gap < 5 + 2.5 * Math.max(0, closing)) return false;
  }
  return true;
}

/** Accelerations of the present step; scratch, so that all cars react to the same instant. */
const accelerations = new Float64Array(vehicleCount);

/** Advance the traffic by one step of 0.1 s, in place. Draws one number per car for its lane change. */
export function stepTraffic(vehicles: readonly Vehicle[], ego: RoadUser, rng: Rng): void {
  for (let i = 0; i < vehicles.length; i++) {
    const self = vehicles[i];
    const leader = leaderOf(self, vehicles, ego);
    const gap = leader === undefined ? Infinity : leader.arcM - self.arcM - vehicleLengthM;
    const closing = leader === undefined ? 0 : self.speedMps - leader.speedMps;
    accelerations[i] = idmAcceleration(self.speedMps, self.desiredMps, gap, closing);
  }
  for (let i = 0; i < vehicles.length; i++) {
    const self = vehicles[i];
    maybeChangeLane(self, vehicles, ego, rng);
    const before = self.speedMps;
    self.speedMps = Math.max(0, before + accelerations[i] * stepSeconds);
    self.arcM += ((before + self.speedMps) / 2) * stepSeconds;
    const aside = laneMiddle(self.lane) - self.lateralM;
    const most = lateralSpeedMps * stepSeconds;
    self.lateralM += Math.min(Math.max(aside, -most), most);
  }
  recycle(vehicles, ego, rng);
}

function maybeChangeLane(self: Vehicle, vehicles: readonly Vehicle[], ego: RoadUser, rng: Rng): void {
  const draw = rng.random();
  if (draw >= changeChance) return;
  const lane = self.lane + (draw < changeChance / 2 ? 1 : -1);
  if (lane < 0 || lane >= laneCount || self.lateralM !== laneMiddle(self.lane)) return;
  if (gapAllows(self, lane, vehicles, ego)) self.lane = lane;
}

/** A car that the ego has left 14 m behind enters again 9–26 m beyond the foremost one, out of sight. */
function recycle(vehicles: readonly Vehicle[], ego: RoadUser, rng: Rng): void {
  for (const vehicle of vehicles) {
    if (vehicle.arcM > ego.arcM - recycleBehindM) continue;
    let foremost = ego.arcM + 30;
    for (const other of vehicles) foremost = Math.max(foremost, other.arcM);
    enter(vehicle, foremost + rng.uniform(9, 26), rng);
  }
}

/** Angle between a vehicle's heading and the road's: its lateral motion over its speed. */
export function vehicleYaw(vehicle: Vehicle): number {
  const aside = laneMiddle(vehicle.lane) - vehicle.lateralM;
  if (Math.abs(aside) < 1e-9) return 0;
  return Math.atan2(Math.sign(aside) * lateralSpeedMps, Math.max(vehicle.speedMps, lateralSpeedMps * 2));
}

/** The lane a road user is in. */
export function laneOfUser(user: RoadUser): number {
  return laneOf(user.lateralM);
}

/** World pose of a vehicle; writes `out`. */
export function vehiclePose(road: Road, vehicle: Vehicle, out: Pose): void {
  poseOnRoad(road, vehicle.arcM, vehicle.lateralM, out);
  out.yawRad += vehicleYaw(vehicle);
}
