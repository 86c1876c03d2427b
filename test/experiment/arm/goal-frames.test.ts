/** @file Pictures of goals: the same scenario, the task done in it, from another arm; and that planning to them needs both. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { armSchema, type ArmConfig } from "../../../src/experiment/arm/config.ts";
import { armTask } from "../../../src/experiment/arm/task.ts";
import { scoreGoalPlanner } from "../../../src/experiment/loop/goal-planner.ts";
import { firstSeed } from "../../../src/experiment/loop/scoring.ts";
import type { LoopTask } from "../../../src/experiment/loop/task.ts";
import { Workspace } from "../../../src/experiment/loop/workspace.ts";
import { makeArm } from "../../../src/sim/arm/arm-env.ts";
import { makeArmExpert } from "../../../src/sim/arm/expert.ts";
import { saveToySeed } from "./toy-seed.ts";

const seed = firstSeed.validation;

const configOf = (fields: object): ArmConfig => armSchema.parse({ experiment: "arm", name: "t", ...fields });

const taskOf = (env: string): LoopTask => armTask(configOf({ env }));

const rowOf = (array: NdArray, row: number): ArrayLike<number> => {
  const width = array.data.length / array.shape[0];
  return array.data.slice(row * width, (row + 1) * width) as ArrayLike<number>;
};

/** Ids of the scenarios that judged episodes from `seed` begin with. */
async function judgedScenarios(task: LoopTask, count: number): Promise<number[]> {
  const env = await task.makeEnv({ numEnvs: count, split: "validation" });
  const { infos } = await env.reset({ seed });
  await env.close();
  return Array.from((infos.scenarioId.values as NdArray).data as ArrayLike<number>);
}

it.each([
  { id: "ArmReach-v0", task: "reach" as const, thresholdM: 0.03 },
  { id: "ArmPush-v0", task: "push" as const, thresholdM: 0.04 },
])("the goal pictures of $id are what an arm sees that has done each judged scenario", async (kind) => {
  const { frame, state } = await taskOf(kind.id).goalFrames!("validation", seed, 3);
  expect([frame.shape, state.shape]).toEqual([
    [3, 64, 64, 3],
    [3, 21],
  ]);
  const arm = await makeArm(kind.task, { control: "planar", split: "validation" });
  onTestFinished(() => arm.close());
  for (const [row, scenario] of (await judgedScenarios(taskOf(kind.id), 3)).entries()) {
    const expert = makeArmExpert(arm);
    arm.reset({ options: { scenario } });
    let seen = arm.step(expert.act());
    while ((seen.info.distanceM as number) >= 0.01) seen = arm.step(expert.act());
    const now = seen.observation as { frame: NdArray; state: NdArray };
    expect(rowOf(frame, row)).toEqual(now.frame.data);
    expect(rowOf(state, row)).toEqual(now.state.data);
    expect(seen.info.distanceM).toBeLessThan(kind.thresholdM);
    if (kind.task === "reach") {
      const { goal } = arm.view.scenario;
      const tip = rowOf(state, row);
      expect(Math.hypot(tip[0] - goal[0], tip[1] - goal[1], tip[2] - goal[2])).toBeLessThan(0.03);
    }
  }
});

it("goal pictures of a union say in their states which task they are of, row by row", async () => {
  const { state } = await taskOf("ArmReach-v0+ArmPush-v0").goalFrames!("validation", seed, 4);
  expect(state.shape).toEqual([4, 22]);
  const numbers = [0, 1, 2, 3].map((row) => rowOf(state, row)[21]);
  expect(numbers[0]).toBe(numbers[2]);
  expect(numbers[1]).toBe(numbers[3]);
  expect(numbers[0]).not.toBe(numbers[1]);
});

function toyWork(task: LoopTask): Workspace {
  const path = mkdtempSync(join(tmpdir(), "reverie-goal-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  saveToySeed(join(path, "seed-0"), Rng.fromSeed(1));
  const goalPlanner = { horizon: 2, samples: 4, elites: 2, iterations: 1 };
  const files = { path, file: (...parts: string[]) => join(path, ...parts), log: () => undefined };
  return new Workspace(task, configOf({ goalPlanner }), files, 0);
}

it("planning to goals asks for pictures of the judged episodes, and judges every one of them", async () => {
  const task = taskOf("ArmReach-v0");
  const asked: unknown[] = [];
  const goalFrames: LoopTask["goalFrames"] = (...what) => {
    asked.push(what);
    return task.goalFrames!(...what);
  };
  const short: LoopTask = {
    ...task,
    goalFrames,
    makeEnv: (options) => task.makeEnv({ ...options, maxEpisodeSteps: 4 }),
  };
  const scores = await scoreGoalPlanner(toyWork(short), "validation", 3);
  expect(asked).toEqual([["validation", seed, 3]]);
  expect(scores).toHaveLength(3);
  expect(scores.every(({ terminated, truncated }) => terminated || truncated)).toBe(true);
});

it("planning to goals is refused where a task does not say how its goals look", async () => {
  const task = { ...taskOf("ArmReach-v0"), goalFrames: undefined };
  await expect(scoreGoalPlanner(toyWork(task), "test", 2)).rejects.toThrow(/no picture of the goal/);
});
