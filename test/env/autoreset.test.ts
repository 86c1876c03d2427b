/** @file The three autoreset modes over a toy primitive with known answers. */

import { describe, expect, test } from "vitest";
import { ndarray, zeros } from "../../src/core/ndarray.ts";
import { withAutoreset } from "../../src/env/autoreset.ts";
import { infoAt } from "../../src/env/infos.ts";
import { SyncVectorEnv } from "../../src/env/vector/sync.ts";
import { CounterEnv, CounterVec } from "./counter.ts";

// Row 0 counts by 1 and ends after 3 steps; row 1 counts by 2 and ends after 2.
const actions = ndarray("int32", [2], Int32Array.of(0, 1));
const mask = (...flags: number[]) => ndarray("bool", [flags.length], Uint8Array.from(flags));
const counter = () => new CounterVec(2, { limit: 3 });

describe.each([
  ["asynchronous primitive", counter],
  ["synchronous primitive", () => new SyncVectorEnv([0, 1].map(() => new CounterEnv({ limit: 3 })))],
])("over an %s", (_name, make) => {
  test("next-step resets in the step after the end, ignoring its action, and marks it invalid", async () => {
    const env = withAutoreset(make() as CounterVec, "next-step", { copy: true });
    await env.reset({ seed: 1 });
    const steps = [];
    for (let t = 0; t < 4; t++) steps.push(await env.step(actions));
    expect(steps.map((s) => [...s.observations.data])).toEqual([
      [1, 1, 1, 2],
      [1, 2, 1, 4],
      [1, 3, 2, 0],
      [2, 0, 2, 2],
    ]);
    expect(steps.map((s) => [...s.rewards.data])).toEqual([
      [1, 2],
      [2, 4],
      [3, 0],
      [0, 2],
    ]);
    expect(steps.map((s) => [...s.terminations.data])).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [0, 0],
    ]);
    expect(steps.map((s) => [...s.valid.data])).toEqual([
      [1, 1],
      [1, 1],
      [1, 0],
      [0, 1],
    ]);
    expect(steps[2].finalObservations).toBeUndefined();
    expect(infoAt(steps[2].infos, 0)).toEqual({ count: 3 });
  });

  test("same-step resets at once and hands out the last observation and info of the ended rows", async () => {
    const env = withAutoreset(make() as CounterVec, "same-step", { copy: true });
    await env.reset({ seed: 1 });
    await env.step(actions);
    const step = await env.step(actions);
    expect([...step.observations.data]).toEqual([1, 2, 2, 0]);
    expect([...step.rewards.data]).toEqual([2, 4]);
    expect([...step.terminations.data]).toEqual([0, 1]);
    expect([...step.valid.data]).toEqual([1, 1]);
    expect([...step.finalMask!.data]).toEqual([0, 1]);
    expect(Array.from(step.finalObservations!.data).slice(2)).toEqual([1, 4]);
    expect(infoAt(step.finalInfos!, 1)).toEqual({ count: 4 });
    expect(infoAt(step.finalInfos!, 0)).toEqual({});
    expect(infoAt(step.infos, 0)).toEqual({ count: 2 });
    expect(infoAt(step.infos, 1)).not.toHaveProperty("count");
    const next = await env.step(actions);
    expect([...next.finalMask!.data]).toEqual([1, 0]);
    expect([...next.observations.data]).toEqual([2, 0, 2, 2]);
  });

  test("disabled refuses to step an ended row until it is reset by mask", async () => {
    const env = withAutoreset(make() as CounterVec, "disabled", { copy: true });
    await env.reset({ seed: 1 });
    await env.step(actions);
    await env.step(actions);
    await expect(env.step(actions)).rejects.toThrow(/RESET_NEEDED.*sub-environment 1/);
    const reset = await env.reset({ mask: mask(0, 1) });
    expect([...reset.observations.data]).toEqual([1, 2, 2, 0]);
    expect([...(await env.step(actions)).observations.data]).toEqual([1, 3, 2, 2]);
  });

  test("rows outside step's mask are left alone, their pending reset included", async () => {
    const env = withAutoreset(make() as CounterVec, "next-step", { copy: true });
    await env.reset({ seed: 1 });
    await env.step(actions);
    await env.step(actions);
    const skipped = await env.step(actions, mask(1, 0));
    expect([...skipped.observations.data]).toEqual([1, 3, 1, 4]);
    expect([...skipped.valid.data]).toEqual([1, 0]);
    const both = await env.step(actions);
    expect([...both.observations.data]).toEqual([2, 0, 2, 0]);
    expect([...both.valid.data]).toEqual([0, 0]);
  });

  test("a masked reset of an ended row cancels its pending autoreset", async () => {
    const env = withAutoreset(make() as CounterVec, "next-step", { copy: true });
    await env.reset({ seed: 1 });
    await env.step(actions);
    await env.step(actions);
    await env.reset({ mask: mask(0, 1) });
    const step = await env.step(actions);
    expect([...step.observations.data]).toEqual([1, 3, 2, 2]);
    expect([...step.valid.data]).toEqual([1, 1]);
  });

  test("with copy, earlier results stay as they were", async () => {
    const env = withAutoreset(make() as CounterVec, "same-step", { copy: true });
    const reset = await env.reset({ seed: 1 });
    const first = await env.step(actions);
    await env.step(actions);
    expect([...reset.observations.data]).toEqual([1, 0, 1, 0]);
    expect([...first.observations.data]).toEqual([1, 1, 1, 2]);
    expect([...first.rewards.data]).toEqual([1, 2]);
  });
});

