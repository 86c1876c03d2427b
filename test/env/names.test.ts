/** @file How environments print, and that whatever wraps them can be forked. */

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withAutoreset } from "../../src/env/autoreset.ts";
import { Registry } from "../../src/env/registry.ts";
import { SyncVectorEnv } from "../../src/env/vector/sync.ts";
import { wrappers as W } from "../../src/env/wrappers/wrappers.ts";
import { builtinEnvs } from "../../src/sim/envs.ts";
import { CounterEnv } from "./counter.ts";

const registry = new Registry(builtinEnvs);
const poles = (mode: "sync" | "batched") => registry.makeVec("CartPole-v1", { numEnvs: 3, mode });

test("single environments show their wrappers, outermost first", () => {
  const env = registry.make("Pendulum-v1");
  expect(String(env)).toBe("<Pendulum-v1>");
  expect(String(W.ClipReward(W.FrameStackObservation(env, { stackSize: 2 }), { minReward: -1 }))).toBe(
    "<ClipReward<FrameStackObservation<Pendulum-v1>>>",
  );
  class Mine extends W.RewardWrapper {
    reward(reward: number) {
      return reward;
    }
  }
  expect(String(new Mine(env as never))).toBe("<Mine<Pendulum-v1>>");
});

test("vector environments show their mode, wrappers, class, id and number of rows", async () => {
  expect(String(await poles("sync"))).toBe("<next-step, SyncVectorEnv(CartPole-v1, numEnvs=3)>");
  expect(String(W.TimeLimit(await poles("batched"), 9))).toBe(
    "<next-step, <TimeLimit, CartPoleVectorEnv(numEnvs=3)>>",
  );
});

test("environments without a toString of their own are called by their class", () => {
  const env = new CounterEnv({});
  expect(String(withAutoreset(new SyncVectorEnv([env as never]), "disabled"))).toBe(
    "<disabled, SyncVectorEnv(numEnvs=1)>",
  );
  expect(String(W.TimeLimit(env, 3))).toBe("<TimeLimit<CounterEnv>>");
});

test("a fork of a wrapped environment is wrapped alike and goes on from the same state", async () => {
  const env = W.RecordEpisodeStatistics(W.NormalizeReward(await poles("sync")), { clock: () => 0 });
  await env.reset({ seed: 3 });
  env.actionSpace.seed(3);
  const actions = Array.from({ length: 40 }, () => env.actionSpace.sample());
  for (const action of actions) await env.step(action);
  const fork = await env.fork!();
  expect(String(fork)).toBe(String(env));
  for (const action of actions) expect(await fork.step(action)).toEqual(await env.step(action));
  expect(W.getWrapperAttr(fork, "returnQueue")).toEqual(W.getWrapperAttr(env, "returnQueue"));
});

test("a fork of an environment that records does not write over its videos", async () => {
  const folder = await mkdtemp(join(tmpdir(), "reverie-fork-"));
  const env = W.RecordVideo(await poles("sync"), { videoFolder: folder, format: "gif", videoLength: 1 });
  await env.reset({ seed: 0 });
  const fork = await env.fork!();
  await fork.reset({ seed: 1 });
  await fork.close();
  expect(await readdir(folder)).not.toContain("rl-video-env-0-episode-0.json");
  await env.close();
  expect(await readdir(folder)).toContain("rl-video-env-0-episode-0.json");
  await rm(folder, { recursive: true });
});

test("an observation that does not fit its row is refused, not cut or cast", () => {
  const broken = (observation: never) =>
    new SyncVectorEnv([Object.assign(new CounterEnv({}), { reset: () => ({ observation, info: {} }) })]);
  for (const wrong of [
    { dtype: "float32", shape: [1], data: Float32Array.of(1) },
    Float32Array.of(1, 2),
    1,
  ]) {
    expect(() => broken(wrong as never).resetSync()).toThrow(/INVALID_SHAPE.*row 0.*checkEnv/s);
  }
});
