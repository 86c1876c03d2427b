/** @file Specs of every simulator that ships with the package. */

import type { NdArray } from "../core/ndarray.ts";
import type { Env, EnvSpec } from "../env/env.ts";
import type { ArmEnv } from "./arm/arm-env.ts";
import { envs as armEnvs } from "./arm/envs.ts";
import { envs as classicEnvs } from "./classic/envs.ts";
import { envs as drivingEnvs } from "./driving/envs.ts";
import type { DrivingEnv } from "./driving/single.ts";

type Vector = NdArray<"float32">;

/** Types of the environments below, by id. */
export interface BuiltinEnvs {
  "CartPole-v0": Env<Vector, number>;
  "CartPole-v1": Env<Vector, number>;
  "MountainCar-v0": Env<Vector, number>;
  "MountainCarContinuous-v0": Env<Vector, Vector>;
  "Pendulum-v1": Env<Vector, Vector>;
  "Acrobot-v1": Env<Vector, number>;
  "DriveTrack-v0": DrivingEnv;
  "DriveTraffic-v0": DrivingEnv;
  "ArmReach-v0": ArmEnv;
  "ArmPush-v0": ArmEnv;
  "ArmPickPlace-v0": ArmEnv;
}

/** What `make` and `makeVec` know without registration. */
export const builtinEnvs: readonly EnvSpec[] = [...classicEnvs, ...drivingEnvs, ...armEnvs];
