/** @file DriveTrack's world: a closed random track without traffic; progress is rewarded, the road's edge ends it. */

import { fail } from "../../core/errors.ts";
import type { Rng } from "../../core/rng.ts";
import type { Frame } from "../../env/env.ts";
import { makeCanvas } from "../raster.ts";
import { drawGround, frameSide } from "./bird-view.ts";
import { makeCar, stepCar, wrapAngle } from "./car.ts";
import type { CarState } from "./car.ts";
import { drawCar, drawSpeedBar, egoLook, egoPose } from "./sprites.ts";
import { makeMap, paintRoad } from "./track-map.ts";
import type { ColorMap } from "./track-map.ts";
import { makeFrontView } from "./front-view.ts";
import type { DrivingCamera, FrontView, GroundPainter } from "./front-view.ts";
import { headingErrorOf, trackCar } from "./track-episode.ts";
import type { TrackEpisode } from "./track-episode.ts";
import { pictureOfTrack } from "./track-picture.ts";
import { makeTrack, projectAnywhere, projectNear, trackHalfWidthM } from "./track.ts";
import type { Track, TrackPlace } from "./track.ts";
import { timeHorizonS } from "./world.ts";
import type { DrivingFacts, DrivingWorld, Outcome, Split } from "./world.ts";

/** Tracks by split; ids are generator seeds, and no id is in two pools. */
export const trackPools: Readonly<Record<Split, readonly number[]>> = {
  train: range(0, 200),
  validation: range(100_000, 100_040),
  test: range(200_000, 200_100),
};

/** Image row of the ego. */
export const trackEgoRow = 48;
const crashPenalty = 10;
const edgePenalty = 0.3;
const freeOffsetM = 1.5;

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

const tracks = new Map<number, Track>();
const maps = new Map<number, ColorMap>();

/** A track, generated once per process and shared by every environment. */
function trackOf(id: number): Track {
  let track = tracks.get(id);
  if (track === undefined) tracks.set(id, (track = makeTrack(id)));
  return track;
}

/** The colour map of a track, painted where it is looked at. */
function mapOf(track: Track): ColorMap {
  let map = maps.get(track.id);
  if (map === undefined) maps.set(track.id, (map = makeMap(track)));
  return map;
}

interface SavedEpisode {
  readonly car: CarState;
  readonly place: TrackPlace;
  readonly trackId: number;
  readonly progressM: number;
  readonly crashed: boolean;
}

/** Options of a track world. */
export interface TrackWorldOptions {
  readonly numEnvs: number;
  readonly split: Split;
  readonly wideStarts: boolean;
  readonly pool: readonly number[];
  /** Default "bird". */
  readonly camera?: DrivingCamera;
}

/** N independent cars, each on a track of the pool. */
export class TrackWorld implements DrivingWorld {
  readonly id = "DriveTrack-v0";
  readonly sceneName = "track";
  readonly spec = trackCar;
  readonly split: Split;
  readonly episodes: readonly TrackEpisode[];
  readonly cars: readonly CarState[];
  readonly #pool: readonly number[];
  readonly #wideStarts: boolean;
  readonly #front: FrontView | undefined;
  readonly #ground: TrackGround;
  readonly #probe: TrackPlace = { arcM: 0, lateralM: 0, vertex: 0 };

  constructor(options: TrackWorldOptions) {
    this.split = options.split;
    this.#pool = options.pool;
    this.#wideStarts = options.wideStarts;
    const track = trackOf(options.pool[0]);
    this.episodes = Array.from({ length: options.numEnvs }, () => ({
      car: makeCar(),
      place: { arcM: 0, lateralM: 0, vertex: 0 },
      track,
      progressM: 0,
      crashed: false,
    }));
    this.cars = this.episodes.map((episode) => episode.car);
    this.#ground = new TrackGround(track);
    if (options.camera === "front") this.#front = makeFrontView(0, this.#ground.paint);
  }