test("without copy, a step hands out the same arrays each time", async () => {
  const env = withAutoreset(counter(), "next-step");
  await env.reset({ seed: 1 });
  const first = await env.step(actions);
  const second = await env.step(actions);
  expect(second).toBe(first);
});

test("an ended row costs the primitive one masked step and one masked reset, and is never stepped", async () => {
  const primitive = counter();
  const env = withAutoreset(primitive, "next-step");
  await env.reset({ seed: 1 });
  primitive.calls = [];
  for (let t = 0; t < 4; t++) await env.step(actions);
  expect(primitive.calls).toEqual(["step ", "step ", "step 10", "reset 01", "step 01", "reset 10"]);
});

test("a step before the first reset is refused in every mode", async () => {
  for (const mode of ["next-step", "same-step", "disabled"] as const) {
    await expect(withAutoreset(counter(), mode).step(actions)).rejects.toThrow(/RESET_NEEDED.*never reset/);
  }
});

test("masks of the wrong length, dtype or content are refused and never changed", async () => {
  const env = withAutoreset(counter(), "next-step");
  await expect(env.reset({ mask: mask(1, 0, 1) })).rejects.toThrow(/INVALID_SHAPE/);
  await expect(env.reset({ mask: mask(0, 0) })).rejects.toThrow(/all zero/);
  await expect(env.reset({ mask: zeros("float32", [2]) as never })).rejects.toThrow(/float32/);
  const given = { seed: 3, mask: mask(1, 0) };
  await env.reset({ seed: 1 });
  await env.reset(given);
  expect(given).toEqual({ seed: 3, mask: mask(1, 0) });
});

test("truncation ends an episode just as termination does, under its own flag", async () => {
  const env = withAutoreset(new CounterVec(2, { limit: 100, maxSteps: 2 }), "same-step", { copy: true });
  await env.reset({ seed: 1 });
  await env.step(actions);
  const step = await env.step(actions);
  expect([...step.terminations.data]).toEqual([0, 0]);
  expect([...step.truncations.data]).toEqual([1, 1]);
  expect([...step.finalMask!.data]).toEqual([1, 1]);
});

test("a snapshot keeps which rows wait for their reset", async () => {
  const env = withAutoreset(counter(), "next-step", { copy: true });
  await env.reset({ seed: 1 });
  await env.step(actions);
  await env.step(actions);
  const snapshot = structuredClone(env.snapshot!());
  const expected = await env.step(actions);
  await env.step(actions);
  env.restore!(snapshot);
  expect(await env.step(actions)).toEqual(expected);
});

test("an environment that resets by itself is not wrapped again", () => {
  const env = Object.assign(counter(), { metadata: { renderModes: [], autoreset: "next-step" as const } });
  expect(() => withAutoreset(env, "same-step")).toThrow(/NOT_SUPPORTED/);
});

test("another mode is derived from the same primitive", async () => {
  const primitive = counter();
  const env = withAutoreset(withAutoreset(primitive, "next-step"), "same-step");
  expect(env.primitive).toBe(primitive);
  expect(env.mode).toBe("same-step");
});
