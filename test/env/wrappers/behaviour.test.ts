/** @file What wrappers do beyond Gymnasium's recorded runs: masks, ends within a step, checkpoints, attributes. */

import { describe, expect, test } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { float32, ndarray } from "../../../src/core/ndarray.ts";
import { Box } from "../../../src/core/spaces/box.ts";
import { withAutoreset } from "../../../src/env/autoreset.ts";
import type { Env, StepBatch, VectorEnv } from "../../../src/env/env.ts";
import { infoAt } from "../../../src/env/infos.ts";
import { Registry } from "../../../src/env/registry.ts";
import { SyncVectorEnv } from "../../../src/env/vector/sync.ts";
import { wrappers as W } from "../../../src/env/wrappers/wrappers.ts";
import { envs } from "../../../src/sim/classic/envs.ts";
import type { CounterOptions } from "../counter.ts";
import { CounterEnv, CounterVec } from "../counter.ts";
import { ImageEnv } from "../image-env.ts";

const registry = new Registry(envs);
const ints = (...values: number[]) => ndarray("int32", [values.length], Int32Array.from(values));
const mask = (...flags: number[]) => ndarray("bool", [flags.length], Uint8Array.from(flags));
const counters = (options: CounterOptions = {}) => new CounterVec(2, options);
const images = (count = 2) =>
  new SyncVectorEnv(Array.from({ length: count }, () => new ImageEnv())) as VectorEnv;
const numbers = (batch: StepBatch<unknown>) => [...(batch.observations as NdArray<"float32">).data];

describe("RecordEpisodeStatistics", () => {
  const episode = (batch: StepBatch<unknown>, i: number) =>
    infoAt(batch.finalInfos ?? batch.infos, i).episode;

  test("a masked reset leaves the statistics of the other rows alone (Gymnasium 1.4 clears them)", async () => {
    const env = W.RecordEpisodeStatistics(counters({ limit: 100, maxSteps: 4 }), { clock: () => 0 });
    await env.reset({ seed: 0 });
    await env.step(ints(0, 0));
    await env.reset({ mask: mask(0, 1) });
    for (let t = 0; t < 2; t++) await env.step(ints(0, 0));
    const last = await env.step(ints(0, 0));
    expect(episode(last, 0)).toEqual({ r: 1 + 2 + 3 + 4, l: 4, t: 0 });
    expect(episode(last, 1)).toBeUndefined();
  });

  test("keeps the last episodes in queues, found through the layers, and in checkpoints", async () => {
    let now = 0;
    const make = () =>
      W.RecordEpisodeStatistics(counters({ limit: 2 }), { bufferLength: 3, clock: () => now });
    const env = withAutoreset(make(), "same-step");
    await env.reset({ seed: 0 });
    for (let t = 0; t < 6; t++) {
      now += 500;
      await env.step(ints(0, 1));
    }
    expect(W.getWrapperAttr(env, "episodeCount")).toBe(9);
    expect(W.getWrapperAttr(env, "returnQueue")).toEqual([2, 3, 2]);
    expect(W.getWrapperAttr(env, "lengthQueue")).toEqual([1, 2, 1]);
    expect(W.getWrapperAttr(env, "timeQueue")).toEqual([0.5, 1, 0.5]);
    const other = make();
    W.loadWrappers(other, JSON.parse(JSON.stringify(W.saveWrappers(env))) as Record<string, unknown>);
    expect(W.getWrapperAttr(other, "returnQueue")).toEqual([2, 3, 2]);
  });
});

