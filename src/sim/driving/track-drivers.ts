/** @file How to drive a track: lane-keeping feedback around a curvature feed-forward, and a speed plan from curvature. */

import { curvatureAt } from "./track.ts";
import { headingErrorOf, trackCar } from "./track-episode.ts";
import type { TrackEpisode } from "./track-episode.ts";

/** A command in [-1, 1] for each of the two controls. */
export interface Command {
  steer: number;
  accel: number;
}

/** What tells one track driver from another. */
export interface TrackStyle {
  /** Speed that is never exceeded, m/s. */
  readonly topSpeedMps: number;
  /** Lateral acceleration that is planned for in bends, m/s²; Infinity ignores them. */
  readonly lateralMps2: number;
  /** How far the feedback and the look at the bend ahead are trusted, in [0, 1]. */
  readonly skill: number;
}

/** The ceiling: fast, but never beyond what the tyres give. */
export const expertStyle: TrackStyle = { topSpeedMps: 10.3, lateralMps2: 4.6, skill: 1 };

const plannedBrakeMps2 = 3.5;
const planM = 30;
const planStepM = 1;
const offsetGain = 0.045;
const headingGain = 0.42;

/** Speed that lets the car slow down in time for every bend of the next 30 m. */
function plannedSpeed(episode: TrackEpisode, style: TrackStyle): number {
  if (style.lateralMps2 === Infinity) return style.topSpeedMps;
  let speed = style.topSpeedMps;
  for (let ahead = 0; ahead <= planM; ahead += planStepM) {
    const bend = Math.abs(curvatureAt(episode.track, episode.place.arcM + ahead));
    if (bend < 1e-4) continue;
    speed = Math.min(speed, Math.sqrt(style.lateralMps2 / bend + 2 * plannedBrakeMps2 * ahead));
  }
  return speed;
}

/** Steering angle that bends the path by `bend` (1/m) at a speed, undoing the tyres' soft limit. */
function steeringFor(bend: number, speedMps: number): number {
  const limit = trackCar.lateralLimitMps2;
  const share = Math.min(Math.max((speedMps * speedMps * bend) / limit, -0.97), 0.97);
  const free = speedMps < 1 ? bend : (Math.atanh(share) * limit) / (speedMps * speedMps);
  return Math.atan(trackCar.wheelbaseM * free);
}

/** Write the command that follows the centre line in the given style. */
export function driveTrack(episode: TrackEpisode, style: TrackStyle, command: Command): void {
  const { car, place, track } = episode;
  const ahead = 0.15 * style.skill * car.speedMps;
  const bend = curvatureAt(track, place.arcM + ahead);
  const feedback =
    offsetGain * place.lateralM + (headingGain * headingErrorOf(episode) * 4) / (car.speedMps + 3);
  const wanted = bend - style.skill * feedback;
  command.steer = steeringFor(wanted, Math.max(car.speedMps, 0.5)) / trackCar.maxSteeringRad;
  command.accel = (plannedSpeed(episode, style) - car.speedMps) * 0.8;
}
