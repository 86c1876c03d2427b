/** @file A simulator as PPO wants it: float32 vectors in, one action in [-1, 1] per dimension out, any built-in environment. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { Discrete } from "../../core/spaces/discrete.ts";
import type { AutoresetMode, VectorEnv } from "../../env/env.ts";
import { Registry } from "../../env/registry.ts";
import { RescaleAction, TransformAction } from "../../env/wrappers/all.ts";
import { builtinEnvs } from "../../sim/envs.ts";

/** A batch of environments with vectors on both sides. */
export type VectorSimulator = VectorEnv<NdArray<"float32">, NdArray<"float32">>;

/** Which of `n` equal parts of [-1, 1] the number lies in. */
export function binOf(x: number, n: number): number {
  return Math.min(n - 1, Math.max(0, Math.floor(((x + 1) / 2) * n)));
}

/** @throws NOT_SUPPORTED for pictures, dictionaries and the like */
function requireVectors(env: VectorEnv): void {
  const space = env.singleObservationSpace;
  if (space instanceof Box && space.shape.length === 1 && space.dtype === "float32") return;
  fail({
    code: "NOT_SUPPORTED",
    what: "this experiment learns from vectors",
    expected: "a Box of float32 with one axis as observation",
    got: String(space),
    fix: "choose another environment, or wrap it with FlattenObservation in a script of your own",
  });
}

function withContinuousActions(env: VectorEnv): VectorEnv {
  const space = env.singleActionSpace;
  if (space instanceof Box) return RescaleAction(env, { minAction: -1, maxAction: 1 });
  if (space instanceof Discrete) {
    const { n, start } = space;
    const choose = (action: NdArray<"float32">): number => start + binOf(action.data[0], n);
    return TransformAction(env, choose, new Box(-1, 1, [1], "float32"));
  }
  return fail({
    code: "NOT_SUPPORTED",
    what: "this experiment acts with numbers",
    expected: "a Box or Discrete action space",
    got: String(space),
  });
}

/** `numEnvs` copies of the environment `id`. A discrete action is the part of [-1, 1] that the policy's one number lies in. */
export async function makeSimulator(
  id: string,
  numEnvs: number,
  autoreset: AutoresetMode,
): Promise<VectorSimulator> {
  const env = (await new Registry(builtinEnvs).makeVec(id, { numEnvs, autoreset })) as VectorEnv;
  requireVectors(env);
  return withContinuousActions(env) as VectorSimulator;
}

/** Sizes of the policy's network for this environment. */
export function sizesOf(env: VectorSimulator): { observationSize: number; actionSize: number } {
  const [observations, actions] = [env.singleObservationSpace, env.singleActionSpace] as unknown as Box[];
  return { observationSize: observations.shape[0], actionSize: actions.shape[0] };
}
