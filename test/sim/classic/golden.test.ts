/** @file Classic control against recorded Gymnasium: observations, flags and resets bit for bit, rewards within 1e-10. */

import { describe, expect, test } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { ndarray } from "../../../src/core/ndarray.ts";
import type { Env } from "../../../src/env/env.ts";
import { Registry } from "../../../src/env/registry.ts";
import { envs } from "../../../src/sim/classic/envs.ts";
import type { Trace } from "./golden.ts";
import { float32s, float64s, golden, int32s } from "./golden.ts";

const registry = new Registry(envs);
const make = (id: string) => registry.make(id) as Env<NdArray<"float32">, unknown>;

function actionsOf(trace: Trace): unknown[] {
  if (trace.actionDtype === "int") return [...int32s(trace.actions)];
  const values = [...float64s(trace.actions)];
  if (trace.actionDtype === "float64")
    return values.map((value) => ndarray("float64", [1], Float64Array.of(value)));
  return values.map((value) => ndarray("float32", [1], Float32Array.of(value)));
}

function replay(trace: Trace) {
  const env = make(trace.name.split("/")[0]);
  const observations = [...env.reset({ seed: trace.seed }).observation.data];
  const rewards: number[] = [];
  const ends = { terminated: [] as number[], truncated: [] as number[] };
  actionsOf(trace).forEach((action, t) => {
    const result = env.step(action);
    observations.push(...result.observation.data);
    rewards.push(result.reward);
    if (result.terminated) ends.terminated.push(t);
    if (result.truncated) ends.truncated.push(t);
    if (result.terminated || result.truncated) observations.push(...env.reset().observation.data);
  });
  return { observations, rewards, ...ends };
}

describe("classic control equals Gymnasium 1.4 on NumPy 2.4", () => {
  test.each(golden.traces.map((trace) => [`${trace.name}, seed ${trace.seed}`, trace] as const))(
    "%s: 300 closed-loop steps",
    (_name, trace) => {
      const run = replay(trace);
      expect(run.terminated).toEqual(trace.terminated);
      expect(run.truncated).toEqual(trace.truncated);
      expect(run.observations).toEqual([...float32s(trace.observations)]);
      const rewards = float64s(trace.rewards);
      run.rewards.forEach((reward, t) => expect(Math.abs(reward - rewards[t])).toBeLessThan(1e-10));
    },
  );

  test.each(Object.entries(golden.resets))("%s: first observations of 100 seeds", (id, recorded) => {
    const env = make(id);
    const firsts = Array.from({ length: 100 }, (_, seed) => [...env.reset({ seed }).observation.data]);
    expect(firsts.flat()).toEqual([...float32s(recorded)]);
  });
});