  reset(row: number, rng: Rng, scene: number | undefined): void {
    const episode = this.episodes[row];
    const drawn = this.#pool[rng.integers(this.#pool.length)];
    if (scene !== undefined && !this.#pool.includes(scene)) unknownTrack(scene, this.#pool, this.split);
    const track = trackOf(scene ?? drawn);
    const wide = this.#wideStarts;
    const vertex = rng.integers(track.count);
    const lateralM = wide ? rng.uniform(-2.8, 2.8) : rng.uniform(-0.5, 0.5);
    const headingRad = wide ? rng.uniform(-0.5, 0.5) : rng.uniform(-0.05, 0.05);
    const { car, place } = episode;
    car.xM = track.x[vertex] - lateralM * track.tangentY[vertex];
    car.yM = track.y[vertex] + lateralM * track.tangentX[vertex];
    car.yawRad = wrapAngle(Math.atan2(track.tangentY[vertex], track.tangentX[vertex]) + headingRad);
    car.speedMps = wide ? rng.uniform(0, 13) : rng.uniform(4, 8);
    car.steeringRad = 0;
    car.yawRateRadps = 0;
    episode.track = track;
    episode.progressM = 0;
    episode.crashed = false;
    projectAnywhere(track, car.xM, car.yM, place);
  }

  step(row: number, action: { steer: number; accel: number }, outcome: Outcome): void {
    const episode = this.episodes[row];
    const { car, place, track } = episode;
    const before = place.arcM;
    stepCar(car, trackCar, action.steer, action.accel);
    projectNear(track, car.xM, car.yM, place);
    let gained = place.arcM - before;
    if (gained > track.lengthM / 2) gained -= track.lengthM;
    else if (gained < -track.lengthM / 2) gained += track.lengthM;
    const offset = Math.abs(place.lateralM);
    episode.progressM += gained;
    episode.crashed = offset > trackHalfWidthM;
    outcome.terminated = episode.crashed;
    outcome.reward =
      gained - edgePenalty * Math.max(0, offset - freeOffsetM) - (episode.crashed ? crashPenalty : 0);
  }

  describe(row: number, facts: DrivingFacts): void {
    const episode = this.episodes[row];
    const { car, place, track } = episode;
    facts.progressM = episode.progressM;
    facts.lateralErrorM = place.lateralM;
    facts.headingErrorRad = headingErrorOf(episode);
    facts.timeToCollisionS = episode.crashed ? 0 : this.#timeToEdge(car, track, place);
    facts.speedMps = car.speedMps;
    facts.crashed = episode.crashed;
    facts.sceneId = track.id;
  }

  draw(row: number, out: Uint8Array, offset: number): void {
    const { car, track } = this.episodes[row];
    if (this.#front !== undefined) {
      this.#ground.begin(track);
      this.#front.draw(car, [], out, offset);
      drawSpeedBar(car.speedMps / trackCar.maxSpeedMps, out, offset);
      return;
    }
    viewScratch.xM = car.xM;
    viewScratch.yM = car.yM;
    viewScratch.yawRad = car.yawRad;
    drawGround(mapOf(track), viewScratch, out, offset);
    canvas.data = out;
    canvas.offset = offset;
    drawCar(canvas, ego, egoLook);
    drawSpeedBar(car.speedMps / trackCar.maxSpeedMps, out, offset);
  }

  picture(row: number, side: number): Frame {
    const episode = this.episodes[row];
    if (this.#front === undefined) return pictureOfTrack(episode, trackEgoRow, side);
    this.#ground.begin(episode.track);
    return this.#front.picture(episode.car, [], side);
  }

  saveRow(row: number): SavedEpisode {
    const { car, place, track, progressM, crashed } = this.episodes[row];
    return { car: { ...car }, place: { ...place }, trackId: track.id, progressM, crashed };
  }

  loadRow(row: number, saved: unknown): void {
    const from = saved as SavedEpisode;
    const episode = this.episodes[row];
    Object.assign(episode.car, from.car);
    Object.assign(episode.place, from.place);
    episode.track = trackOf(from.trackId);
    episode.progressM = from.progressM;
    episode.crashed = from.crashed;
  }

  /**
   * Seconds to the road's edge at held speed and heading, by sphere tracing: the distance to the nearer edge is how far
   * the car can move in any direction.
   */
  #timeToEdge(car: CarState, track: Track, place: TrackPlace): number {
    const reach = car.speedMps * timeHorizonS;
    const probe = this.#probe;
    probe.vertex = place.vertex;
    probe.lateralM = place.lateralM;
    const cos = Math.cos(car.yawRad);
    const sin = Math.sin(car.yawRad);
    let travelled = 0;
    while (travelled < reach) {
      const free = trackHalfWidthM - Math.abs(probe.lateralM);
      if (free <= 0) return travelled / car.speedMps;
      travelled += Math.max(free, 0.05);
      projectNear(track, car.xM + travelled * cos, car.yM + travelled * sin, probe);
    }
    return timeHorizonS;
  }
}

const canvas = makeCanvas(frameSide, frameSide, new Uint8Array(0));
const ego = egoPose(trackEgoRow);
const viewScratch = { xM: 0, yM: 0, yawRad: 0, egoRow: trackEgoRow };

/** Rays walk along a track from where the last one fell, and search all of it now and then and after a leap. */
const searchEvery = 24;
const leapM = 6;

/** The track as a ground; `begin` must be called for every picture, so that none depends on the one before. */
class TrackGround {
  track: Track;
  readonly #place: TrackPlace = { arcM: 0, lateralM: 0, vertex: 0 };
  #x = 0;
  #y = 0;
  #calls = 0;

  constructor(track: Track) {
    this.track = track;
  }

  begin(track: Track): void {
    this.track = track;
    this.#calls = 0;
  }

  readonly paint: GroundPainter = (at, color) => {
    const place = this.#place;
    const { track } = this;
    const leap = Math.abs(at[0] - this.#x) + Math.abs(at[1] - this.#y) > leapM;
    this.#x = at[0];
    this.#y = at[1];
    if (leap || this.#calls++ % searchEvery === 0) projectAnywhere(track, at[0], at[1], place);
    else projectNear(track, at[0], at[1], place);
    paintRoad(track, place, Math.max(at[2], 0.1), color);
  };
}

function unknownTrack(id: number, pool: readonly number[], split: Split): never {
  return fail({
    code: "INVALID_ARGUMENT",
    what: `track ${id} is not in this environment's pool`,
    expected: `one of the ${pool.length} ids ${pool[0]} … ${pool[pool.length - 1]}`,
    got: `${id}`,
    fix: `pick an id of the "${split}" split, or make the environment with trackSeeds`,
  });
}
