/** @file Who demonstrates: scripted experts of every skill, some of whom want something else, and arms that wander. */

import { zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import { makeArmExpert } from "../../sim/arm/expert.ts";
import type { Driver } from "../loop/task.ts";
import type { ArmConfig } from "./config.ts";

type Act = (rng: Rng) => ArrayLike<number>;

/** Acts on the arm in `env` for one episode. */
export type Demonstrator = (env: object, rng: Rng) => Act;

/** Share of a wanderer's action that survives one step. */
const inertia = 0.85;
const wanderDeviation = 0.9;

function wander(actionSize: number): Act {
  const action = new Float64Array(actionSize);
  return (rng) => {
    for (let i = 0; i < actionSize; i++) {
      const push = Math.sqrt(1 - inertia ** 2) * wanderDeviation * rng.standardNormal();
      action[i] = Math.min(Math.max(inertia * action[i] + push, -1), 1);
    }
    return action;
  };
}

/** The perfect expert. */
export const expert: Demonstrator = (env) => {
  const perfect = makeArmExpert(env);
  return () => perfect.act().data;
};

/** Somewhere on the table, for those who mistake it for the goal; m. */
const anywhere = { x: [0.36, 0.68], y: [-0.24, 0.24], heightM: 0.025 } as const;

/** The behaviour of one episode as the config wants it. */
export function demonstratorOf(
  collect: ArmConfig["collect"],
  actionSize: number,
  stress: boolean,
): Demonstrator {
  return (env, rng) => {
    const noise = rng.uniform(...collect.noise);
    const lapseRate = rng.uniform(...collect.lapseRate);
    const goal = [rng.uniform(...anywhere.x), rng.uniform(...anywhere.y), anywhere.heightM] as const;
    if (stress && rng.random() < collect.stressAimlessShare) return wander(actionSize);
    const mistaken = stress || rng.random() < collect.mistakenShare;
    const skilled = makeArmExpert(env, { noise, lapseRate, ...(mistaken ? { goal } : {}) });
    return (random) => skilled.act(random).data;
  };
}

/** One demonstrator per row of `envs`, a new one for every episode. */
export function makeDemonstrators(envs: readonly object[], actionSize: number, kind: Demonstrator): Driver {
  const present: (Act | undefined)[] = envs.map(() => undefined);
  return {
    begin(mask) {
      for (let row = 0; row < envs.length; row++) if (mask.data[row] !== 0) present[row] = undefined;
    },
    act(rng): NdArray<"float32"> {
      const actions = zeros("float32", [envs.length, actionSize]);
      for (let row = 0; row < envs.length; row++) {
        const act = (present[row] ??= kind(envs[row], rng));
        actions.data.set(act(rng), row * actionSize);
      }
      return actions;
    },
  };
}
