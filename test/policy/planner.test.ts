/** @file The planner and its objectives in a world of known motion: goals, rows, the warm start, and what is not asked for. */

import { describe, expect, it } from "vitest";
import { zeros, type NdArray } from "../../src/core/ndarray.ts";
import { goalDistance, type Objective } from "../../src/policy/objective.ts";
import { makePlanner, type PlannerConfig } from "../../src/policy/planner.ts";
import type { Policy } from "../../src/policy/policy.ts";
import type { LatentState, WorldModel } from "../../src/worldmodel/worldmodel.ts";
import { makeCounterModel } from "./counter.ts";

type Numbers = NdArray<"float32">;

const column = (values: readonly number[], width = 1): Numbers => ({
  dtype: "float32",
  shape: [values.length / width, width],
  data: Float32Array.from(values),
});

const flags = (values: readonly number[]): NdArray<"bool"> => ({
  dtype: "bool",
  shape: [values.length],
  data: Uint8Array.from(values),
});

/** A cart: an action is added to its speed, its speed to its place. Nothing is ever paid. */
function push(body: Numbers, actions: Numbers): Numbers {
  const out = zeros("float32", body.shape);
  for (let i = 0; i < body.shape[0]; i++) {
    const speed = body.data[2 * i + 1] + actions.data[i];
    out.data.set([body.data[2 * i] + speed, speed], 2 * i);
  }
  return out;
}

/** The cart as a world model; `batches` tells how many rows each imagined step had. */
function makeCart(batches: number[] = []): WorldModel {
  return {
    ...makeCounterModel(1000),
    features: (state) => state.body,
    async step(state, actions) {
      const count = actions.shape[0];
      batches.push(count);
      const none = (): Numbers => zeros("float32", [count]);
      return {
        state: { body: push(state.body, actions) },
        rewards: none(),
        terminatedProbabilities: none(),
        uncertainties: none(),
      };
    },
  };
}

const config: PlannerConfig = {
  horizon: 4,
  samples: 80,
  policySamples: 0,
  iterations: 6,
  elites: 8,
  temperature: 1,
  initialStd: 0.7,
  minStd: 0.01,
  replanEvery: 4,
};

const bodyOf = (state: LatentState): Numbers => state.body;
const standing = (places: readonly number[]): Numbers =>
  column(
    places.flatMap((place) => [place, 0]),
    2,
  );

/** Where carts that stand at zero are after the planner's `steps` steps towards `goals` [N · 2]. */
async function drive(goals: Numbers, steps: number, over: Partial<PlannerConfig> = {}): Promise<Numbers> {
  const count = goals.shape[0];
  let body = zeros("float32", [count, 2]);
  const planner = makePlanner({
    model: makeCart(),
    objective: goalDistance({ latentOf: bodyOf, goals, growth: 20 }),
    state: () => ({ body }),
    config: { ...config, ...over },
    seed: 0,
  });
  for (let step = 0; step < steps; step++) {
    const begins = flags(new Array<number>(count).fill(step === 0 ? 1 : 0));
    body = push(body, (await planner.act(body, begins, { deterministic: true })).actions);
  }
  return body;
}

describe("planning to a goal's latent", () => {
  it("finds the one way to be there and to stand still: full speed ahead, then full brake", async () => {
    const body = await drive(standing([4]), 4, { samples: 320, iterations: 12 });
    expect(body.data[0]).toBeCloseTo(4, 0);
    expect(Math.abs(body.data[1])).toBeLessThan(0.3);
  });

  it("keeps to the whole goal, its speed as well as its place", async () => {
    const body = await drive(column([2, 0, 2, 1], 2), 4);
    expect(Math.abs(body.data[1])).toBeLessThan(0.2);
    expect(body.data[3]).toBeGreaterThan(0.7);
  });

  it("brings each row to its own goal, where rows fall into several groups and the last one is filled up", async () => {
    const places = [-3, 2, -1, 1.5, 3, -2, 0.5];
    const body = await drive(standing(places), 4);
    for (const [row, place] of places.entries())
      expect(Math.abs(body.data[2 * row] - place)).toBeLessThan(0.3);
  });

  it("averages over the steps: growth 1 wants the goal soon, a large one only at the horizon", async () => {
    const near = async (growth: number): Promise<number> => {
      const objective = goalDistance({ latentOf: bodyOf, goals: standing([1]), growth });
      const scoring = objective.score(Int32Array.of(0, 0));
      for (const body of [
        [1, 0, 0, 0],
        [0, 0, 1, 0],
      ])
        scoring.step({ state: { body: column(body, 2) } } as never);
      const [early, late] = await scoring.finish({});
      return early - late;
    };
    expect(await near(1)).toBeCloseTo(0, 9);
    expect(await near(100)).toBeLessThan(-0.45);
  });

  it("refuses goals that another model's latents are compared with", () => {
    const goals = zeros("float32", [1, 3]);
    const scoring = goalDistance({ latentOf: bodyOf, goals, growth: 1 }).score(Int32Array.of(0));
    expect(() => scoring.step({ state: { body: standing([0]) } } as never)).toThrow(/do not belong together/);
  });
});

