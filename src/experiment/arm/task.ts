/** @file The arm's tasks for the loop: moved in a plane, seen from the front, ended by success. */

import { GuardedEnv } from "../../env/guard.ts";
import type { Env } from "../../env/env.ts";
import { SyncVectorEnv } from "../../env/vector/sync.ts";
import { makeArm, type ArmOptions } from "../../sim/arm/arm-env.ts";
import { actionScale } from "../../sim/arm/control.ts";
import type { ArmTask } from "../../sim/arm/scenario.ts";
import { sizes } from "../../sim/arm/spaces.ts";
import type { ActionSpec } from "../../worldmodel/worldmodel.ts";
import type { LoopTask, TaskEnv, TaskEnvOptions } from "../loop/task.ts";
import type { ArmConfig } from "./config.ts";
import { demonstratorOf, expert, makeDemonstrators } from "./demonstrators.ts";

type ArmId = ArmConfig["env"];

const tasks: Readonly<Record<ArmId, { readonly task: ArmTask; readonly episodeSteps: number }>> = {
  "ArmReach-v0": { task: "reach", episodeSteps: 50 },
  "ArmPush-v0": { task: "push", episodeSteps: 100 },
};

/** What an action means: the way of the tip along x and y in a step, in m. */
export const armActions: ActionSpec = {
  names: ["x", "y"],
  units: ["m", "m"],
  kind: "delta",
  low: [-actionScale.tipM, -actionScale.tipM],
  high: [actionScale.tipM, actionScale.tipM],
  rateHz: 10,
};

/** How the experiments set up the arm, in the simulator's process or in another one. */
export function armOptions(split: TaskEnvOptions["split"]): ArmOptions {
  return { control: "planar", reward: "cost", endsOnSuccess: true, split };
}

/** N arms as a primitive. */
export async function makeArms(id: ArmId, options: TaskEnvOptions): Promise<SyncVectorEnv> {
  const { task, episodeSteps } = tasks[id];
  const envs: Env[] = [];
  for (let i = 0; i < options.numEnvs; i++) {
    const arm = (await makeArm(task, armOptions(options.split))) as unknown as Env;
    envs.push(new GuardedEnv(arm, { maxEpisodeSteps: options.maxEpisodeSteps ?? episodeSteps }));
  }
  return new SyncVectorEnv(envs);
}

const armsOf = (env: TaskEnv): readonly Env[] => (env as unknown as SyncVectorEnv).envs;

/** The arm's task as the loop wants it. */
export function armTask(config: ArmConfig): LoopTask {
  const actionSize = armActions.names.length;
  const driver = (env: TaskEnv, kind: Parameters<typeof makeDemonstrators>[2]) =>
    makeDemonstrators(armsOf(env), actionSize, kind);
  return {
    id: config.env,
    stateSize: sizes.own,
    actionSpec: armActions,
    episodeSteps: tasks[config.env].episodeSteps,
    words: { end: "success", ends: "successes", ended: "succeeded", places: "goals", wanted: true },
    reportedStates: [
      { key: "tipX", index: 0, label: "tip x error", unit: "m", digits: 4 },
      { key: "tipY", index: 1, label: "tip y error", unit: "m", digits: 4 },
    ],
    makeEnv: async (options) => (await makeArms(config.env, options)) as unknown as TaskEnv,
    expert: (env) => driver(env, expert),
    behaviour: (env, stress = false) => driver(env, demonstratorOf(config.collect, actionSize, stress)),
  };
}
