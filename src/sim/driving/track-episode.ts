/** @file One episode of DriveTrack: the car, its track, and where it is on it. */

import { wrapAngle } from "./car.ts";
import type { CarSpec, CarState } from "./car.ts";
import type { Track, TrackPlace } from "./track.ts";

/** The track car: soft tyres, brisk brakes. @source the trial simulator described in docs/driving.md */
export const trackCar: CarSpec = {
  wheelbaseM: 2.6,
  maxSteeringRad: 0.42,
  steeringLag: 0.6,
  maxSpeedMps: 16,
  driveMps2: 4,
  brakeMps2: 6,
  lateralLimitMps2: 7,
  lengthM: 4.2,
  widthM: 1.9,
};

/** One row's episode. */
export interface TrackEpisode {
  readonly car: CarState;
  readonly place: TrackPlace;
  track: Track;
  progressM: number;
  crashed: boolean;
}

/** Angle from the road's direction to the car's, in (-pi, pi]. */
export function headingErrorOf(episode: TrackEpisode): number {
  const { track, place, car } = episode;
  const road =
    Math.atan2(track.tangentY[place.vertex], track.tangentX[place.vertex]) +
    track.curvature[place.vertex] * (place.arcM - place.vertex * track.spacingM);
  return wrapAngle(car.yawRad - road);
}