describe("running statistics", () => {
  test("NormalizeObservation takes in just the rows that were stepped or reset", async () => {
    const env = W.NormalizeObservation(counters({ limit: 100 }));
    await env.reset({ seed: 0 });
    await env.step(ints(0, 0), mask(1, 0));
    const { mean, count } = (
      W.getWrapperAttr(env, "statistics") as { state: { mean: number[]; count: number } }
    ).state;
    expect(count).toBeCloseTo(3, 3);
    expect(mean[1]).toBeCloseTo(1 / 3, 3);
  });

  test("survive a checkpoint as JSON and fit an environment with another number of rows", async () => {
    const env = W.NormalizeReward(W.NormalizeObservation(counters({ limit: 100 })));
    await env.reset({ seed: 0 });
    for (let t = 0; t < 5; t++) await env.step(ints(0, 1));
    const saved = JSON.parse(JSON.stringify(W.saveWrappers(env))) as Record<string, unknown>;
    expect(Object.keys(saved)).toEqual(["NormalizeRewardWrapper", "NormalizeObservationWrapper"]);
    const one = W.NormalizeReward(W.NormalizeObservation(new CounterVec(5, { limit: 100 })));
    W.loadWrappers(one, saved);
    expect(W.saveWrappers(one)).toEqual(W.saveWrappers(env));
    expect(() => W.loadWrappers(W.NormalizeReward(counters()), saved)).toThrow(/CHECKPOINT_MISMATCH/);
  });

  test("stand still when told to", async () => {
    const env = W.NormalizeObservation(counters({ limit: 100 }));
    await env.reset({ seed: 0 });
    expect(W.setWrapperAttr(env, "updateRunningMean", false)).toBe(true);
    const before = W.saveWrappers(env);
    await env.step(ints(0, 1));
    expect(W.saveWrappers(env)).toEqual(before);
  });

  test("NormalizeReward clears the returns of the rows that are reset only", async () => {
    const run = async (reset: boolean) => {
      const env = W.NormalizeReward(counters({ limit: 100 }));
      await env.reset({ seed: 0 });
      await env.step(ints(0, 0));
      if (reset) await env.reset({ mask: mask(1, 0) });
      await env.step(ints(0, 0), mask(0, 1));
      return (W.saveWrappers(env).NormalizeRewardWrapper as { mean: number[] }).mean[0];
    };
    expect(await run(true)).toBe(await run(false));
  });
});

describe("several inner steps", () => {
  test("RepeatAction stops each row at its own end and sums its rewards", async () => {
    const env = W.RepeatAction(counters({ limit: 3 }), { numRepeats: 3 });
    await env.reset({ seed: 0 });
    const step = await env.step(ints(0, 1));
    expect(numbers(step)).toEqual([1, 3, 1, 4]);
    expect([...step.rewards.data]).toEqual([1 + 2 + 3, 2 + 4]);
    expect([...step.terminations.data]).toEqual([1, 1]);
    expect([0, 1].map((i) => infoAt(step.infos, i))).toEqual([{ count: 3 }, { count: 4 }]);
  });

  test("MaxAndSkipObservation shows the last two frames there were when the episode ends early", () => {
    const frame = (t: number) => Array.from({ length: 72 }, (_, k) => (37 * t + 11 * k + 5) % 256);
    const env = W.MaxAndSkipObservation(new ImageEnv(), { skip: 3 });
    env.reset({ seed: 0 });
    env.step(0);
    env.step(0);
    const last = env.step(0);
    expect(last.terminated).toBe(true);
    expect([...last.observation.data]).toEqual(frame(7));
  });

  test("ActionChunk takes its actions in order and says how many it took", async () => {
    const env = W.ActionChunk(counters({ limit: 4 }), { chunkSize: 3 });
    expect(String(env.singleActionSpace)).toBe("MultiDiscrete([2 2 2])");
    await env.reset({ seed: 0 });
    const step = await env.step(ndarray("int32", [2, 3], Int32Array.of(0, 0, 1, 1, 1, 0)));
    expect(numbers(step)).toEqual([1, 4, 1, 4]);
    expect([...step.rewards.data]).toEqual([1 + 2 + 4, 2 + 4]);
    expect([0, 1].map((i) => infoAt(step.infos, i).chunkSteps)).toEqual([3, 2]);
    await expect(env.step(ints(0, 0))).rejects.toThrow(/INVALID_SHAPE.*action chunks/);
  });
});

