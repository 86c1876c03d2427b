/** @file Imagined environments: the contract of every environment, and what is theirs alone. */

import { describe, expect, it } from "vitest";
import { float32, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { makeImaginedEnv, type ImaginedEnv, type ImaginedOptions } from "../../src/env/imagined.ts";
import { makeReplayContexts } from "../../src/worldmodel/contexts.ts";
import type { WorldModel } from "../../src/worldmodel/worldmodel.ts";
import { makeCounterModel, zeroContexts } from "../policy/counter.ts";
import { randomEpisodes, replayOf, untrained } from "../worldmodel/line-world.ts";
import { conforms } from "./conformance.ts";

const replay = replayOf(randomEpisodes(20, 12, 1));
const models = {
  deterministic: untrained("deterministic", { count: 2, logit: -4 }),
  flow: untrained("flow", { count: 2, logit: -4 }),
};

function dreamOf(form: keyof typeof models, options: Partial<ImaginedOptions> = {}): ImaginedEnv {
  const model = models[form];
  return makeImaginedEnv({
    model,
    contexts: makeReplayContexts(model, replay),
    numEnvs: 4,
    horizon: 9,
    ...options,
  });
}

for (const form of ["deterministic", "flow"] as const) {
  for (const termination of ["sampled", "soft"] as const) {
    const penalties = { uncertaintyPenalty: 0.1, terminationReward: -2 };
    conforms(
      `a ${termination} dream of the ${form} form`,
      () => dreamOf(form, { termination, ...penalties }),
      {
        steps: 24,
      },
    );
  }
}

const counter = (
  options: Partial<ImaginedOptions> & { length?: number; model?: WorldModel } = {},
): ImaginedEnv => {
  const { length = 100, ...rest } = options;
  return makeImaginedEnv({
    model: makeCounterModel(length),
    contexts: zeroContexts,
    numEnvs: 3,
    horizon: 4,
    ...rest,
  });
};

const push = (...values: number[]): NdArray<"float32"> => float32(values, [values.length, 1]);
const maskOf = (...flags: number[]): NdArray<"bool"> => ({
  dtype: "bool",
  shape: [flags.length],
  data: Uint8Array.from(flags),
});

describe("the horizon", () => {
  it("truncates and never terminates, and counts each row's own steps", async () => {
    const env = counter();
    await env.reset({ seed: 1 });
    for (let t = 0; t < 3; t++) {
      const batch = await env.step(push(1, 1, 1));
      expect([...batch.truncations.data]).toEqual([0, 0, 0]);
    }
    await env.reset({ mask: maskOf(0, 1, 0) });
    const batch = await env.step(push(1, 1, 1));
    expect([...batch.truncations.data]).toEqual([1, 0, 1]);
    expect([...batch.terminations.data]).toEqual([0, 0, 0]);
    expect([...(await env.step(push(1, 1, 1), maskOf(0, 1, 0))).truncations.data]).toEqual([0, 0, 0]);
  });

  it("does not hide that the task ended in its last step", async () => {
    const env = counter({ length: 4 });
    await env.reset({ seed: 1 });
    for (let t = 0; t < 3; t++) await env.step(push(1, 0, -1));
    const batch = await env.step(push(1, 0, -1));
    expect([...batch.terminations.data]).toEqual([1, 1, 1]);
    expect([...batch.truncations.data]).toEqual([0, 0, 0]);
    expect([...batch.rewards.data]).toEqual([4, 0, -4]);
  });
});

describe("a dream's ends", () => {
  it("are drawn as often as the model predicts them, and then the future counts in full until there", async () => {
    const env = counter({ numEnvs: 400, model: makeCounterModel(100, 0.3), seed: 5 });
    await env.reset({ seed: 6 });
    const { terminations, infos } = await env.step(zeros("float32", [400, 1]));
    const share = terminations.data.reduce((a, b) => a + b, 0) / 400;
    expect(share).toBeGreaterThan(0.23);
    expect(share).toBeLessThan(0.37);
    expect(infos.continueProbability).toBeUndefined();
  });

  it("are never drawn in a soft dream, whose info says how much of the future counts", async () => {
    const env = counter({ model: makeCounterModel(100, 0.3), termination: "soft" });
    await env.reset({ seed: 6 });
    const { terminations, infos } = await env.step(push(0, 0, 0), maskOf(1, 0, 1));
    expect([...terminations.data]).toEqual([0, 0, 0]);
    expect([...infos.continueProbability.mask.data]).toEqual([1, 0, 1]);
    const [p, q] = [infos.continueProbability, infos.terminationProbability].map(
      ({ values }) => (values as NdArray<"float32">).data,
    );
    expect(p[0]).toBeCloseTo(0.7, 6);
    expect(q[0]).toBeCloseTo(0.3, 6);
  });
});

describe("pessimism", () => {
  const doubtful = (doubt: number): WorldModel => {
    const model = makeCounterModel(2, 0.5);
    return {
      ...model,
      async step(state, actions, rng) {
        const prediction = await model.step(state, actions, rng);
        const uncertainties = zeros("float32", [actions.shape[0]]);
        uncertainties.data.forEach((_, i) => (uncertainties.data[i] = doubt * i));
        return { ...prediction, uncertainties };
      },
    };
  };

  it("takes the stated price off the reward, per unit of disagreement and per imagined end", async () => {
    const env = counter({
      model: doubtful(0.25),
      termination: "soft",
      uncertaintyPenalty: 2,
      terminationReward: -8,
    });
    await env.reset({ seed: 0 });
    const { rewards } = await env.step(push(1, 1, 1));
    expect([...rewards.data]).toEqual([-4, -4.5, -5]);
  });

  it("cuts rows whose disagreement exceeds the limit, and them alone", async () => {
    const env = counter({ model: doubtful(1), termination: "soft", uncertaintyLimit: 1.5 });
    await env.reset({ seed: 0 });
    const { truncations, terminations } = await env.step(push(1, 1, 1));
    expect([...truncations.data]).toEqual([0, 0, 1]);
    expect([...terminations.data]).toEqual([0, 0, 0]);
  });
});

describe.each(["deterministic", "flow"] as const)("rows of a dream of the %s form", (form) => {
  const actions = push(0.3, -0.2, 0.9, -1);
  const roll = async (env: ImaginedEnv, steps: number): Promise<unknown[]> => {
    const out: unknown[] = [];
    for (let t = 0; t < steps; t++) out.push(structuredClone(await env.step(actions)));
    return out;
  };

  it("do not notice that others are reset or stepped", async () => {
    const rowsOf = async (disturb: boolean): Promise<unknown[]> => {
      const env = dreamOf(form, { termination: "soft" });
      await env.reset({ seed: 11 });
      await env.step(actions);
      if (disturb) {
        await env.reset({ mask: maskOf(1, 0, 0, 1), seed: 77 });
        await env.step(actions, maskOf(1, 0, 0, 1));
        await env.reset({ mask: maskOf(1, 0, 0, 0) });
      }
      const { observations, rewards } = await env.step(actions);
      const width = observations.shape[1];
      return [observations.data.slice(width, 3 * width), rewards.data.slice(1, 3)];
    };
    expect(await rowsOf(true)).toEqual(await rowsOf(false));
  });

  it.each(["sampled", "soft"] as const)(
    "go on from a snapshot to the same %s future",
    async (termination) => {
      const env = dreamOf(form, { termination });
      await env.reset({ seed: 12 });
      await env.step(actions);
      const snapshot = structuredClone(env.snapshot());
      const future = await roll(env, 4);
      const other = dreamOf(form, { termination, seed: 999 });
      other.restore(snapshot);
      expect(await roll(other, 4)).toEqual(future);
    },
  );
});

describe("an imagined environment", () => {
  it("draws frames of the model's size, those asked for alone", async () => {
    const env = dreamOf("deterministic");
    const first = await env.reset({ seed: 1 });
    const frames = await env.render();
    expect(frames.map((frame) => [frame?.dtype, frame?.shape])).toEqual(
      new Array(4).fill(["uint8", [1, 1, 3]]),
    );
    const some = await env.render(maskOf(0, 1, 0, 1));
    expect(some.map((frame) => frame !== undefined)).toEqual([false, true, false, true]);
    expect(some[3]).toEqual(frames[3]);
    expect(await env.render(maskOf(0, 0, 0, 0))).toEqual(new Array(4).fill(undefined));
    expect((await env.reset({ mask: maskOf(0, 0, 0, 0) })).observations).toEqual(first.observations);
  });

  it("says what to call first, and what not to call any more", async () => {
    const env = dreamOf("deterministic");
    const actions = zeros("float32", [4, 1]);
    await expect(env.step(actions)).rejects.toThrow(/RESET_NEEDED.*step/);
    await expect(env.render()).rejects.toThrow(/RESET_NEEDED.*render/);
    await expect(env.reset({ mask: maskOf(1, 0, 1, 1) })).rejects.toThrow(/RESET_NEEDED.*some rows/);
    await env.reset({ seed: 1 });
    await env.close();
    await env.close();
    await expect(env.step(actions)).rejects.toThrow(/ENV_CLOSED/);
    await expect(env.reset()).rejects.toThrow(/ENV_CLOSED/);
  });

  it("refuses a snapshot of another kind or size", async () => {
    const env = dreamOf("deterministic");
    await env.reset({ seed: 1 });
    const other = dreamOf("deterministic", { numEnvs: 2 });
    expect(() => other.restore(env.snapshot())).toThrow(/INVALID_ARGUMENT.*size/);
    expect(() => env.restore({ kind: "counter", state: { elapsed: new Int32Array(4) } })).toThrow(
      /INVALID_ARGUMENT/,
    );
  });
});
