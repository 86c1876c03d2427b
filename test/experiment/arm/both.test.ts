/** @file Reaching and pushing as one task: the number that tells them apart, each task's own limits, data and tables. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { openArmRun } from "../../../examples/robot-arm/run-folder.ts";
import { float32, zeros } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { loadEpisodes } from "../../../src/data/episode-store.ts";
import { lengthOf, type Episode } from "../../../src/data/episode.ts";
import { armSchema } from "../../../src/experiment/arm/config.ts";
import { armTask, makeArms } from "../../../src/experiment/arm/task.ts";
import { loadConfig } from "../../../src/experiment/config/config.ts";
import type { Pixels } from "../../../src/experiment/loop/recording.ts";
import { loopScores } from "../../../src/experiment/loop/scores.ts";
import { bestEpisodes } from "../../../src/experiment/loop/stage-cloning.ts";
import { collect, trainTokenizer } from "../../../src/experiment/loop/stage-data.ts";
import type { SeedVerdict } from "../../../src/experiment/loop/stage-judge.ts";
import { summarizeRun } from "../../../src/experiment/loop/stage-summary.ts";
import { trainWorldModel } from "../../../src/experiment/loop/stage-worldmodel.ts";
import { driverPolicy } from "../../../src/experiment/loop/task.ts";
import type { Estimate, ResultTable } from "../../../src/experiment/report/table.ts";
import type { StageContext } from "../../../src/experiment/stages.ts";
import { evaluatePolicy } from "../../../src/policy/evaluate.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import { makeReplayContexts } from "../../../src/worldmodel/contexts.ts";

const both = "ArmReach-v0+ArmPush-v0" as const;
const config = armSchema.parse({ experiment: "arm", name: "t", env: both });
const task = armTask(config);
const columns = task.stateSize;

type Judged = Parameters<typeof evaluatePolicy>[0]["env"];

const numbersIn = ({ state }: Pixels): number[] =>
  Array.from({ length: state.shape[0] }, (_, row) => state.data[(row + 1) * columns - 1]);

describe("rows of both tasks", () => {
  it("alternate, and their state ends with the number of their task, after a reset and after a step", async () => {
    const arms = await makeArms(both, { numEnvs: 4, split: "train" });
    const reset = (await arms.reset({ seed: 3 })).observations as unknown as Pixels;
    expect(reset.state.shape).toEqual([4, 22]);
    expect(numbersIn(reset)).toEqual([0, 1, 0, 1]);
    const { observations } = await arms.step(zeros("float32", [4, 2]));
    expect(numbersIn(observations as unknown as Pixels)).toEqual([0, 1, 0, 1]);
    expect(arms.observationSpace.contains(observations)).toBe(true);
    await arms.close();
  });

  it("show what the task alone shows, and their state says the same before the number", async () => {
    const arms = await makeArms(both, { numEnvs: 2, split: "train" });
    const alone = await makeArms("ArmPush-v0", { numEnvs: 1, split: "train" });
    const pair = (await arms.reset({ seed: [8, 9] })).observations as unknown as Pixels;
    const single = (await alone.reset({ seed: [9] })).observations as unknown as Pixels;
    expect(pair.frame.data.subarray(pair.frame.data.length / 2)).toEqual(single.frame.data);
    expect(pair.state.data.subarray(columns, 2 * columns - 1)).toEqual(single.state.data);
    await Promise.all([arms.close(), alone.close()]);
  });

  it("are cut after 50 steps of reaching and 100 of pushing", async () => {
    const env = (await makeArms(both, { numEnvs: 4, split: "validation" })) as unknown as Judged;
    const policy: Policy<unknown> = { act: async () => ({ actions: zeros("float32", [4, 2]) }) };
    const scores = await evaluatePolicy({ env, policy, seed: 1 });
    expect(scores.map(({ length }) => length)).toEqual([50, 100, 50, 100]);
    expect(scores.every(({ truncated }) => truncated)).toBe(true);
    await env.close();
  });

  it("have experts behind the number", async () => {
    const env = await task.makeEnv({ numEnvs: 4, split: "validation" });
    const policy = driverPolicy(task.expert(env), 1);
    const scores = await evaluatePolicy({ env: env as unknown as Judged, policy, seed: 1 });
    expect(scores.every(({ terminated }) => terminated)).toBe(true);
    await env.close();
  });
});

/** A run's folder with a config of the smallest kind. */
function openRun(overrides: readonly string[]) {
  const run = mkdtempSync(join(tmpdir(), "reverie-both-"));
  const path = new URL("../../../experiments/arm/both.yaml", import.meta.url).pathname;
  const small = [
    "name=t",
    "collect.numEnvs=2",
    "collect.stressFraction=0",
    "tokenizer.steps=4",
    "tokenizer.dim=32",
    "tokenizer.heads=2",
    "worldmodel.dim=32",
    "worldmodel.heads=2",
    "worldmodel.blocks=1",
    "worldmodel.phases=[{steps: 4, horizon: 1, batchSize: 16}]",
  ];
  const settings = loadConfig(armSchema, path, [...small, ...overrides]);
  writeFileSync(join(run, "config.yaml"), stringify(settings));
  mkdirSync(join(run, "checkpoints"));
  return { run, ...openArmRun(run, { rounds: 0 }) };
}

