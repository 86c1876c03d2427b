/** @file The driving tasks by id: their environments, scripted drivers and what their actions mean. */

import type { NdArray } from "../../core/ndarray.ts";
import type { PixelBatch } from "../../env/latent.ts";
import type { VectorEnv } from "../../env/env.ts";
import type { Policy } from "../../policy/policy.ts";
import { Rng } from "../../core/rng.ts";
import { makeBehaviour, makeExpert, type Driver } from "../../sim/driving/drivers.ts";
import { makeDriveTrackVec } from "../../sim/driving/track-env.ts";
import { makeDriveTrafficVec } from "../../sim/driving/traffic-env.ts";
import type { DrivingVecEnv } from "../../sim/driving/vec-env.ts";
import type { Split } from "../../sim/driving/world.ts";
import type { ActionSpec } from "../../worldmodel/worldmodel.ts";
import type { DrivingConfig } from "./config.ts";

/** Options of a simulator batch. */
export interface TaskEnvOptions {
  readonly numEnvs: number;
  readonly split: Split;
  /** Start anywhere, badly aimed: for collecting and for learning, not for judging. */
  readonly wideStarts?: boolean;
  /** Steps until truncation; the task's own 300 unless given. */
  readonly maxEpisodeSteps?: number;
}

/** The task's simulator, as the primitive that drivers look into. */
export function makeTaskEnv(id: DrivingConfig["env"], options: TaskEnvOptions): DrivingVecEnv {
  return id === "DriveTrack-v0" ? makeDriveTrackVec(options) : makeDriveTrafficVec(options);
}

/** The same simulator by the type that learners use. */
export function asPixelEnv(env: DrivingVecEnv): VectorEnv<PixelBatch, NdArray<"float32">> {
  return env as unknown as VectorEnv<PixelBatch, NdArray<"float32">>;
}

/** Numbers in the observation's `state`: speed, yaw rate, steering. */
export const stateSize = 3;

/** What the two action numbers mean: a steering angle, and a pedal (gas above 0, brake below, each with a scale of its own). */
export function actionSpecOf(id: DrivingConfig["env"]): ActionSpec {
  const steeringRad = id === "DriveTrack-v0" ? 0.42 : 0.22;
  return {
    names: ["steer", "pedal"],
    units: ["rad", "1"],
    kind: "absolute",
    low: [-steeringRad, -1],
    high: [steeringRad, 1],
    rateHz: 10,
  };
}

/** A scripted driver as a policy: it looks into the simulator and ignores the observations. */
export function driverPolicy(driver: Driver, seed: number): Policy<unknown> {
  const rng = Rng.fromSeed(seed);
  return {
    async act(_observations, begins) {
      driver.begin(begins);
      const actions = driver.act(rng);
      return { actions: { ...actions, data: actions.data.slice() } };
    },
  };
}

/** What episodes of the worst drivers are tagged with. */
export const stressTag = "behaviour-stress";

/** The behaviour policy as the config wants it; under `stress` nobody is attentive and some drive at random. */
export function makeTaskBehaviour(config: DrivingConfig, env: DrivingVecEnv, stress = false): Driver {
  const { speedMps, inattentiveShare, stressRandomShare } = config.collect;
  const mix = stress
    ? { inattentiveShare: 1, randomShare: stressRandomShare, blindShare: 0.8 }
    : { inattentiveShare };
  return makeBehaviour(env, { ...mix, ...(speedMps === undefined ? {} : { speedMps }) });
}

/** Uniform random actions. */
export function randomPolicy(seed: number): Policy<unknown> {
  const rng = Rng.fromSeed(seed);
  return {
    async act(_observations, begins) {
      const data = Float32Array.from({ length: begins.data.length * 2 }, () => 2 * rng.random() - 1);
      return { actions: { dtype: "float32", shape: [begins.data.length, 2], data } };
    },
  };
}

export { makeExpert };
