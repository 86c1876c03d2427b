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
import { DomainState } from "./domain-state.ts";
import { expertsLastFrames } from "./goal-frames.ts";
import { demonstratorOf, expert, makeDemonstrators } from "./demonstrators.ts";

const tasks: Readonly<Record<string, { readonly task: ArmTask; readonly episodeSteps: number }>> = {
  "ArmReach-v0": { task: "reach", episodeSteps: 50 },
  "ArmPush-v0": { task: "push", episodeSteps: 100 },
};

/** A task that arms stand before, and among how many others where their `state` tells which. */
interface Kind {
  readonly id: string;
  readonly domain?: { readonly index: number; readonly count: number };
}

function kindsOf(env: ArmConfig["env"]): Kind[] {
  const ids = env.split("+");
  const count = ids.length;
  return ids.map((id, index) => ({ id, ...(count > 1 ? { domain: { index, count } } : {}) }));
}

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

/** Options of arms in a vector. */
interface RowOptions extends TaskEnvOptions {
  /** Do episodes end by success? They do unless told otherwise. */
  readonly endsOnSuccess?: boolean;
}

async function makeArmOf({ id, domain }: Kind, options: RowOptions): Promise<Env> {
  const { task, episodeSteps } = tasks[id];
  const { split, endsOnSuccess = true } = options;
  const arm = (await makeArm(task, { ...armOptions(split), endsOnSuccess })) as unknown as Env;
  const env = new GuardedEnv(arm, { maxEpisodeSteps: options.maxEpisodeSteps ?? episodeSteps });
  return domain === undefined ? env : new DomainState(env, domain);
}

async function makeRows(kinds: readonly Kind[], options: RowOptions): Promise<SyncVectorEnv> {
  const envs: Env[] = [];
  for (let i = 0; i < options.numEnvs; i++) envs.push(await makeArmOf(kinds[i % kinds.length], options));
  return new SyncVectorEnv(envs);
}

/** N arms as a primitive; of several tasks in turn where `env` names several, each with its own limit of steps. */
export function makeArms(env: ArmConfig["env"], options: TaskEnvOptions): Promise<SyncVectorEnv> {
  return makeRows(kindsOf(env), options);
}

const armsOf = (env: TaskEnv): readonly Env[] => (env as unknown as SyncVectorEnv).envs;

/** Tasks of these kinds as the loop wants them, but for their union. */
function taskOf(config: ArmConfig, id: string, kinds: readonly Kind[]): LoopTask {
  const actionSize = armActions.names.length;
  const driver = (env: TaskEnv, kind: Parameters<typeof makeDemonstrators>[2]) =>
    makeDemonstrators(armsOf(env), actionSize, kind);
  const domain = { key: "domain", index: sizes.own, label: "task number error", unit: "1", digits: 4 };
  const told = kinds[0].domain !== undefined;
  return {
    id,
    stateSize: sizes.own + (told ? 1 : 0),
    actionSpec: armActions,
    episodeSteps: Math.max(...kinds.map((kind) => tasks[kind.id].episodeSteps)),
    words: { end: "success", ends: "successes", ended: "succeeded", places: "goals", wanted: true },
    reportedStates: [
      { key: "tipX", index: 0, label: "tip x error", unit: "m", digits: 4 },
      { key: "tipY", index: 1, label: "tip y error", unit: "m", digits: 4 },
      ...(told ? [domain] : []),
    ],
    makeEnv: async (options) => (await makeRows(kinds, options)) as unknown as TaskEnv,
    expert: (env) => driver(env, expert),
    behaviour: (env, stress = false) => driver(env, demonstratorOf(config.collect, actionSize, stress)),
    goalFrames: async (split, seed, count) => {
      const arms = await makeRows(kinds, { numEnvs: count, split, endsOnSuccess: false });
      const frames = await expertsLastFrames(arms, makeDemonstrators(arms.envs, actionSize, expert), seed);
      await arms.close();
      return frames;
    },
  };
}

/** The arm's task as the loop wants it; a union where the config names several. */
export function armTask(config: ArmConfig): LoopTask {
  const kinds = kindsOf(config.env);
  const task = taskOf(config, config.env, kinds);
  if (kinds.length === 1) return task;
  const parts = kinds.map((kind) => taskOf(config, kind.id, [kind]));
  return { ...task, union: { parts, partOf: (state) => state[sizes.own] } };
}