const isReach = ({ meta }: Episode): boolean => meta.env === "ArmReach-v0";

describe("a run on both", () => {
  let opened: ReturnType<typeof openRun>;
  let episodes: Episode[];
  beforeAll(async () => {
    opened = openRun(["collect.frames=400", "collect.validationEpisodes=4"]);
    await collect(opened.work);
    episodes = await loadEpisodes(opened.work.episodeFolder("train"));
  }, 60_000);
  afterAll(() => {
    opened.close();
    rmSync(opened.run, { recursive: true });
  });

  it("records as many steps of each task as of the other, every episode with its task's number", async () => {
    const steps = (chosen: readonly Episode[]): number =>
      chosen.reduce((sum, episode) => sum + lengthOf(episode), 0);
    const pushes = episodes.filter((episode) => !isReach(episode));
    expect([steps(episodes.filter(isReach)), steps(pushes)]).toEqual([200, 200]);
    for (const episode of episodes) {
      const { data } = episode.states;
      const last = Array.from({ length: data.length / columns }, (_, t) => data[(t + 1) * columns - 1]);
      expect(new Set(last)).toEqual(new Set([isReach(episode) ? 0 : 1]));
    }
    const validation = await loadEpisodes(opened.work.episodeFolder("validation"));
    expect(validation.filter(isReach)).toHaveLength(2);
    expect(validation).toHaveLength(4);
  });

  it("records of a task what a run on it alone of half the size records", async () => {
    const alone = openRun(["env=ArmReach-v0", "collect.frames=200", "collect.validationEpisodes=2"]);
    await collect(alone.work);
    const own = await loadEpisodes(alone.work.episodeFolder("train"));
    const shared = episodes.filter(isReach);
    expect(shared.map(({ actions }) => actions.data)).toEqual(own.map(({ actions }) => actions.data));
    expect(shared.map(({ rewards }) => rewards.data)).toEqual(own.map(({ rewards }) => rewards.data));
    alone.close();
    rmSync(alone.run, { recursive: true });
  }, 60_000);

  it("learns one model of both, in which dreams of both begin", async () => {
    await trainTokenizer(opened.work);
    await trainWorldModel(opened.work);
    const model = opened.work.model();
    expect(model.stateSize).toBe(22);
    const contexts = makeReplayContexts(model, await opened.work.replay("train"));
    const { state } = await model.decode(contexts.sample(64, Rng.fromSeed(1)));
    const numbers = Array.from({ length: 64 }, (_, row) => state.data[(row + 1) * columns - 1]);
    const pushing = numbers.filter((number) => number > 0.5).length;
    for (const number of numbers) expect(Math.min(Math.abs(number), Math.abs(number - 1))).toBeLessThan(1e-5);
    expect(Math.abs(pushing - 32)).toBeLessThan(16);
  }, 60_000);

  it("clones the best episodes of each task, not those of the task that pays more", async () => {
    const replay = await opened.work.replay("train");
    const best = bestEpisodes(replay, 0.5, task.union);
    const chosen = replay.episodes.filter(({ index }) => best.has(index));
    const pushes = chosen.filter(({ columns: { state } }) => state.data[columns - 1] === 1).length;
    const all = episodes.filter((episode) => !isReach(episode)).length;
    expect(pushes).toBe(Math.round(all / 2));
    expect(chosen.length - pushes).toBe(Math.round((episodes.length - all) / 2));
  });
});

const score = (terminated: boolean, value: number) => ({
  return: value,
  length: 10,
  terminated,
  truncated: !terminated,
});

