/** @file Specs of every simulator that ships with the package. */

import type { EnvSpec } from "../env/env.ts";
import { envs as classicEnvs } from "./classic/envs.ts";
import { envs as drivingEnvs } from "./driving/envs.ts";

/** What `make` and `makeVec` know without registration. */
export const builtinEnvs: readonly EnvSpec[] = [...classicEnvs, ...drivingEnvs];
