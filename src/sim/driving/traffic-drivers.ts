/** @file How to drive in traffic: IDM behind leaders, the lane that promises most speed, and a lane-tracking steering law. */

import type { Command } from "./track-drivers.ts";
import { laneCount, laneMiddle, placeOnRoad } from "./road.ts";
import type { TrafficEpisode } from "./traffic-episode.ts";
import { vehicleLengthM, vehicleWidthM } from "./traffic.ts";
import type { Vehicle } from "./traffic.ts";
import { trafficCar } from "./traffic-world.ts";

/** What tells one traffic driver from another. */
export interface TrafficStyle {
  readonly topSpeedMps: number;
  /** Seconds of distance kept to a leader. */
  readonly headwayS: number;
  /** How far feedback and caution are trusted, in [0, 1]. */
  readonly skill: number;
  /** Look for a faster lane. */
  readonly changesLanes: boolean;
  /** React to the cars ahead. */
  readonly seesLeaders: boolean;
}

/** The scripted driver of the reference scores. */
export const scriptedStyle: TrafficStyle = {
  topSpeedMps: 14,
  headwayS: 0.7,
  skill: 1,
  changesLanes: true,
  seesLeaders: true,
};

const comfortMps2 = 3;
const brakingMps2 = 4;
const standstillM = 2.5;
const gainOfChangeMps = 0.8;
const speedPerMetre = 0.18;
const cautionM = 2;

/** Is a vehicle in the way of a path at `lateralM`, or on its way into that lane? */
function blocks(vehicle: Vehicle, lateralM: number, marginM: number): boolean {
  return (
    Math.abs(vehicle.lateralM - lateralM) < vehicleWidthM + marginM ||
    Math.abs(laneMiddle(vehicle.lane) - lateralM) < vehicleWidthM
  );
}

/** Speed that a lane promises: free, or the leader's plus what the gap to it lets one gain. */
function promise(episode: TrafficEpisode, lane: number, topSpeedMps: number): number {
  let speed = topSpeedMps;
  for (const vehicle of episode.vehicles) {
    const gap = vehicle.arcM - episode.ego.arcM - vehicleLengthM;
    if (gap < -vehicleLengthM || !blocks(vehicle, laneMiddle(lane), 0)) continue;
    speed = Math.min(speed, vehicle.speedMps + speedPerMetre * Math.max(0, gap - standstillM));
  }
  return speed;
}

/** Is there room beside, ahead and behind in a lane, at the present closing speeds? */
function isOpen(episode: TrafficEpisode, lane: number): boolean {
  const { ego } = episode;
  for (const vehicle of episode.vehicles) {
    if (!blocks(vehicle, laneMiddle(lane), 0.3)) continue;
    const ahead = vehicle.arcM >= ego.arcM;
    const closing = ahead ? ego.speedMps - vehicle.speedMps : vehicle.speedMps - ego.speedMps;
    const gap = Math.abs(vehicle.arcM - ego.arcM) - vehicleLengthM;
    if (gap < cautionM + 0.9 * Math.max(0, closing)) return false;
  }
  return true;
}

/** The lane to drive in, given the one aimed at now. */
export function chooseLane(episode: TrafficEpisode, lane: number, style: TrafficStyle): number {
  if (!style.changesLanes || Math.abs(episode.ego.lateralM - laneMiddle(lane)) > 0.6) return lane;
  let best = lane;
  let bestSpeed = promise(episode, lane, style.topSpeedMps) + gainOfChangeMps;
  for (let other = lane - 1; other <= lane + 1; other += 2) {
    if (other < 0 || other >= laneCount || !isOpen(episode, other)) continue;
    const speed = promise(episode, other, style.topSpeedMps);
    if (speed <= bestSpeed) continue;
    best = other;
    bestSpeed = speed;
  }
  return best;
}

/** Acceleration (m/s²) that keeps the headway to every leader on the path. */
function following(episode: TrafficEpisode, lane: number, style: TrafficStyle): number {
  const { ego, vehicles } = episode;
  const free = 1 - Math.pow(ego.speedMps / style.topSpeedMps, 4);
  let least = comfortMps2 * free;
  if (!style.seesLeaders) return least;
  for (const vehicle of vehicles) {
    if (vehicle.arcM <= ego.arcM) continue;
    if (!blocks(vehicle, ego.lateralM, 0.2) && !blocks(vehicle, laneMiddle(lane), 0)) continue;
    const gap = Math.max(vehicle.arcM - ego.arcM - vehicleLengthM, 0.1);
    const closing = ego.speedMps - vehicle.speedMps;
    const dynamic =
      ego.speedMps * style.headwayS + (ego.speedMps * closing) / (2 * Math.sqrt(comfortMps2 * brakingMps2));
    const ratio = (standstillM + Math.max(0, dynamic)) / gap;
    least = Math.min(least, comfortMps2 * (free - ratio * ratio));
  }
  return least;
}

const ahead = { arcM: 0, lateralM: 0, roadYawRad: 0, curvature: 0 };

/** Write the command that drives in `lane` in the given style. */
export function driveTraffic(
  episode: TrafficEpisode,
  lane: number,
  style: TrafficStyle,
  command: Command,
): void {
  const { car, ego, road } = episode;
  const speed = Math.max(car.speedMps, 1);
  placeOnRoad(road, car.xM + 0.2 * car.speedMps, car.yM, ahead);
  const aside = laneMiddle(lane) - ego.lateralM;
  const limit = Math.min(0.25, 2.5 / speed);
  const wantedYaw = Math.min(Math.max(0.9 * (aside / speed), -limit), limit);
  const bend = ahead.curvature + style.skill * 1.6 * ((wantedYaw - episode.headingErrorRad) / speed);
  command.steer = Math.atan(trafficCar.wheelbaseM * bend) / trafficCar.maxSteeringRad;
  const wanted = following(episode, lane, style);
  command.accel = wanted / (wanted > 0 ? trafficCar.driveMps2 : trafficCar.brakeMps2);
}