function modelVerdict(psnr: number): Pick<SeedVerdict, "horizons" | "ends" | "gap"> {
  return {
    horizons: [
      {
        horizon: 1,
        psnr,
        ssim: 0.9,
        copyLastSsim: 0.5,
        copyLast: 15,
        meanFrame: 16,
        reconstruction: 25,
        shuffledActions: 18,
        actionGain: [2, 1, 3],
        stateError: new Array<number>(columns).fill(0.1),
      },
    ],
    ends: {
      behaviour: [{ label: "1-3", probability: psnr / 100, standardError: 0, windows: 1 }],
      policy: [],
    },
    gap: {
      horizon: 15,
      imaginedReturn: psnr,
      realReturn: 0,
      standardError: 1,
      imaginedHazard: 0.1,
      realHazard: 0.1,
    },
  };
}

/** Four of five reaches succeed, one of five pushes. */
const test = Array.from({ length: 10 }, (_, i) => score(i % 2 === 0 ? i !== 4 : i === 3, i % 2 ? -80 : -10));
const verdict: SeedVerdict = {
  seed: 0,
  policies: ["filtered", "imagined"].map((id) => ({
    id,
    label: id,
    realFrames: 100,
    minutes: 2,
    test,
    train: test.slice(0, 4),
  })),
  ...modelVerdict(20),
  parts: [modelVerdict(24), modelVerdict(16)],
};

describe("the tables of a run on both", () => {
  const folder = mkdtempSync(join(tmpdir(), "reverie-both-tables-"));
  const tables: Record<string, ResultTable> = {};
  beforeAll(async () => {
    mkdirSync(join(folder, "seed-0"));
    writeFileSync(join(folder, "seed-0", "verdict.json"), JSON.stringify(verdict));
    const runDir = {
      file: (...parts: string[]) => join(folder, ...parts),
      writeTable: (id: string, table: ResultTable) => void (tables[id] = table),
    };
    await summarizeRun(task, config, { runDir } as unknown as StageContext);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const cell = (id: string, key: string): Estimate => tables[id].rows[0].cells[key] as Estimate;

  it("give each task's success and return, which add up to those of both", () => {
    expect(cell("1-policies-ArmReach-v0", "success")).toMatchObject({ mean: 0.8, n: 5 });
    expect(cell("1-policies-ArmPush-v0", "success")).toMatchObject({ mean: 0.2, n: 5 });
    expect(cell("1-policies", "success")).toMatchObject({ mean: 0.5, n: 10 });
    expect(cell("1-policies-ArmPush-v0", "test").mean).toBe(-80);
    expect(cell("1-policies-ArmReach-v0", "train")).toMatchObject({ mean: -10, n: 2 });
  });

  it("give each task's own measures of the model, and say whose they are", () => {
    expect(tables["4-prediction-ArmReach-v0"].rows[0].cells.psnr).toBe(24);
    expect(tables["4-prediction-ArmPush-v0"].rows[0].cells.psnr).toBe(16);
    expect(cell("5-crashes-ArmPush-v0", "behaviour").mean).toBe(0.16);
    const named = Object.entries(tables).filter(([id]) => id.endsWith("ArmPush-v0"));
    expect(named.every(([, table]) => table.title.startsWith("ArmPush-v0: "))).toBe(true);
  });

  it("are compared with runs on one task under that task's name", () => {
    const sets = loopScores(task, config, folder).filter(({ method }) => method === "imagined");
    const alone = loopScores(armTask({ ...config, env: "ArmPush-v0" }), config, folder)[0].task;
    expect(sets.map(({ task: name }) => name)).toContain(alone);
    expect(sets.map(({ scores }) => scores)).toEqual([new Array(5).fill(-10), new Array(5).fill(-80)]);
  });
});

it("is one task of two parts, each of the whole's form", () => {
  expect(task.union?.parts.map(({ id }) => id)).toEqual(["ArmReach-v0", "ArmPush-v0"]);
  expect(task.union?.parts.map(({ episodeSteps }) => episodeSteps)).toEqual([50, 100]);
  expect(task.union?.parts.map(({ stateSize }) => stateSize)).toEqual([22, 22]);
  expect(task.union?.partOf(float32([...new Array<number>(21).fill(0), 1]).data)).toBe(1);
  expect(armTask({ ...config, env: "ArmPush-v0" }).stateSize).toBe(21);
});