describe("late and sticky", () => {
  test("DelayAction lets each action take effect d steps later, beginning with the first", async () => {
    const env = W.DelayAction(counters({ limit: 100 }), { delay: 2 });
    await env.reset({ seed: 0 });
    const counts: number[] = [];
    for (const action of [1, 0, 0, 1, 1]) counts.push(numbers(await env.step(ints(action, 0)))[1]);
    expect(counts).toEqual([2, 4, 6, 7, 8]);
  });

  test("StickyAction repeats as often as it should, by row, and equally from the same seed", async () => {
    const run = async (seed: number) => {
      const env = W.StickyAction(new CounterVec(4, { limit: 1e6, maxSteps: 1e6 }), {
        repeatActionProbability: 0.3,
      });
      await env.reset({ seed });
      const sums = new Float64Array(4);
      for (let t = 0; t < 2000; t++) {
        const { rewards } = await env.step(ints(...Array.from({ length: 4 }, () => t % 2)));
        rewards.data.forEach((reward, i) => (sums[i] = reward));
      }
      return sums;
    };
    expect(await run(3)).toEqual(await run(3));
    expect(new Set(await run(3)).size).toBeGreaterThan(1);
    expect(await run(4)).not.toEqual(await run(3));
  });

  test("StickyAction never repeats what an episode before it did", async () => {
    const env = W.StickyAction(new CounterVec(1, { limit: 2 }), { repeatActionProbability: 0.99 });
    for (let episode = 0; episode < 20; episode++) {
      await env.reset({ seed: episode });
      expect(numbers(await env.step(ints(episode % 2)))[1]).toBe(1 + (episode % 2));
    }
  });
});

describe("pictures", () => {
  test("ResizeObservation takes the mean of the area under each pixel", () => {
    const env = W.ResizeObservation(new ImageEnv(), { shape: [2, 3] });
    const { observation } = env.reset({ seed: 0 });
    const pixel = (y: number, x: number) => (11 * (6 * y + x) * 3 + 5) % 256;
    const mean = (pixel(0, 0) + pixel(0, 1) + pixel(1, 0) + pixel(1, 1)) / 4;
    expect(observation.shape).toEqual([2, 3, 3]);
    expect(Math.abs(observation.data[0] - mean)).toBeLessThanOrEqual(0.5);
  });

  test("ResizeObservation of a constant picture keeps its colour at any ratio", async () => {
    const base = W.TransformObservation(images(), (frame: NdArray<"uint8">) => ({
      ...frame,
      data: frame.data.map(() => 77),
    }));
    const env = W.ResizeObservation(base, { shape: [3, 5] });
    const { observations } = await env.reset({ seed: 0 });
    expect([...new Set(observations.data)]).toEqual([77]);
  });

  test("a Dict's entry is changed alone, by its key", async () => {
    const base = W.AddRenderObservation(images(), { renderOnly: false });
    const env = W.GrayscaleObservation(base, { key: "pixels", keepDim: true });
    expect(String(env.singleObservationSpace)).toBe(
      "Dict('pixels': Box(0, 255, (4, 6, 1), uint8), 'state': Box(0, 255, (4, 6, 3), uint8))",
    );
    const { observations } = await env.reset({ seed: 0 });
    expect(Object.keys(observations)).toEqual(expect.arrayContaining(["pixels", "state"]));
    expect(() => W.GrayscaleObservation(base, { key: "pixel" })).toThrow(
      /no entry "pixel".*one of pixels, state/s,
    );
  });

  test("FrameStackObservation stacks every array of a Dict", async () => {
    const env = W.FrameStackObservation(W.AddRenderObservation(images(), { renderOnly: false }), {
      stackSize: 2,
    });
    await env.reset({ seed: 0 });
    const { observations } = await env.step(ints(0, 0));
    const { state } = observations as Record<string, NdArray<"uint8">>;
    expect(state.shape).toEqual([2, 2, 4, 6, 3]);
    expect([state.data[0], state.data[72]]).toEqual([5, 42]);
  });
});