/** Likes large actions, of every row alike. */
const forwards: Objective = {
  score: (rows) => ({
    step() {},
    finish: async (state) => Float64Array.from(rows, (_, i) => state.body.data[2 * i]),
  }),
};

describe("the warm start", () => {
  it("lets plans grow better from step to step", async () => {
    const body = zeros("float32", [1, 2]);
    const planner = makePlanner({
      model: makeCart(),
      objective: forwards,
      state: () => ({ body }),
      config: { ...config, samples: 16, elites: 1, iterations: 1, initialStd: 0.1, replanEvery: 1 },
      seed: 3,
    });
    const actions: number[] = [];
    for (let step = 0; step < 12; step++)
      actions.push((await planner.act(body, flags([step === 0 ? 1 : 0]))).actions.data[0]);
    expect(Math.abs(actions[0])).toBeLessThan(0.3);
    expect(actions[11]).toBeGreaterThan(actions[0] + 0.15);
  });

  it("is what the last plan has not used yet and rest after it, and is forgotten where an episode begins", async () => {
    const tried: number[][] = [];
    const cart = makeCart();
    const model: WorldModel = {
      ...cart,
      step(state, actions, rng) {
        tried.push([...actions.data]);
        return cart.step(state, actions, rng);
      },
    };
    // The guide's actions tell their place in the plan: the speed grows by 0.1 from step to step.
    const policy: Policy<Numbers> = {
      act: async (features) => ({
        actions: column(
          Array.from(
            features.data.filter((_, i) => i % 2),
            (v) => 0.1 + v,
          ),
        ),
      }),
    };
    const body = zeros("float32", [1, 2]);
    const still = {
      samples: 2,
      policySamples: 1,
      elites: 1,
      iterations: 1,
      initialStd: 0,
      minStd: 0,
      horizon: 3,
    };
    const planner = makePlanner({
      model,
      policy,
      objective: forwards,
      state: () => ({ body }),
      config: { ...config, ...still, replanEvery: 2 },
      seed: 0,
    });
    for (const begin of [1, 1, 0, 0]) await planner.act(body, flags([begin]));
    const unguided = tried.map((actions) => actions[1]);
    const guide = [0.1, 0.2, 0.4].map(Math.fround);
    expect(tried.slice(0, 3).map((actions) => actions[0])).toEqual(guide.map((v) => expect.closeTo(v, 6)));
    expect(unguided.slice(3)).toEqual([0, 0, 0, expect.closeTo(guide[2], 6), 0, 0]);
  });
});

describe("the planner", () => {
  it("imagines nothing for rows that are not asked for, and leaves them standing", async () => {
    const batches: number[] = [];
    const body = zeros("float32", [4, 2]);
    const planner = makePlanner({
      model: makeCart(batches),
      objective: goalDistance({ latentOf: bodyOf, goals: standing([-3, 3, -3, 3]), growth: 1 }),
      state: () => ({ body }),
      config: { ...config, samples: 16 },
      seed: 0,
    });
    const { actions } = await planner.act(body, flags([1, 1, 1, 1]), { running: flags([0, 0, 0, 1]) });
    expect(new Set(batches)).toEqual(new Set([16]));
    expect(actions.data.slice(0, 3)).toEqual(Float32Array.of(0, 0, 0));
    expect(actions.data[3]).toBeGreaterThan(0.5);
  });

  it("refuses to follow a plan beyond its end, and a policy that there is not", () => {
    const parts = { model: makeCart(), objective: forwards, state: () => ({}), seed: 0 };
    expect(() => makePlanner({ ...parts, config: { ...config, replanEvery: 5 } })).toThrow(/beyond its end/);
    expect(() => makePlanner({ ...parts, config: { ...config, policySamples: 1 } })).toThrow(
      /follow a policy/,
    );
  });
});
