/** @file DriveTraffic's world: a curved three-lane road with car-following, lane-changing traffic. */

import { fail } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import type { RngState } from "../../core/rng.ts";
import type { Frame } from "../../env/env.ts";
import { makeCanvas } from "../raster.ts";
import { frameSide, metresPerPixel } from "./bird-view.ts";
import { moveCar, stepSeconds, wrapAngle } from "./car.ts";
import type { CarSpec, CarState } from "./car.ts";
import { boxesOverlap } from "./collision.ts";
import { makeFrontView } from "./front-view.ts";
import type { DrivingCamera, FrontView, GroundPainter } from "./front-view.ts";
import { drawRoad, paintLanes } from "./road-view.ts";
import { drawShape, laneCount, laneMiddle, placeOnRoad, poseOnRoad, shapeRoad } from "./road.ts";
import type { Pose, Road, RoadPlace, RoadShape } from "./road.ts";
import { drawCar, egoInTrafficLook, egoPose, trafficLook } from "./sprites.ts";
import { lateralErrorOf, locate, makeEpisode, timeToLeader } from "./traffic-episode.ts";
import type { TrafficEpisode } from "./traffic-episode.ts";
import {
  populate,
  stepTraffic,
  vehicleCount,
  vehicleLengthM,
  vehiclePose,
  vehicleWidthM,
} from "./traffic.ts";
import type { Vehicle } from "./traffic.ts";
import { pictureOfTraffic } from "./traffic-picture.ts";
import type { DrivingFacts, DrivingWorld, Outcome, Split } from "./world.ts";

/** The ego on the road. @source reference task definition */
export const trafficCar: CarSpec = {
  wheelbaseM: 2.7,
  maxSteeringRad: 0.22,
  steeringLag: 0.5,
  maxSpeedMps: 20,
  driveMps2: 3,
  brakeMps2: 6,
  lateralLimitMps2: Infinity,
  lengthM: vehicleLengthM,
  widthM: vehicleWidthM,
};

/** Episode ids by split, [from, to): disjoint, and each id is the seed of all that happens in its episode. */
export const episodeRanges: Readonly<Record<Split, readonly [number, number]>> = {
  train: [0, 1_000_000],
  validation: [1_000_000, 1_010_000],
  test: [2_000_000, 2_010_000],
};

const egoRow = 50;
const substeps = 2;
const rewardSpeedMps = 15;
const failurePenalty = 3;
const steerPenalty = 0.02;
const maxLateralM = 5.4;
const extent = { halfLengthM: vehicleLengthM / 2, halfWidthM: vehicleWidthM / 2 };
interface SavedEpisode {
  readonly car: CarState;
  readonly place: RoadPlace;
  readonly vehicles: readonly Vehicle[];
  readonly ego: TrafficEpisode["ego"];
  readonly shape: RoadShape;
  readonly rng: RngState;
  readonly episodeId: number;
  readonly startArcM: number;
  readonly headingErrorRad: number;
  readonly crashed: boolean;
}

/** Options of a traffic world. */
export interface TrafficWorldOptions {
  readonly numEnvs: number;
  readonly split: Split;
  readonly wideStarts: boolean;
  /** Episode ids [from, to). */
  readonly range: readonly [number, number];
  /** Default "bird". */
  readonly camera?: DrivingCamera;
}

/** N independent roads, each with an ego and eight other cars. */
export class TrafficWorld implements DrivingWorld {
  readonly id = "DriveTraffic-v0";
  readonly sceneName = "episode";
  readonly spec = trafficCar;
  readonly split: Split;
  readonly episodes: readonly TrafficEpisode[];
  readonly cars: readonly CarState[];
  readonly #range: readonly [number, number];
  readonly #wideStarts: boolean;
  readonly #front: FrontView | undefined;
  /** The road and the other cars that the front camera shows. */
  #shown: Road;
  readonly #others: Pose[] = Array.from({ length: vehicleCount }, () => ({ xM: 0, yM: 0, yawRad: 0 }));

  constructor(options: TrafficWorldOptions) {
    this.split = options.split;
    this.#range = options.range;
    this.#wideStarts = options.wideStarts;
    this.episodes = Array.from({ length: options.numEnvs }, makeEpisode);
    this.cars = this.episodes.map((episode) => episode.car);
    this.#shown = this.episodes[0].road;
    if (options.camera === "front")
      this.#front = makeFrontView(
        vehicleCount,
        roadPainter(() => this.#shown),
      );
  }

