/** @file Imagined against real returns: the same starts on both sides, returns that add up, policies that differ. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import { float32, zeros } from "../../../src/core/ndarray.ts";
import { drivingSchema } from "../../../src/experiment/driving/config.ts";
import { drivingExperiment } from "../../../src/experiment/driving/experiment.ts";
import { drivingTask } from "../../../src/experiment/driving/task.ts";
import { Workspace } from "../../../src/experiment/loop/workspace.ts";
import { withNoise } from "../../../src/experiment/worldmodel-report/graded-policies.ts";
import { openStarts, realReturns } from "../../../src/experiment/worldmodel-report/start-contexts.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import { newFolder } from "../folders.ts";
import { saveToyLatent } from "./toy-models.ts";

const config = drivingSchema.parse({
  experiment: "driving",
  name: "toy",
  policy: { hidden: [16] },
});
const path = newFolder();
const files = { path, file: (...parts: string[]) => join(path, ...parts), log: () => {} };
const work = new Workspace(drivingTask(config), config, files, config.seed);

type Floats = ReturnType<typeof float32>;

const constant = (steer: number, pedal: number): Policy<Floats> => ({
  act: async (observations) => ({
    actions: float32(Array.from({ length: observations.shape[0] }, () => [steer, pedal]).flat(), [
      observations.shape[0],
      2,
    ]),
  }),
});

beforeAll(() => {
  mkdirSync(join(path, `seed-${config.seed}`, "policies"), { recursive: true });
  saveToyLatent(join(path, `seed-${config.seed}`), 64);
  for (const name of ["cloning", "imagined"]) work.savePolicy(name, work.newPolicy(name));
});

describe("starts", () => {
  it("are the same every time, differ from one another, and from split to split", async () => {
    const [once, again] = [await openStarts(work, "validation", 6), await openStarts(work, "validation", 6)];
    expect(again).toEqual(once);
    expect(once.rows.length).toBeGreaterThan(3);
    expect(once.state.latents.shape[0]).toBe(once.rows.length);
    const first = once.state.latents.data.slice(0, 36);
    expect(first).not.toEqual(once.state.latents.data.slice(36, 72));
    expect((await openStarts(work, "test", 6)).state.latents.data.slice(0, 36)).not.toEqual(first);
  });

  it("give a policy the same real returns every time, added up step by step, and nothing after an end", async () => {
    const starts = await openStarts(work, "validation", 6);
    const drive = (policy: Policy<Floats>) =>
      realReturns(work, starts, policy, { steps: 60, rng: Rng.fromSeed(1) });
    const swerving = await drive(constant(1, 1));
    expect(await drive(constant(1, 1))).toEqual(swerving);
    expect(swerving.returnsByStep).toHaveLength(60);
    expect([...swerving.ended]).toEqual(starts.rows.map(() => 1));
    expect(swerving.returnsByStep[59]).toEqual(swerving.returnsByStep[58]);
    const calm = await drive(constant(0, 0));
    expect(calm.returnsByStep[4]).not.toEqual(swerving.returnsByStep[4]);
  });
});

describe("noise on a policy", () => {
  it("is none at 0, and keeps actions within their range", async () => {
    const [observations, begins] = [zeros("float32", [500, 1]), zeros("bool", [500])];
    const act = (deviation: number) =>
      withNoise(constant(0.5, -0.9), deviation).act(observations, begins, { rng: Rng.fromSeed(1) });
    const [plain, noisy] = [(await act(0)).actions.data, (await act(0.5)).actions.data];
    expect(plain[0]).toBe(0.5);
    const steers = noisy.filter((_, i) => i % 2 === 0);
    const mean = steers.reduce((a, b) => a + b) / steers.length;
    expect(Math.abs(mean - 0.42)).toBeLessThan(0.06);
    expect(Math.min(...noisy)).toBe(-1);
    expect(Math.max(...noisy)).toBe(1);
  });
});

describe("the study of a run", () => {
  it("has every policy on both sides from the same starts", async () => {
    const returns = await drivingExperiment.policyReturns?.(config, path, {
      starts: 4,
      horizons: [2, 5],
      splits: ["validation", "test"],
    });
    const names = [
      "random",
      "idle",
      "cloning",
      "imagined",
      ...[0.25, 0.5, 1].map((n) => `imagined, noise ${n}`),
    ];
    expect(returns?.map(({ policy }) => policy)).toEqual([...names, ...names]);
    for (const { imagined, real, wholeEpisode } of returns ?? []) {
      expect(Object.keys(imagined)).toEqual(["2", "5"]);
      expect(real[5].n).toBe(imagined[5].n);
      expect(wholeEpisode).toBeUndefined();
    }
    // A toy's rewards are about its normalizer's mean, whatever is done in it; reality's depend on the policy.
    const onTest = returns?.filter(({ split }) => split === "test") ?? [];
    expect(new Set(onTest.map(({ real }) => real[5].mean)).size).toBeGreaterThan(4);
  });
});
