/** @file The arm as the loop's task: success ends an episode and pays, demonstrators of every kind, and what tables say of it. */

import { describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import { armSchema } from "../../../src/experiment/arm/config.ts";
import { demonstratorOf, expert, makeDemonstrators } from "../../../src/experiment/arm/demonstrators.ts";
import type { Demonstrator } from "../../../src/experiment/arm/demonstrators.ts";
import { armTask, makeArms } from "../../../src/experiment/arm/task.ts";
import { driverPolicy } from "../../../src/experiment/loop/task.ts";
import { evaluatePolicy } from "../../../src/policy/evaluate.ts";
import { makeArm } from "../../../src/sim/arm/arm-env.ts";

const config = armSchema.parse({ experiment: "arm", name: "t" });

async function scoresOf(kind: Demonstrator, episodes: number) {
  const arms = await makeArms("ArmReach-v0", { numEnvs: episodes, split: "validation" });
  const policy = driverPolicy(makeDemonstrators(arms.envs, 2, kind), 1);
  const env = arms as unknown as Parameters<typeof evaluatePolicy>[0]["env"];
  const scores = await evaluatePolicy({ env, policy, seed: 5 });
  await arms.close();
  return scores;
}

describe("demonstrations of reaching", () => {
  it("by the expert all end in success, long before the limit; every step costs", async () => {
    const scores = await scoresOf(expert, 6);
    expect(scores.every(({ terminated }) => terminated)).toBe(true);
    expect(Math.max(...scores.map(({ length }) => length))).toBeLessThan(25);
    expect(scores.every((score) => score.return <= 0)).toBe(true);
  });

  it("by those who mistake another place for the goal mostly fail, and cost more", async () => {
    const collect = { ...config.collect, mistakenShare: 1, noise: [0, 0] as [number, number] };
    const [mistaken, right] = [
      await scoresOf(demonstratorOf(collect, 2, false), 6),
      await scoresOf(expert, 6),
    ];
    const total = (scores: typeof right): number => scores.reduce((sum, score) => sum + score.return, 0);
    expect(mistaken.filter(({ terminated }) => terminated).length).toBeLessThan(4);
    expect(total(mistaken)).toBeLessThan(total(right) - 30);
  });

  it("begin anew with every episode: one arm's demonstrator does not change another's", () => {
    const drawn: number[] = [];
    const kind: Demonstrator = (_env, rng) => {
      const own = rng.random();
      drawn.push(own);
      return () => [own, 0];
    };
    const driver = makeDemonstrators([{}, {}], 2, kind);
    const begins = { dtype: "bool" as const, shape: [2], data: new Uint8Array([1, 1]) };
    const rng = Rng.fromSeed(1);
    driver.begin(begins);
    const first = driver.act(rng).data.slice();
    driver.begin({ ...begins, data: new Uint8Array([0, 1]) });
    const second = driver.act(rng).data.slice();
    expect(drawn).toHaveLength(3);
    expect(second[0]).toBe(first[0]);
    expect(second[2]).not.toBe(first[2]);
  });
});

it("is a task whose ends are wanted, of 21 sensors and two ways in 3 cm", () => {
  const task = armTask(config);
  expect(task.words.wanted).toBe(true);
  expect(task.stateSize).toBe(21);
  expect(task.actionSpec.high).toEqual([0.03, 0.03]);
  expect(task.mirrored).toBeUndefined();
});

it("refuses rewards under which an early success would pay less than a late one", async () => {
  await expect(makeArm("reach", { endsOnSuccess: true, reward: "dense" })).rejects.toThrow(/would earn less/);
});