  /** Point the front camera's ground at a row's road; poses of its other cars. */
  #look(row: number): readonly Pose[] {
    const { road, vehicles } = this.episodes[row];
    this.#shown = road;
    vehicles.forEach((vehicle, i) => vehiclePose(road, vehicle, this.#others[i]));
    return this.#others;
  }

  reset(row: number, rng: Rng, scene: number | undefined): void {
    const [from, to] = this.#range;
    const drawn = rng.integers(from, to);
    const id = scene ?? drawn;
    if (!Number.isInteger(id) || id < from || id >= to) unknownEpisode(id, this.#range, this.split);
    const episode = this.episodes[row];
    episode.episodeId = id;
    episode.rng = Rng.fromSeed(id);
    episode.shape = drawShape(episode.rng);
    shapeRoad(episode.road, episode.shape);
    this.#placeEgo(episode);
    populate(episode.vehicles, episode.place.arcM, episode.rng);
    episode.startArcM = episode.place.arcM;
    episode.crashed = false;
  }

  step(row: number, action: { steer: number; accel: number }, outcome: Outcome): void {
    const episode = this.episodes[row];
    const { car } = episode;
    stepTraffic(episode.vehicles, episode.ego, episode.rng);
    car.steeringRad += trafficCar.steeringLag * (action.steer * trafficCar.maxSteeringRad - car.steeringRad);
    for (let i = 0; i < substeps; i++) moveCar(car, trafficCar, action.accel, stepSeconds / substeps);
    locate(episode);
    const failed =
      Math.abs(episode.place.lateralM) > maxLateralM ||
      Math.abs(episode.headingErrorRad) > Math.PI / 2 ||
      hitsVehicle(episode);
    episode.crashed = failed;
    outcome.terminated = failed;
    const share = Math.min(Math.max(episode.ego.speedMps / rewardSpeedMps, 0), 1.2);
    outcome.reward = share - steerPenalty * action.steer * action.steer - (failed ? failurePenalty : 0);
  }

  describe(row: number, facts: DrivingFacts): void {
    const episode = this.episodes[row];
    facts.progressM = episode.place.arcM - episode.startArcM;
    facts.lateralErrorM = lateralErrorOf(episode.place.lateralM);
    facts.headingErrorRad = episode.headingErrorRad;
    facts.timeToCollisionS = episode.crashed ? 0 : timeToLeader(episode);
    facts.speedMps = episode.car.speedMps;
    facts.crashed = episode.crashed;
    facts.sceneId = episode.episodeId;
  }

  draw(row: number, out: Uint8Array, offset: number): void {
    const { car, road, vehicles } = this.episodes[row];
    if (this.#front !== undefined) {
      this.#front.draw(car, this.#look(row), out, offset);
      return;
    }
    view.xM = car.xM;
    view.yM = car.yM;
    view.yawRad = car.yawRad;
    drawRoad(road, view, out, offset);
    canvas.data = out;
    canvas.offset = offset;
    const cos = Math.cos(car.yawRad);
    const sin = Math.sin(car.yawRad);
    for (const vehicle of vehicles) {
      vehiclePose(road, vehicle, pose);
      const forward = (pose.xM - car.xM) * cos + (pose.yM - car.yM) * sin;
      const right = (pose.xM - car.xM) * sin - (pose.yM - car.yM) * cos;
      sprite.column = frameSide / 2 + right / metresPerPixel;
      sprite.row = egoRow - forward / metresPerPixel;
      sprite.headingRad = pose.yawRad - car.yawRad;
      drawCar(canvas, sprite, trafficLook);
    }
    drawCar(canvas, ego, egoInTrafficLook);
  }

  picture(row: number, side: number): Frame {
    const episode = this.episodes[row];
    if (this.#front === undefined) return pictureOfTraffic(episode, egoRow, side);
    return this.#front.picture(episode.car, this.#look(row), side);
  }

  saveRow(row: number): SavedEpisode {
    const { road: _tables, rng, ...rest } = this.episodes[row];
    return structuredClone({ ...rest, rng: rng.state });
  }

  loadRow(row: number, saved: unknown): void {
    const from = structuredClone(saved as SavedEpisode);
    const episode = this.episodes[row];
    Object.assign(episode.car, from.car);
    Object.assign(episode.place, from.place);
    Object.assign(episode.ego, from.ego);
    episode.vehicles.forEach((vehicle, i) => Object.assign(vehicle, from.vehicles[i]));
    episode.shape = from.shape;
    shapeRoad(episode.road, from.shape);
    episode.rng = Rng.fromState(from.rng);
    episode.episodeId = from.episodeId;
    episode.startArcM = from.startArcM;
    episode.headingErrorRad = from.headingErrorRad;
    episode.crashed = from.crashed;
  }

  #placeEgo(episode: TrafficEpisode): void {
    const { car, road, rng } = episode;
    const wide = this.#wideStarts;
    const lateralM = laneMiddle(rng.integers(laneCount)) + (wide ? rng.uniform(-1.2, 1.2) : 0);
    poseOnRoad(road, 0, lateralM, pose);
    car.xM = pose.xM;
    car.yM = pose.yM;
    car.yawRad = wrapAngle(pose.yawRad + (wide ? rng.uniform(-0.2, 0.2) : 0));
    car.speedMps = wide ? rng.uniform(2, 16) : rng.uniform(8, 14);
    car.steeringRad = 0;
    car.yawRateRadps = 0;
    locate(episode);
  }
}

// Scratch of the synchronous calls above, shared by all worlds.
const canvas = makeCanvas(frameSide, frameSide, new Uint8Array(0));
const view = { xM: 0, yM: 0, yawRad: 0, egoRow };
const ego = egoPose(egoRow);
const sprite = egoPose(egoRow);
const pose: Pose = { xM: 0, yM: 0, yawRad: 0 };

function hitsVehicle(episode: TrafficEpisode): boolean {
  for (const vehicle of episode.vehicles) {
    if (Math.abs(vehicle.arcM - episode.ego.arcM) > 2 * vehicleLengthM) continue;
    vehiclePose(episode.road, vehicle, pose);
    if (boxesOverlap(episode.car, extent, pose, extent)) return true;
  }
  return false;
}

function roadPainter(shown: () => Road): GroundPainter {
  const place: RoadPlace = { arcM: 0, lateralM: 0, roadYawRad: 0, curvature: 0 };
  return (at, color) => {
    placeOnRoad(shown(), at[0], at[1], place);
    paintLanes(place, Math.max(at[2], 0.1), color);
  };
}

function unknownEpisode(id: number, range: readonly [number, number], split: Split): never {
  return fail({
    code: "INVALID_ARGUMENT",
    what: `episode ${id} is not of the "${split}" split`,
    expected: `an integer from ${range[0]} to ${range[1] - 1}`,
    got: `${id}`,
  });
}
