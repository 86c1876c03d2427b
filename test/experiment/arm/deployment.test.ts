/** @file The arm in a process of its own: a policy moves it over a socket inside limits, and what it did is learned from. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { dynaOverSocket, startArm } from "../../../examples/robot-arm/dyna.ts";
import { controlArm, operate } from "../../../examples/robot-arm/operate.ts";
import { openArmRun } from "../../../examples/robot-arm/run-folder.ts";
import type { ArmEvent } from "../../../src/agents/arm.ts";
import { openRemoteVectorEnv } from "../../../src/bridge/remote.ts";
import { float32 } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { loadEpisodes } from "../../../src/data/episode-store.ts";
import { armSchema } from "../../../src/experiment/arm/config.ts";
import { makeArms } from "../../../src/experiment/arm/task.ts";
import type { TaskEnv } from "../../../src/experiment/loop/task.ts";
import { collect, trainTokenizer } from "../../../src/experiment/loop/stage-data.ts";
import { learnInImagination } from "../../../src/experiment/loop/stage-imagination.ts";
import { trainWorldModel } from "../../../src/experiment/loop/stage-worldmodel.ts";
import type { Workspace } from "../../../src/experiment/loop/workspace.ts";
import { loadConfig } from "../../../src/experiment/config/config.ts";

let run: string;
let work: Workspace;
let closeRun: () => void;
let arm: Awaited<ReturnType<typeof startArm>>;

beforeAll(async () => {
  run = mkdtempSync(join(tmpdir(), "reverie-deployment-"));
  const path = new URL("../../../experiments/arm/smoke.yaml", import.meta.url).pathname;
  const config = loadConfig(armSchema, path, ["name=deployment"]);
  const offline = { ...config.imagination, warmStart: "none", anchorCoefficient: 0 };
  writeFileSync(join(run, "config.yaml"), stringify({ ...config, imagination: offline }));
  mkdirSync(join(run, "checkpoints"));
  ({ work, close: closeRun } = openArmRun(run, { rounds: 1 }));
  const [started] = await Promise.all([startArm(), prepare()]);
  arm = started;
}, 60_000);

afterAll(async () => {
  closeRun();
  await arm.stop();
  rmSync(run, { recursive: true, force: true });
});

async function prepare(): Promise<void> {
  for (const stage of [collect, trainTokenizer, trainWorldModel, learnInImagination]) await stage(work);
}

const trial = { id: "ArmReach-v0", split: "test", episodes: 1, seed: 3 } as const;

it("is moved in chunks no faster than its limits, and records what was done, not what was wanted", async () => {
  const record = join(run, "trials");
  const events: ArmEvent[] = [];
  const slow = { low: [0.34, -0.26], high: [0.7, 0.26], speedMps: 0.1, leashM: 0.06 };
  const { policy } = work.loadPolicy("imagined");
  const parts = { url: arm.url, model: work.model(), policy, limits: slow, record, rng: Rng.fromSeed(5) };
  const { steps, returns } = await operate({ ...trial, ...parts, onEvent: (event) => events.push(event) });
  expect(returns).toHaveLength(1);
  const [episode] = await loadEpisodes(record);
  expect(episode.rewards.shape).toEqual([steps]);
  expect(episode.frames.shape).toEqual([steps + 1, 64, 64, 3]);
  for (let t = 0; t < steps; t++) {
    const [x, y] = episode.actions.data.subarray(2 * t, 2 * t + 2);
    expect(Math.hypot(x, y)).toBeLessThan(0.1 / 0.3 + 1e-4);
    const moved = [0, 1].map((c) => episode.states.data[21 * (t + 1) + c] - episode.states.data[21 * t + c]);
    expect(Math.hypot(...moved)).toBeLessThan(0.03);
  }
  expect(events.some(({ type }) => type === "limited")).toBe(true);
}, 30_000);

it("moves as it did in training: ways become places and ways again on the other side of the socket", async () => {
  const remote = await openRemoteVectorEnv({ url: arm.url, id: "ArmReach-v0", kwargs: { split: "test" } });
  const there = controlArm(remote as unknown as TaskEnv, work.task.actionSpec);
  const here = (await makeArms("ArmReach-v0", { numEnvs: 1, split: "test" })) as unknown as TaskEnv;
  const rng = Rng.fromSeed(8);
  await Promise.all([there.reset({ seed: 4 }), here.reset({ seed: 4 })]);
  for (let t = 0; t < 12; t++) {
    const actions = float32([rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 0.9)], [1, 2]);
    const [far, near] = await Promise.all([there.step(actions), here.step(actions)]);
    const apart = far.observations.state.data.map((x, i) => Math.abs(x - near.observations.state.data[i]));
    expect(Math.max(...apart.subarray(0, 2))).toBeLessThan(1e-4);
    expect(Math.abs(far.rewards.data[0] - near.rewards.data[0])).toBeLessThan(1e-3);
  }
  await Promise.all([there.close(), here.close()]);
}, 30_000);

it("feeds its episodes back: the model and the policy have learned from a round through the socket", async () => {
  const before = work.model();
  const result = await dynaOverSocket(work, { url: arm.url, episodes: 3, judged: 1 });
  expect(result.recordedEpisodes).toBe(3);
  expect(result.after?.returns).toHaveLength(1);
  const rounds = await loadEpisodes(work.episodeFolder("rounds"));
  expect(rounds.map(({ meta }) => meta.round)).toEqual([1, 1, 1]);
  expect(rounds.reduce((sum, { rewards }) => sum + rewards.data.length, 0)).toBe(result.recordedSteps);
  expect(work.model()).not.toBe(before);
}, 60_000);
