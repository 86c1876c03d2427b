/** @file Specs of the arm environments; MuJoCo is loaded when the first one is made. */

import type { EnvMaker, EnvSpec } from "../../env/env.ts";
import type { ArmTask } from "./scenario.ts";

const module = import.meta.url;

/** Names in `ArmOptions`, and the mode that `make` takes. */
const kwargNames = "renderMode observation control reward endsOnSuccess split camera looks dynamics".split(
  " ",
);

function maker(task: ArmTask): EnvMaker {
  return async (kwargs) => {
    const { makeArm } = await import("./arm-env.ts");
    return makeArm(task, kwargs);
  };
}

/** ArmReach-v0, ArmPush-v0 and ArmPickPlace-v0, 10 Hz. */
export const envs: readonly EnvSpec[] = [
  { id: "ArmReach-v0", module, kwargNames, entryPoint: maker("reach"), maxEpisodeSteps: 50 },
  { id: "ArmPush-v0", module, kwargNames, entryPoint: maker("push"), maxEpisodeSteps: 100 },
  { id: "ArmPickPlace-v0", module, kwargNames, entryPoint: maker("pick-place"), maxEpisodeSteps: 100 },
];
