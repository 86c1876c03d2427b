/** @file Partial batches: groups go on without waiting for each other. */

import { expect, test } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { ndarray } from "../../../src/core/ndarray.ts";
import { withAutoreset } from "../../../src/env/autoreset.ts";
import type { StepBatch } from "../../../src/env/env.ts";
import { Registry } from "../../../src/env/registry.ts";
import { PartialVectorEnv } from "../../../src/env/vector/partial.ts";
import { envs } from "../../../src/sim/classic/envs.ts";
import { CounterVec } from "../counter.ts";
import { envs as flakyEnvs, flaky } from "./flaky-envs.ts";

const ints = (...values: number[]) => ndarray("int32", [values.length], Int32Array.from(values));

/** A counter whose steps finish when told to. */
class Gated extends CounterVec {
  open: () => void = () => undefined;

  override async step(actions: NdArray, mask?: NdArray<"bool">): Promise<StepBatch<NdArray<"float32">>> {
    await new Promise<void>((resolve) => (this.open = resolve));
    return super.step(actions, mask);
  }
}

function gated() {
  const primitives = [new Gated(2, { limit: 9 }), new Gated(1, { limit: 9 })];
  return {
    primitives,
    env: new PartialVectorEnv(primitives.map((primitive) => withAutoreset(primitive, "next-step"))),
  };
}

test("recv gives the group that finished first, whatever the order of sending", async () => {
  const { primitives, env } = gated();
  const [a, b] = await env.reset({ seed: 0 });
  expect([env.numEnvs, env.numGroups, [...a.envIds.data], [...b.envIds.data]]).toEqual([3, 2, [0, 1], [2]]);
  env.send(ints(0, 0), a.envIds);
  env.send(ints(1), b.envIds);
  const first = env.recv();
  primitives[1].open();
  const batch = await first;
  expect([...batch.envIds.data]).toEqual([2]);
  expect([...batch.rewards.data]).toEqual([2]);
  env.send(ints(1), batch.envIds);
  primitives[0].open();
  expect([...(await env.recv()).envIds.data]).toEqual([0, 1]);
});

test("a seed gives every sub-environment the seed it would have in one batch", async () => {
  const single = withAutoreset(new CounterVec(3, { starts: 1000 }), "next-step", { copy: true });
  const parts = new PartialVectorEnv(
    [2, 1].map((n) => withAutoreset(new CounterVec(n, { starts: 1000 }), "next-step")),
  );
  const whole = await single.reset({ seed: 5 });
  const [a, b] = await parts.reset({ seed: 5 });
  const data = (batch: { observations: unknown }) => [...(batch.observations as NdArray<"float32">).data];
  expect([...data(a), ...data(b)]).toEqual(data(whole));
});

test("calls out of order are refused with what to do", async () => {
  const { primitives, env } = gated();
  const [a] = await env.reset({ seed: 0 });
  await expect(env.recv()).rejects.toThrow(/send actions to a group first/);
  expect(() => env.send(ints(0), ints(1))).toThrow(/one whole group/);
  env.send(ints(0, 0), a.envIds);
  expect(() => env.send(ints(0, 0), a.envIds)).toThrow(/receive its result first/);
  await expect(env.reset()).rejects.toThrow(/receive every group's result first/);
  primitives[0].open();
  await env.recv();
});

test("a group whose step fails throws from recv, and the others go on", async () => {
  const { primitives, env } = gated();
  const [a, b] = await env.reset({ seed: 0 });
  await primitives[0].close();
  env.send(ints(0, 0), a.envIds);
  env.send(ints(0), b.envIds);
  const failed = env.recv();
  primitives[0].open();
  await expect(failed).rejects.toThrow("closed");
  primitives[1].open();
  expect([...(await env.recv()).envIds.data]).toEqual([2]);
});

test("a sub-environment that throws is named within its group, and a reset of that group goes on", async () => {
  const registry = new Registry(flakyEnvs);
  const env = await registry.makePartialVec("Flaky-v0", { numEnvs: 4, batchSize: 2, mode: "sync" });
  const [, b] = await env.reset();
  env.send(ints(0, flaky.throw), b.envIds);
  await expect(env.recv()).rejects.toThrow(/group of sub-environments 2 to 3 failed.*broken after 0 steps/s);
  const [again] = await env.reset({ envIds: b.envIds });
  expect([...again.envIds.data]).toEqual([2, 3]);
  env.send(ints(0, 0), b.envIds);
  expect([...(await env.recv()).rewards.data]).toEqual([1, 1]);
  await expect(env.reset({ envIds: ints(1, 2) })).rejects.toThrow(/one whole group/);
});

test("the registry makes groups of equal size", async () => {
  const registry = new Registry(envs);
  const env = await registry.makePartialVec("CartPole-v1", { numEnvs: 6, batchSize: 2, mode: "sync" });
  expect([env.numEnvs, env.numGroups]).toEqual([6, 3]);
  await env.close();
  await expect(registry.makePartialVec("CartPole-v1", { numEnvs: 5, batchSize: 2 })).rejects.toThrow(
    /divide numEnvs/,
  );
});
