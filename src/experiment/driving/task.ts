/** @file The driving tasks: their environments, scripted drivers and what their actions mean. */

import { makeBehaviour, makeExpert, type Driver } from "../../sim/driving/drivers.ts";
import { makeDriveTrackVec } from "../../sim/driving/track-env.ts";
import { makeDriveTrafficVec } from "../../sim/driving/traffic-env.ts";
import type { DrivingVecEnv } from "../../sim/driving/vec-env.ts";
import type { ActionSpec } from "../../worldmodel/worldmodel.ts";
import type { LoopTask, TaskEnv, TaskEnvOptions } from "../loop/task.ts";
import type { DrivingConfig } from "./config.ts";
import { mirrored } from "./mirror.ts";

/** The task's simulator, as the primitive that drivers look into. */
export function makeTaskEnv(id: DrivingConfig["env"], options: TaskEnvOptions): DrivingVecEnv {
  return id === "DriveTrack-v0" ? makeDriveTrackVec(options) : makeDriveTrafficVec(options);
}

/** The same simulator by the type that learners use. */
export function asPixelEnv(env: DrivingVecEnv): TaskEnv {
  return env as unknown as TaskEnv;
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

/** The behaviour policy as the config wants it; under `stress` nobody is attentive and some drive at random. */
function behaviourOf(config: DrivingConfig, env: DrivingVecEnv, stress: boolean): Driver {
  const { speedMps, inattentiveShare, stressRandomShare } = config.collect;
  const mix = stress
    ? { inattentiveShare: 1, randomShare: stressRandomShare, blindShare: 0.8 }
    : { inattentiveShare };
  return makeBehaviour(env, { ...mix, ...(speedMps === undefined ? {} : { speedMps }) });
}

/** The driving task as the loop wants it. */
export function drivingTask(config: DrivingConfig): LoopTask {
  return {
    id: config.env,
    stateSize,
    actionSpec: actionSpecOf(config.env),
    episodeSteps: 300,
    words: { end: "crash", ends: "crashes", ended: "crashed", places: "worlds", wanted: false },
    reportedStates: [
      { key: "speed", index: 0, label: "speed error", unit: "m/s", digits: 2 },
      { key: "yaw", index: 1, label: "yaw-rate error", unit: "rad/s", digits: 3 },
    ],
    makeEnv: async (options) => asPixelEnv(makeTaskEnv(config.env, options)),
    expert: (env) => makeExpert(env as unknown as DrivingVecEnv),
    behaviour: (env, stress = false) => behaviourOf(config, env as unknown as DrivingVecEnv, stress),
    mirrored: config.collect.mirror ? mirrored : undefined,
  };
}
