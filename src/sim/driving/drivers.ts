/** @file Scripted drivers with privileged access: the expert (ceiling) and the mediocre, noisy mix that collects data. */

import { zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import { driveTrack, expertStyle } from "./track-drivers.ts";
import type { Command, TrackStyle } from "./track-drivers.ts";
import { TrackWorld } from "./track-world.ts";
import type { DrivingVecEnv } from "./vec-env.ts";

/** Drives every row of one environment by looking into its simulator. */
export interface Driver {
  /** Actions float32 [N, 2] for the present state; the array belongs to the driver and is overwritten by the next call. */
  act(rng: Rng): NdArray<"float32">;
  /** Tell the driver that episodes begin in the rows of `mask` (all when absent). */
  begin(mask?: NdArray<"bool">): void;
}

/** Draws one row's style at the start of an episode, and drives it. */
interface RowPilot {
  begin(row: number, rng: Rng): void;
  drive(row: number, rng: Rng, command: Command): void;
}

function makeDriver(numEnvs: number, pilot: RowPilot): Driver {
  const actions = zeros("float32", [numEnvs, 2]);
  const fresh = new Uint8Array(numEnvs).fill(1);
  const command: Command = { steer: 0, accel: 0 };
  return {
    act(rng) {
      for (let row = 0; row < numEnvs; row++) {
        if (fresh[row] !== 0) pilot.begin(row, rng);
        fresh[row] = 0;
        pilot.drive(row, rng, command);
        actions.data[2 * row] = Math.min(Math.max(command.steer, -1), 1);
        actions.data[2 * row + 1] = Math.min(Math.max(command.accel, -1), 1);
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
  const pilot = expertPilot(env);
  return makeDriver(env.numEnvs, pilot);
}

function expertPilot(env: DrivingVecEnv): RowPilot {
  const { episodes } = trackWorldOf(env);
  return {
    begin: () => undefined,
    drive: (row, _rng, command) => driveTrack(episodes[row], expertStyle, command),
  };
}

function trackWorldOf(env: DrivingVecEnv): TrackWorld {
  return env.world as TrackWorld;
}

/** The spread of a behaviour mix. */
export interface BehaviourOptions {
  /** Share of episodes driven by uniform random actions. Default 0.1. */
  readonly randomShare?: number;
  /** Standard deviation of the Ornstein-Uhlenbeck noise on both controls, drawn per episode. Default [0.12, 0.42]. */
  readonly noise?: readonly [number, number];
  /** Target speed in m/s, drawn per episode. Default [5, 13]. */
  readonly speedMps?: readonly [number, number];
  /** Trust in the lane-keeping feedback, drawn per episode. Default [0.4, 1]. */
  readonly skill?: readonly [number, number];
}

/** Share of the noise that survives one step: a correlation time of 0.6 s. */
const noiseMemory = 0.85;

/** Share of the episodes whose driver is inattentive, how often such a driver lapses per step, and for how many steps. */
const inattentiveShare = 0.75;
const lapseRate = 0.035;
const lapseSteps = { from: 10, to: 25 };

interface Mood {
  random: boolean;
  noise: number;
  steerNoise: number;
  accelNoise: number;
  /** Remaining steps of a lapse of attention, and the steering held meanwhile. */
  lapse: number;
  lapseRate: number;
  heldSteer: number;
  style: TrackStyle;
}

/**
 * The behaviour policy that collects data: per episode either uniform random actions, or lane keeping at a drawn target
 * speed, blind to bends ahead, under Ornstein-Uhlenbeck noise of drawn strength, three drivers in four with lapses of
 * attention of 1–2.5 s during which the steering is held. It fails often, from good states too; that is its use.
 */
export function makeBehaviour(env: DrivingVecEnv, options: BehaviourOptions = {}): Driver {
  const { randomShare = 0.1, noise = [0.12, 0.42], speedMps = [5, 13], skill = [0.4, 1] } = options;
  const { episodes } = trackWorldOf(env);
  const moods: Mood[] = episodes.map(() => ({
    random: false,
    noise: 0,
    steerNoise: 0,
    accelNoise: 0,
    lapse: 0,
    lapseRate: 0,
    heldSteer: 0,
    style: expertStyle,
  }));
  return makeDriver(env.numEnvs, {
    begin(row, rng) {
      const random = rng.random() < randomShare;
      const topSpeedMps = rng.uniform(speedMps[0], speedMps[1]);
      const strength = rng.uniform(noise[0], noise[1]);
      const inattentive = rng.random() < inattentiveShare;
      const style = { topSpeedMps, lateralMps2: Infinity, skill: rng.uniform(skill[0], skill[1]) };
      moods[row] = {
        random,
        noise: strength,
        steerNoise: 0,
        accelNoise: 0,
        lapse: 0,
        lapseRate: inattentive ? lapseRate : 0,
        heldSteer: 0,
        style,
      };
    },
    drive(row, rng, command) {
      const mood = moods[row];
      if (mood.random) {
        command.steer = rng.uniform(-1, 1);
        command.accel = rng.uniform(-1, 1);
        return;
      }
      const kick = mood.noise * Math.sqrt(1 - noiseMemory * noiseMemory);
      mood.steerNoise = noiseMemory * mood.steerNoise + kick * rng.standardNormal();
      mood.accelNoise = noiseMemory * mood.accelNoise + kick * rng.standardNormal();
      driveTrack(episodes[row], mood.style, command);
      if (mood.lapse > 0) mood.lapse--;
      else if (rng.random() < mood.lapseRate) mood.lapse = rng.integers(lapseSteps.from, lapseSteps.to);
      else mood.heldSteer = Math.min(Math.max(command.steer, -1), 1);
      command.steer = mood.heldSteer + mood.steerNoise;
      command.accel = Math.min(Math.max(command.accel, -1), 1) + mood.accelNoise;
    },
  });
}
