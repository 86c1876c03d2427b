/** @file One episode of DriveTraffic: road, ego, traffic, and what is measured between them. */

import { Rng } from "../../core/rng.ts";
import { makeCar, wrapAngle } from "./car.ts";
import type { CarState } from "./car.ts";
import { laneCount, laneMiddle, makeRoad, placeOnRoad } from "./road.ts";
import type { Road, RoadPlace, RoadShape } from "./road.ts";
import { vehicleCount, vehicleLengthM, vehicleWidthM } from "./traffic.ts";
import type { RoadUser, Vehicle } from "./traffic.ts";
import { timeHorizonS } from "./world.ts";

/** One row's episode. */
export interface TrafficEpisode {
  readonly car: CarState;
  readonly road: Road;
  readonly place: RoadPlace;
  readonly vehicles: readonly Vehicle[];
  /** What traffic sees of the ego; its speed is along the road. */
  readonly ego: RoadUser;
  shape: RoadShape;
  rng: Rng;
  episodeId: number;
  startArcM: number;
  headingErrorRad: number;
  crashed: boolean;
}

/** Lateral distance within which the ego's held path meets a leader. */
const corridorM = vehicleWidthM + 0.2;

/** An episode that has not begun. */
export function makeEpisode(): TrafficEpisode {
  return {
    car: makeCar(),
    road: makeRoad(),
    place: { arcM: 0, lateralM: 0, roadYawRad: 0, curvature: 0 },
    vehicles: Array.from({ length: vehicleCount }, () => ({
      arcM: 0,
      lateralM: 0,
      speedMps: 0,
      lane: 0,
      desiredMps: 1,
    })),
    ego: { arcM: 0, lateralM: 0, speedMps: 0 },
    shape: { amplitude: [0, 0], wave: [0, 0], phase: [0, 0] },
    rng: Rng.fromSeed(0),
    episodeId: 0,
    startArcM: 0,
    headingErrorRad: 0,
    crashed: false,
  };
}

/** Work out the ego's place on the road; in place. */
export function locate(episode: TrafficEpisode): void {
  const { car, place } = episode;
  placeOnRoad(episode.road, car.xM, car.yM, place);
  episode.headingErrorRad = wrapAngle(car.yawRad - place.roadYawRad);
  episode.ego.arcM = place.arcM;
  episode.ego.lateralM = place.lateralM;
  episode.ego.speedMps = car.speedMps * Math.cos(episode.headingErrorRad);
}

/** Signed distance from the middle of the nearest lane, m. */
export function lateralErrorOf(lateralM: number): number {
  let nearest = Infinity;
  for (let lane = 0; lane < laneCount; lane++) {
    const error = lateralM - laneMiddle(lane);
    if (Math.abs(error) < Math.abs(nearest)) nearest = error;
  }
  return nearest;
}

/** Seconds until the nearest leader in the ego's corridor is reached at held speeds. */
export function timeToLeader(episode: TrafficEpisode): number {
  const { ego: self } = episode;
  let soonest = timeHorizonS;
  for (const vehicle of episode.vehicles) {
    if (vehicle.arcM <= self.arcM || Math.abs(vehicle.lateralM - self.lateralM) > corridorM) continue;
    const closing = self.speedMps - vehicle.speedMps;
    if (closing <= 0) continue;
    soonest = Math.min(soonest, Math.max(0, vehicle.arcM - self.arcM - vehicleLengthM) / closing);
  }
  return soonest;
}
