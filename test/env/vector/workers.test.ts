/** @file Worker threads: the contract, equality with the sync env, and failures that stay where they happen. */

import { readdirSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ndarray } from "../../../src/core/ndarray.ts";
import type { AutoresetVectorEnv } from "../../../src/env/autoreset.ts";
import type { MakeVecOptions } from "../../../src/env/registry.ts";
import { Registry } from "../../../src/env/registry.ts";
import { infoAt } from "../../../src/env/infos.ts";
import { builtinEnvs } from "../../../src/sim/envs.ts";
import { conforms } from "../conformance.ts";
import { envs, flaky } from "./flaky-envs.ts";

// Starting a thread loads the sources anew: a second on an idle core, many on a crowded one.
vi.setConfig({ testTimeout: 120_000 });

const registry = new Registry([...builtinEnvs, ...envs]);
const opened: AutoresetVectorEnv[] = [];
const actions = (...values: number[]) => ndarray("int32", [values.length], Int32Array.from(values));

async function make(id: string, options: MakeVecOptions = {}): Promise<AutoresetVectorEnv> {
  const env = await registry.makeVec(id, { mode: "workers", numWorkers: 2, numEnvs: 3, ...options });
  opened.push(env);
  return env;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((env) => env.close()));
});

conforms(
  "CartPole on worker threads",
  async () => (await make("CartPole-v1", { maxEpisodeSteps: 8 })).primitive,
  {
    steps: 20,
  },
);

test("workers and sync give the same numbers and infos", async () => {
  const options = { numEnvs: 3, autoreset: "same-step", maxEpisodeSteps: 6 } as const;
  const [workers, sync] = [
    await make("CartPole-v1", options),
    await registry.makeVec("CartPole-v1", { ...options, mode: "sync" }),
  ];
  expect(await workers.reset({ seed: 5 })).toEqual(await sync.reset({ seed: 5 }));
  for (let t = 0; t < 20; t++) {
    const chosen = actions(t % 2, 1, (t >> 1) % 2);
    expect(await workers.step(chosen)).toEqual(await sync.step(chosen));
  }
  expect(String(workers.observationSpace)).toBe(String(sync.observationSpace));
});

test("Dict observations and actions travel through shared memory", async () => {
  const env = await make("Nested-v0", { numEnvs: 2 });
  await env.reset();
  const given = { x: ndarray("float32", [2, 2], Float32Array.of(0.25, -0.25, 0.5, -0.5)), y: actions(3, 4) };
  const step = await env.step(given as never);
  expect(step.observations).toEqual({ a: given.x, b: given.y });
});

describe("when a sub-environment throws", () => {
  test("the step rejects with its index and message, the others go on, and a masked reset revives it", async () => {
    const env = await make("Flaky-v0", { autoreset: "disabled" });
    await env.reset();
    await env.step(actions(0, 0, 0));
    await expect(env.step(actions(0, 0, flaky.throw))).rejects.toThrow(
      /WORKER_FAILED.*sub-environment 2 failed: broken after 1 steps/,
    );
    await expect(env.step(actions(0, 0, 0))).rejects.toThrow(
      /sub-environment 2 failed.*before the first reset/s,
    );
    await env.reset({ mask: ndarray("bool", [3], Uint8Array.of(0, 0, 1)) });
    const step = await env.step(actions(0, 0, 0));
    expect([...(step.observations as { data: Float32Array }).data]).toEqual([4, 4, 1]);
  });

  test('onFailure "restart" truncates its episode, says why, and goes on', async () => {
    const env = await make("Flaky-v0", { onFailure: "restart" });
    await env.reset();
    const step = await env.step(actions(0, flaky.throw, 0));
    expect([...step.truncations.data]).toEqual([0, 1, 0]);
    expect(infoAt(step.infos, 1)).toEqual({ failure: "broken after 0 steps" });
    expect([...(await env.step(actions(0, 0, 0))).valid.data]).toEqual([1, 0, 1]);
    const next = await env.step(actions(0, 0, 0));
    expect([...(next.observations as { data: Float32Array }).data]).toEqual([3, 1, 3]);
  });
});

