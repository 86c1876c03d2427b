/** @file The example that a reader of Gymnasium's README would write runs, and its types hold. */

import { expect, expectTypeOf, test, vi } from "vitest";
import { singleEnvironment, vectorEnvironment } from "../../examples/01-gymnasium.ts";
import type { NdArray } from "../../src/index.ts";
import { make, makeVec, registry } from "../../src/index.ts";

test("the single loop and the vector loop run, from one seed alike", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
  expect(singleEnvironment(200)).toBeGreaterThan(3);
  const returns = await vectorEnvironment(100);
  expect(returns.length).toBeGreaterThan(5);
  expect(await vectorEnvironment(100)).toEqual(returns);
  log.mockRestore();
});

test("types flow from the id to observations and actions", async () => {
  const env = make("CartPole-v1");
  expectTypeOf(env.reset().observation).toEqualTypeOf<NdArray<"float32">>();
  expectTypeOf(env.actionSpace.sample()).toEqualTypeOf<number>();
  const envs = await makeVec("Pendulum-v1", { numEnvs: 2 });
  const { observations } = await envs.reset({ seed: 0 });
  expectTypeOf(observations).toEqualTypeOf<NdArray<"float32">>();
  expectTypeOf(envs.actionSpace.sample()).toEqualTypeOf<NdArray<"float32">>();
  expect(observations.shape).toEqual([2, 3]);
});

test("everything that ships is registered", () => {
  expect(registry.ids).toEqual(
    expect.arrayContaining(["Acrobot-v1", "CartPole-v1", "DriveTrack-v0", "Pendulum-v1"]),
  );
});
