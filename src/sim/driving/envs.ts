/** @file Specs of the driving environments. */

import type { EnvSpec } from "../../env/env.ts";
import { DrivingEnv } from "./single.ts";
import { makeDriveTrackVec } from "./track-env.ts";
import type { DriveTrackOptions } from "./track-env.ts";
import { makeDriveTrafficVec } from "./traffic-env.ts";
import type { DriveTrafficOptions } from "./traffic-env.ts";

const module = import.meta.url;
const kwargNames = ["renderMode", "split", "observation", "camera", "wideStarts"];

/** One `DriveTrack-v0`. */
export function makeDriveTrack(options: Omit<DriveTrackOptions, "numEnvs"> = {}): DrivingEnv {
  return new DrivingEnv(makeDriveTrackVec({ ...options, numEnvs: 1 }));
}

/** One `DriveTraffic-v0`. */
export function makeDriveTraffic(options: Omit<DriveTrafficOptions, "numEnvs"> = {}): DrivingEnv {
  return new DrivingEnv(makeDriveTrafficVec({ ...options, numEnvs: 1 }));
}

/** DriveTrack-v0 and DriveTraffic-v0; the registry itself truncates single environments. */
export const envs: readonly EnvSpec[] = [
  {
    id: "DriveTrack-v0",
    module,
    kwargNames: [...kwargNames, "trackSeeds"],
    entryPoint: (kwargs) => makeDriveTrack({ ...kwargs, maxEpisodeSteps: -1 }),
    vectorEntryPoint: (kwargs) => makeDriveTrackVec(kwargs),
    maxEpisodeSteps: 300,
    rewardThreshold: 262,
  },
  {
    id: "DriveTraffic-v0",
    module,
    kwargNames,
    entryPoint: (kwargs) => makeDriveTraffic({ ...kwargs, maxEpisodeSteps: -1 }),
    vectorEntryPoint: (kwargs) => makeDriveTrafficVec(kwargs),
    maxEpisodeSteps: 300,
    rewardThreshold: 184,
  },
];
