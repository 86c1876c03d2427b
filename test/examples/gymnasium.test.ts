/** @file The example that a reader of Gymnasium's README would write runs, and its types hold. */

import { expect, expectTypeOf, test, vi } from "vitest";
import { singleEnvironment, vectorEnvironment } from "../../examples/01-gymnasium.ts";
import type { EnvOf, NdArray, VectorOf } from "../../src/index.ts";
import { make, makeVec, registry, spaces } from "../../src/index.ts";

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

test("types flow from the spaces to the environment, and from there to its batches", () => {
  const observation = spaces.Dict({
    pixels: spaces.Box(0, 255, [4, 4, 3], "uint8"),
    gear: spaces.Discrete(5),
  });
  const action = spaces.Tuple([spaces.Box(-1, 1, [2]), spaces.Discrete(2)]);
  type Mine = EnvOf<typeof observation, typeof action>;
  type Observation = ReturnType<Mine["reset"]>["observation"];
  expectTypeOf<Observation["pixels"]>().toEqualTypeOf<NdArray<"uint8">>();
  expectTypeOf<Observation["gear"]>().toEqualTypeOf<number>();
  expectTypeOf<Parameters<Mine["step"]>[0][1]>().toEqualTypeOf<number>();
  type Batch = Awaited<ReturnType<VectorOf<Mine>["reset"]>>["observations"];
  expectTypeOf<Batch["gear"]>().toEqualTypeOf<NdArray<"int32">>();
  expect(observation.contains(observation.sample())).toBe(true);
});

test("everything that ships is registered", () => {
  expect(registry.ids).toEqual(
    expect.arrayContaining(["Acrobot-v1", "CartPole-v1", "DriveTrack-v0", "Pendulum-v1"]),
  );
});