describe("when a thread dies", () => {
  test("the step rejects naming its sub-environments, and a reset starts it anew", async () => {
    const env = await make("Flaky-v0");
    await env.reset();
    await expect(env.step(actions(flaky.exit, 0, 0))).rejects.toThrow(
      /WORKER_FAILED.*sub-environments 0 to 0 died.*exit code 3/,
    );
    await env.reset();
    expect([...(await env.step(actions(0, 0, 0))).rewards.data]).toEqual([1, 1, 1]);
  });

  test('onFailure "restart" truncates the episodes of its rows and goes on', async () => {
    const env = await make("Flaky-v0", { onFailure: "restart" });
    await env.reset();
    const step = await env.step(actions(0, flaky.exit, 0));
    expect([...step.truncations.data]).toEqual([0, 1, 1]);
    expect(infoAt(step.infos, 2).failure).toMatch(/exit code 3/);
    await env.step(actions(0, 0, 0));
    const next = await env.step(actions(0, 0, 0));
    expect([...(next.observations as { data: Float32Array }).data]).toEqual([3, 1, 1]);
  });

  test("a thread that hangs is ended after its time and counts as failed", async () => {
    const env = await make("Flaky-v0", { timeoutMs: 20_000 });
    await env.reset();
    const slow = env.primitive as unknown as { timeoutMs: number };
    slow.timeoutMs = 200;
    await expect(env.step(actions(0, 0, flaky.hang))).rejects.toThrow(/no answer within 0.2 s/);
  });
});

describe("actions are checked before they reach a thread", () => {
  test.each([
    ["too few", actions(0, 1), /INVALID_SHAPE.*\[3\].*int32 \[2\]/s],
    ["too many", actions(0, 1, 1, 1), /INVALID_SHAPE/],
    ["a fraction", ndarray("float32", [3], Float32Array.of(0, 0.5, 1)), /action 0.5 of sub-environment 1/],
    ["outside of the space", actions(0, 1, 4), /action 4 of sub-environment 2.*Discrete\(4\)/s],
  ])("%s", async (_, given, message) => {
    const env = await make("Flaky-v0", { numWorkers: 1 });
    await env.reset();
    await expect(env.step(given as never)).rejects.toThrow(message);
    expect([...(await env.step(actions(0, 0, 0))).rewards.data]).toEqual([1, 1, 1]);
  });

  test("a plain list of numbers will do, as in mode sync", async () => {
    const env = await make("Flaky-v0", { numWorkers: 1 });
    await env.reset();
    expect([...(await env.step([0, 0, 0] as never)).rewards.data]).toEqual([1, 1, 1]);
  });
});

test("infos of both threads come together, by row", async () => {
  const env = await make("Flaky-v0");
  await env.reset();
  await env.step(actions(0, 0, 0));
  const { infos } = await env.step(actions(0, 0, 0));
  expect([0, 1, 2].map((i) => infoAt(infos, i))).toEqual([{ even: 2 }, { even: 2 }, { even: 2 }]);
});

test("a second call before the first has finished is refused", async () => {
  const env = await make("Flaky-v0");
  await env.reset();
  const first = env.step(actions(0, 0, 0));
  await expect(env.step(actions(0, 0, 0))).rejects.toThrow(/before the last one has finished/);
  await first;
});

test("an environment that cannot be built says so and leaves no thread behind", async () => {
  await expect(make("Broken-v0")).rejects.toThrow(/WORKER_FAILED.*no such device/s);
});

test("a spec that threads cannot find is refused with what to do", async () => {
  const local = new Registry([{ id: "Local-v0", entryPoint: envs[0].entryPoint }]);
  await expect(local.makeVec("Local-v0", { mode: "workers" })).rejects.toThrow(
    /NOT_SUPPORTED.*module: import.meta.url/s,
  );
});

test.skipIf(process.platform !== "linux")("no thread outlives close, not even one that hangs", async () => {
  const threads = () => readdirSync("/proc/self/task").length;
  const before = threads();
  const env = await make("Flaky-v0");
  await env.reset();
  expect(threads()).toBeGreaterThan(before);
  const hanging = env.step(actions(flaky.hang, 0, 0));
  const closed = env.close();
  await expect(hanging).rejects.toThrow(/WORKER_FAILED|ENV_CLOSED/);
  await closed;
  expect(threads()).toBeLessThanOrEqual(before);
});

test("a step that is under way when its environment closes is taken", async () => {
  const env = await make("Flaky-v0");
  await env.reset();
  // Long enough for the threads to sleep: they wake later than the close comes.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const stepping = env.step(actions(0, 0, 0));
  const closed = env.close();
  expect([...(await stepping).rewards.data]).toEqual([1, 1, 1]);
  await closed;
});

test("close ends the threads, twice is once, and later calls are refused", async () => {
  const env = await make("Flaky-v0");
  await env.reset();
  await env.close();
  await env.close();
  await expect(env.step(actions(0, 0, 0))).rejects.toThrow(/ENV_CLOSED/);
});
