/** @file Scripted drivers with privileged access: the expert (ceiling) and the mediocre, noisy mix that collects data. */

import { fail } from "../../core/errors.ts";
import { zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import { laneCount, laneOf } from "./road.ts";
import { driveTrack, expertStyle } from "./track-drivers.ts";
import type { Command } from "./track-drivers.ts";
import { TrackWorld } from "./track-world.ts";
import { chooseLane, driveTraffic, scriptedStyle } from "./traffic-drivers.ts";
import { TrafficWorld } from "./traffic-world.ts";
import type { DrivingVecEnv } from "./vec-env.ts";

/** Drives every row of one environment by looking into its simulator. */
export interface Driver {
  /** Actions float32 [N, 2] for the present state; the array belongs to the driver and is overwritten by the next call. */
  act(rng: Rng): NdArray<"float32">;
  /** Tell the driver that episodes begin in the rows of `mask` (all when absent). */
  begin(mask?: NdArray<"bool">): void;
}

/** The spread of a behaviour mix; each range is drawn from once per episode. */
export interface BehaviourOptions {
  /** Share of episodes driven by uniform random actions. Default 0.1. */
  readonly randomShare?: number;
  /** Standard deviation of the Ornstein-Uhlenbeck noise on both controls. Default [0.12, 0.42]. */
  readonly noise?: Range;
  /** Target speed in m/s. Default [5, 13] on tracks, [6, 16] in traffic. */
  readonly speedMps?: Range;
  /** Trust in the lane-keeping feedback. Default [0.4, 1]. */
  readonly skill?: Range;
  /** Share of episodes whose driver is inattentive: lapses, blind lane changes, no distance. Default 0.75. */
  readonly inattentiveShare?: number;
  /** In traffic: share of the inattentive drivers that keep their lane well and do not see the cars ahead. Default 0.5. */
  readonly blindShare?: number;
}

type Range = readonly [number, number];

/** What a driver is like during one episode. */
interface Mood {
  speedMps: number;
  skill: number;
  attentive: boolean;
  blind: boolean;
}

/** Drives rows of one task; `mood` undefined means the expert. */
interface Pilot {
  begin(row: number): void;
  /** What the task adds to the mood of an episode's driver. */
  unsettle?(mood: Mood, rng: Rng): void;
  drive(row: number, mood: Mood | undefined, command: Command, rng: Rng): void;
}

function trackPilot(world: TrackWorld): Pilot {
  return {
    begin: () => undefined,
    drive(row, mood, command) {
      const style =
        mood === undefined
          ? expertStyle
          : { topSpeedMps: mood.speedMps, lateralMps2: mood.attentive ? 5 : Infinity, skill: mood.skill };
      driveTrack(world.episodes[row], style, command);
    },
  };
}

/** Chance per step that a lapsing, and that a blind driver changes lanes without looking. */
const carelessChangeChance = { lapsing: 0.03, blind: 0.009 };
/** A blind driver's target speed is at least drawn from here, m/s: faster than most of the traffic. */
const blindSpeedMps: Range = [9, 16];

function trafficPilot(world: TrafficWorld, blindShare: number): Pilot {
  const lanes = new Int32Array(world.episodes.length);
  return {
    begin(row) {
      lanes[row] = laneOf(world.episodes[row].place.lateralM);
    },
    unsettle(mood, rng) {
      mood.blind = !mood.attentive && rng.random() < blindShare;
      if (!mood.blind) return;
      mood.skill = 1;
      mood.speedMps = Math.max(mood.speedMps, rng.uniform(blindSpeedMps[0], blindSpeedMps[1]));
    },
    drive(row, mood, command, rng) {
      const episode = world.episodes[row];
      const style =
        mood === undefined
          ? scriptedStyle
          : {
              topSpeedMps: mood.speedMps,
              headwayS: mood.attentive ? 1 : 0,
              skill: mood.skill,
              changesLanes: mood.attentive,
              seesLeaders: !mood.blind,
            };
      lanes[row] = chooseLane(episode, lanes[row], style);
      const careless = mood?.blind ? carelessChangeChance.blind : carelessChangeChance.lapsing;
      if (mood?.attentive === false && rng.random() < careless) {
        lanes[row] = Math.min(Math.max(lanes[row] + (rng.random() < 0.5 ? 1 : -1), 0), laneCount - 1);
      }
      driveTraffic(episode, lanes[row], style, command);
    },
  };
}

function pilotOf(env: DrivingVecEnv, blindShare = 0): { pilot: Pilot; speedMps: Range } {
  const { world } = env;
  if (world instanceof TrackWorld) return { pilot: trackPilot(world), speedMps: [5, 13] };
  if (world instanceof TrafficWorld) return { pilot: trafficPilot(world, blindShare), speedMps: [6, 16] };
  return fail({
    code: "NOT_SUPPORTED",
    what: `no scripted driver knows ${world.id}`,
    expected: "DriveTrack-v0 or DriveTraffic-v0",
  });
}

interface RowDriver {
  begin(row: number, rng: Rng): void;
  drive(row: number, rng: Rng, command: Command): void;
}

function clip(value: number): number {
  return value < -1 ? -1 : value > 1 ? 1 : value;
}

function makeDriver(numEnvs: number, rows: RowDriver): Driver {
  const actions = zeros("float32", [numEnvs, 2]);
  const fresh = new Uint8Array(numEnvs).fill(1);
  const command: Command = { steer: 0, accel: 0 };
  return {
    act(rng) {
      for (let row = 0; row < numEnvs; row++) {
        if (fresh[row] !== 0) rows.begin(row, rng);
        fresh[row] = 0;
        rows.drive(row, rng, command);
        actions.data[2 * row] = clip(command.steer);
        actions.data[2 * row + 1] = clip(command.accel);
      }
      return actions;
    },
    begin(mask) {
      for (let row = 0; row < numEnvs; row++) if (mask === undefined || mask.data[row] !== 0) fresh[row] = 1;
    },
  };
}

/** The scripted expert: the ceiling of the task. Uses no randomness. */
export function makeExpert(env: DrivingVecEnv): Driver {
  const { pilot } = pilotOf(env);
  return makeDriver(env.numEnvs, {
    begin: (row) => pilot.begin(row),
    drive: (row, rng, command) => pilot.drive(row, undefined, command, rng),
  });
}

/** Share of the noise that survives one step: a correlation time of 0.6 s. */
const noiseMemory = 0.85;
/** How often an inattentive driver lapses per step, and for how many steps. */
const lapseRate = 0.05;
const lapseSteps = { from: 10, to: 25 };

/** Noise and lapses of one row; `lapse` counts remaining steps, `heldSteer` is the steering held meanwhile. */
interface Disturbance {
  random: boolean;
  noise: number;
  steerNoise: number;
  accelNoise: number;
  lapse: number;
  heldSteer: number;
}

function makeMood(): Mood {
  return { speedMps: 0, skill: 1, attentive: true, blind: false };
}

function makeDisturbance(): Disturbance {
  return { random: false, noise: 0, steerNoise: 0, accelNoise: 0, lapse: 0, heldSteer: 0 };
}

function disturb(state: Disturbance, mood: Mood, command: Command, rng: Rng): void {
  const kick = state.noise * Math.sqrt(1 - noiseMemory * noiseMemory);
  state.steerNoise = noiseMemory * state.steerNoise + kick * rng.standardNormal();
  state.accelNoise = noiseMemory * state.accelNoise + kick * rng.standardNormal();
  if (state.lapse > 0) state.lapse--;
  else if (!mood.attentive && !mood.blind && rng.random() < lapseRate)
    state.lapse = rng.integers(lapseSteps.from, lapseSteps.to);
  else state.heldSteer = clip(command.steer);
  command.steer = state.heldSteer + state.steerNoise;
  command.accel = clip(command.accel) + state.accelNoise;
}

/**
 * The behaviour policy that collects data.
 *
 * Per episode one in ten drives by uniform random actions; the others keep their lane at a drawn target speed under
 * Ornstein-Uhlenbeck noise of drawn strength. One in four of them is attentive: slows down for bends, keeps its
 * distance. The rest do neither, lapse for 1–2.5 s at a time during which the steering is held, and change lanes without
 * looking; in traffic half of them keep their lane instead and do not see the cars ahead, since drivers who lapse hit the
 * verge and hardly ever a car. It fails often, from good states too; that is its use: 60 000 frames hold at least 500 crashes.
 */
export function makeBehaviour(env: DrivingVecEnv, options: BehaviourOptions = {}): Driver {
  const { pilot, speedMps: usual } = pilotOf(env, options.blindShare ?? 0.5);
  const { randomShare = 0.1, noise = [0.12, 0.42], speedMps = usual, skill = [0.4, 1] } = options;
  const { inattentiveShare = 0.75 } = options;
  const moods = Array.from({ length: env.numEnvs }, makeMood);
  const states = moods.map(makeDisturbance);
  return makeDriver(env.numEnvs, {
    begin(row, rng) {
      const [mood, state] = [moods[row], states[row]];
      state.random = rng.random() < randomShare;
      mood.speedMps = rng.uniform(speedMps[0], speedMps[1]);
      state.noise = rng.uniform(noise[0], noise[1]);
      mood.attentive = rng.random() >= inattentiveShare;
      mood.skill = rng.uniform(skill[0], skill[1]);
      state.steerNoise = state.accelNoise = state.lapse = state.heldSteer = 0;
      pilot.begin(row);
      pilot.unsettle?.(mood, rng);
    },
    drive(row, rng, command) {
      if (states[row].random) {
        command.steer = rng.uniform(-1, 1);
        command.accel = rng.uniform(-1, 1);
        return;
      }
      pilot.drive(row, moods[row], command, rng);
      disturb(states[row], moods[row], command, rng);
    },
  });
}