describe("layers", () => {
  test("a wrapper around a vector env that resets itself stands inside its autoreset", async () => {
    const env = await registry.makeVec("CartPole-v1", {
      numEnvs: 2,
      mode: "sync",
      autoreset: "same-step",
      maxEpisodeSteps: 3,
    });
    const scaled = W.TransformReward(env, (reward) => 10 * reward) as typeof env;
    expect(scaled.mode).toBe("same-step");
    await scaled.reset({ seed: 0 });
    for (let t = 0; t < 3; t++) expect([...(await scaled.step(ints(0, 1))).rewards.data]).toEqual([10, 10]);
  });

  test("attributes are found through every layer, of single and vector environments", () => {
    const env = W.TimeLimit(W.ClipReward(registry.make("CartPole-v1"), { minReward: 0 }), 7);
    expect(W.getWrapperAttr(env, "maxEpisodeSteps")).toBe(7);
    expect(W.hasWrapperAttr(env, "state")).toBe(true);
    expect(() => W.getWrapperAttr(env, "gravity")).toThrow(
      /no layer of the environment has the attribute "gravity"/,
    );
    expect(W.unwrappedOf(env).constructor.name).toBe("CartPoleEnv");
  });

  test("an environment that resets by itself in a way of its own cannot be wrapped", () => {
    const env = Object.assign(counters(), { metadata: { renderModes: [], autoreset: "next-step" as const } });
    expect(() => W.TimeLimit(env, 3)).toThrow(/NOT_SUPPORTED.*resets by itself/);
  });

  test("Autoreset gives one environment the next-step behaviour", () => {
    const env = W.Autoreset(new CounterEnv({ limit: 2 }));
    env.reset({ seed: 0 });
    env.step(0);
    expect(env.step(0)).toMatchObject({ reward: 2, terminated: true });
    const next = env.step(1);
    expect(next).toMatchObject({ reward: 0, terminated: false, info: { start: 0 } });
    expect([...next.observation.data]).toEqual([2, 0]);
  });

  test("OrderEnforcing refuses steps before the reset of each row", async () => {
    const env = W.OrderEnforcing(counters());
    await env.reset({ mask: mask(1, 0) });
    await expect(env.step(ints(0, 0))).rejects.toThrow(/RESET_NEEDED.*sub-environment 1/);
    await env.step(ints(0, 0), mask(1, 0));
    await env.close();
    await expect(env.reset()).rejects.toThrow(/ENV_CLOSED/);
  });
});

describe("wrappers that users write", () => {
  class Half extends W.ObservationWrapper<NdArray<"float32">, number> {
    override readonly observationSpace = new Box(-1, 500, [2], "float32");
    observation(observation: NdArray<"float32">) {
      return float32(observation.data.map((value) => value / 2));
    }
  }
  class Flip extends W.ActionWrapper<NdArray<"float32">, number> {
    action(action: number) {
      return 1 - action;
    }
  }
  class Cheap extends W.RewardWrapper<NdArray<"float32">, number> {
    reward(reward: number) {
      return reward / 10;
    }
  }

  test("override one method each, and stack", () => {
    const env: Env<NdArray<"float32">, number> = new Cheap(new Flip(new Half(new CounterEnv({ limit: 9 }))));
    expect([...env.reset({ seed: 0 }).observation.data]).toEqual([0.5, 0]);
    const result = env.step(0);
    expect([...result.observation.data]).toEqual([0.5, 1]);
    expect(result.reward).toBe(0.2);
    expect(String(env.observationSpace)).toBe("Box(-1.0, 500.0, (2,), float32)");
    expect((env as Cheap).unwrapped).toBeInstanceOf(CounterEnv);
  });
});

test.each([
  ["a limit of 0", () => W.TimeLimit(counters(), 0)],
  ["one repetition", () => W.RepeatAction(counters(), { numRepeats: 1 })],
  ["a probability of 1", () => W.StickyAction(counters(), { repeatActionProbability: 1 })],
  ["no bound of rewards", () => W.ClipReward(counters(), {})],
  ["a negative delay", () => W.DelayObservation(counters(), { delay: -1 })],
  ["clipping of Discrete actions", () => W.ClipAction(counters())],
  ["a shape of another size", () => W.ReshapeObservation(counters(), { shape: [3] })],
  ["grey of no frame", () => W.GrayscaleObservation(counters())],
  ["time without a limit", () => W.TimeAwareObservation(counters())],
  ["rescaling to an empty range", () => W.RescaleObservation(counters(), { minObs: 1, maxObs: 1 })],
  ["an empty filter", () => W.FilterObservation(counters(), { filterKeys: [] })],
])("%s is refused with a code", (_name, make) => {
  expect(make).toThrow(/\[(INVALID|NOT)_\w+\]/);
});
