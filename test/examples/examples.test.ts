/** @file Every example runs, with small budgets, does what its first line says, and is what a user could write. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { firstEpisodeEnd, threadsAndForks, transitionsUnder } from "../../examples/02-vector-environments.ts";
import { check, walk } from "../../examples/03-own-environment.ts";
import { keepStatistics, pixelStack, recordAndReplay } from "../../examples/04-wrappers-and-video.ts";
import { learn } from "../../examples/05-ppo.ts";
import { record } from "../../examples/06-record-episodes.ts";
import { train } from "../../examples/07-world-model.ts";
import { dream } from "../../examples/08-imagination.ts";
import { remoteSteps, robot, servePolicy } from "../../examples/09-serve.ts";
import { exportTo, fit, run } from "../../examples/10-engine-and-onnx.ts";
import { adapt } from "../../examples/11-fine-tune.ts";
import { float32, loadCheckpoint } from "../../src/index.ts";

vi.setConfig({ testTimeout: 300_000 });

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "reverie-examples-"));

beforeEach(() => void vi.spyOn(console, "log").mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());
afterAll(() => rmSync(folder, { recursive: true }));

describe("an example", () => {
  const files = readdirSync(examples).filter((name) => name.endsWith(".ts"));

  test("there are eleven, in order", () => {
    expect(files.map((name) => Number(name.slice(0, 2)))).toEqual(
      Array.from({ length: 11 }, (_, i) => i + 1),
    );
  });

  test.each(files)("%s has at most 80 lines and needs the public API only", (name) => {
    const text = readFileSync(join(examples, name), "utf8");
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(80);
    const imported = [...text.matchAll(/from "([^"]+)"/g)].map(([, from]) => from);
    expect(imported.filter((from) => from !== "../src/index.ts" && !from.startsWith("node:"))).toEqual([]);
  });
});

test("02: next-step has artificial transitions, the other modes have none", async () => {
  expect(await transitionsUnder("next-step", 60)).toBeLessThan(480);
  expect(await transitionsUnder("same-step", 60)).toBe(480);
  expect(await transitionsUnder("disabled", 60)).toBe(480);
  const { length, lastAngleRad } = await firstEpisodeEnd();
  expect(length).toBeGreaterThan(5);
  expect(Math.abs(lastAngleRad)).toBeGreaterThan(0.2);
  expect(await threadsAndForks(3)).toBe(true);
});

test("03: the own environment is sound, and the planted fault is named", () => {
  expect(walk(0)).toBeGreaterThan(0);
  expect(check()).toEqual({ warnings: [], fault: expect.stringMatching(/changed after it was returned/) });
});

test("04: frames are stacked, a video's file replays its episode, statistics survive", async () => {
  expect(await pixelStack(2)).toMatchObject({ shape: [2, 4, 32, 32] });
  const { steps, same } = await recordAndReplay(join(folder, "videos"));
  expect(steps).toBeGreaterThan(5);
  expect(same).toBe(true);
  expect(await keepStatistics(20)).toBe(true);
});

test("05: a policy is learned and saved", async () => {
  const save = join(folder, "pendulum.safetensors");
  const { policy, before, after } = await learn({ iterations: 20, save });
  // At this seed -1216 before and -236 after; Pendulum's best is about -150.
  expect(before).toBeLessThan(-900);
  expect(after).toBeGreaterThan(-600);
  expect(loadCheckpoint(save).meta).toMatchObject({ kind: "actor-critic", config: policy.config });
});

test("06, 07, 08, 11: episodes, a world model of them, a policy of its dreams, an adapter for another car", async () => {
  const recorded = await record(folder, { numEnvs: 6, steps: 60 });
  expect(recorded.steps).toBe(360);
  expect(recorded.frames.slice(1)).toEqual([64, 64, 3]);
  const trained = await train(folder, { tokenizerSteps: 12, modelSteps: 40 });
  expect(trained.psnrDb).toBeGreaterThan(5);
  expect(trained.lastError).toBeLessThan(trained.firstError);
  const dreamt = await dream(folder, { iterations: 2, episodes: 2, numEnvs: 16 });
  for (const value of [...dreamt.imaginedReward, dreamt.untrained, dreamt.learned, dreamt.planner])
    expect(value).toBeTypeOf("number");
  const { before, after, share, steering } = await adapt(folder, { steps: 30 });
  expect(after.fresh).toBeLessThan(before.fresh);
  expect(share).toBeLessThan(0.5);
  expect(steering.adapted).not.toBe(steering.base);
});

test("09: a robot swings up over a socket, and a remote environment is the same as a local one", async () => {
  const server = await servePolicy();
  const { sum } = await robot(server.url, 150);
  await server.close();
  // Hanging down costs about 10 per step.
  expect(sum).toBeGreaterThan(-700);
  expect(await remoteSteps(5)).toBe(true);
});

test("10: the step learns, and another runtime gives the exported function's numbers", async () => {
  const { first, last, net } = await fit(200);
  expect(last).toBeLessThan(0.3 * first);
  const x = float32([0.5, 0.5, -0.2, 0.1, 0, 0, 1, -1], [4, 2]);
  const session = await ort.InferenceSession.create(await exportTo(join(folder, "infer.onnx"), net));
  const feeds = [net.w1, net.w2, x].map(
    ({ data, shape }) => new ort.Tensor("float32", data as Float32Array, [...shape]),
  );
  const { o0 } = await session.run(Object.fromEntries(feeds.map((tensor, i) => [`i${i}`, tensor])));
  const expected = await run(net, x);
  Array.from(o0.data as Float32Array).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
});
