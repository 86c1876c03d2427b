/** @file Alignment of actions, rewards and ends in the rollout loop, the returns, PPO, the dream and the planner. */

import { describe, expect, it } from "vitest";
import { Rng } from "../../src/core/rng.ts";
import { withAutoreset } from "../../src/env/autoreset.ts";
import { makeImaginedEnv } from "../../src/env/imagined.ts";
import type { VectorEnv } from "../../src/env/env.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { zeros } from "../../src/core/ndarray.ts";
import { evaluatePolicy, summarize } from "../../src/policy/evaluate.ts";
import { initActorCritic, makeActorCritic, type ActorCritic } from "../../src/policy/networks.ts";
import { imaginedReturn } from "../../src/policy/objective.ts";
import { makePlanner } from "../../src/policy/planner.ts";
import { makePpo, type PpoConfig } from "../../src/policy/ppo.ts";
import { generalizedAdvantages } from "../../src/policy/returns.ts";
import { beginRollout, collectRollout, type Rollout } from "../../src/policy/rollout.ts";
import { makeCounterEnv, makeCounterModel, zeroContexts } from "./counter.ts";

type FeatureEnv = VectorEnv<NdArray<"float32">, NdArray<"float32">>;

const config = { observationSize: 2, actionSize: 1, hidden: [16], initialLogStd: -1, valueScale: 1 };
const makePolicy = (seed = 0): ActorCritic =>
  makeActorCritic(config, initActorCritic(Rng.fromSeed(seed), config));

const dream = (
  length: number,
  options: { horizon?: number; probability?: number; soft?: boolean } = {},
): FeatureEnv =>
  withAutoreset(
    makeImaginedEnv({
      model: makeCounterModel(length, options.probability),
      contexts: zeroContexts,
      numEnvs: 16,
      horizon: options.horizon ?? 100,
      termination: options.soft ? "soft" : "sampled",
      seed: 1,
    }),
    "same-step",
  );

const real = (length: number, limit?: number): FeatureEnv =>
  withAutoreset(makeCounterEnv({ numEnvs: 16, length, limit }), "same-step");

async function roll(env: FeatureEnv, steps: number, policy = makePolicy()): Promise<Rollout> {
  const cursor = await beginRollout(env, 3);
  return collectRollout({ env, policy, steps, rng: Rng.fromSeed(5), cursor });
}

describe.each([
  ["a simulator", () => real(3)],
  ["a dream", () => dream(3)],
])("the rollout loop in %s", (_name, make) => {
  it("stores each action beside the observation it was taken in, and the reward beside the action that earned it", async () => {
    const { rows, observations, actions, rewards, ends, continues } = await roll(make(), 9);
    for (let t = 0; t < 9; t++) {
      for (let i = 0; i < rows; i++) {
        const at = t * rows + i;
        const [count, step] = observations.data.subarray(2 * at, 2 * at + 2);
        expect(step).toBe(t % 3);
        const after = count + actions.data[at];
        if (t % 3 === 2) {
          expect(rewards[at]).toBeCloseTo(after, 5);
          expect([ends[at], continues[at]]).toEqual([1, 0]);
          if (t + 1 < 9) expect(observations.data[2 * (at + rows)]).toBe(0);
        } else {
          expect(rewards[at]).toBe(0);
          expect([ends[at], continues[at]]).toEqual([0, 1]);
          expect(observations.data[2 * (at + rows)]).toBeCloseTo(after, 5);
        }
      }
    }
  });
});

describe("bootstrapping", () => {
  it("uses the last observation's own value at a truncation, not the next episode's first", async () => {
    const policy = makePolicy(4);
    const { rows, observations, actions, nextValues, ends, continues } = await roll(real(100, 2), 2, policy);
    const last = zeros("float32", [rows, 2]);
    for (let i = 0; i < rows; i++) {
      const at = rows + i;
      last.data.set([observations.data[2 * at] + actions.data[at], 2], 2 * i);
      expect([ends[at], continues[at]]).toEqual([1, 1]);
    }
    const values = (await policy.values(last)).data;
    for (let i = 0; i < rows; i++) expect(nextValues[rows + i]).toBeCloseTo(values[i], 5);
  });

  const handmade = (over: Partial<Rollout>): Rollout => ({
    steps: 3,
    rows: 1,
    observations: zeros("float32", [3, 1]),
    actions: zeros("float32", [3, 1]),
    logProbabilities: new Float32Array(3),
    values: Float32Array.of(1, 2, 3),
    rewards: Float32Array.of(10, 20, 30),
    continues: Float32Array.of(1, 1, 1),
    ends: Uint8Array.of(0, 0, 0),
    nextValues: Float32Array.of(2, 3, 4),
    weights: Float32Array.of(1, 1, 1),
    ...over,
  });

  it("gives the advantages of the definition", () => {
    const { advantages, returns } = generalizedAdvantages(handmade({}), 0.5, 0.5);
    const d2 = 30 + 0.5 * 4 - 3;
    const d1 = 20 + 0.5 * 3 - 2 + 0.25 * d2;
    const d0 = 10 + 0.5 * 2 - 1 + 0.25 * d1;
    expect([...advantages]).toEqual([d0, d1, d2]);
    expect(returns[0]).toBe(d0 + 1);
  });

  it("counts nothing after a termination and cuts, but bootstraps, at a truncation", () => {
    const terminated = handmade({ ends: Uint8Array.of(0, 1, 0), continues: Float32Array.of(1, 0, 1) });
    expect(generalizedAdvantages(terminated, 0.5, 0.5).advantages[1]).toBe(20 - 2);
    const truncated = handmade({ ends: Uint8Array.of(0, 1, 0) });
    expect(generalizedAdvantages(truncated, 0.5, 0.5).advantages[1]).toBe(20 + 0.5 * 3 - 2);
  });
});

describe("a soft dream", () => {
  it("never ends before its horizon, discounts by the predicted probability, and weighs rows by their survival", async () => {
    const rollout = await roll(dream(100, { horizon: 4, probability: 0.25, soft: true }), 8);
    const { rows } = rollout;
    for (let t = 0; t < 8; t++) {
      expect(rollout.continues[t * rows]).toBeCloseTo(0.75, 6);
      expect(rollout.ends[t * rows]).toBe(t % 4 === 3 ? 1 : 0);
      expect(rollout.weights[t * rows]).toBeCloseTo(0.75 ** (t % 4), 6);
    }
  });
});

describe("a sampled dream", () => {
  it("contains terminal states as often as the model predicts them", async () => {
    const { ends, continues } = await roll(dream(1000, { horizon: 1000, probability: 0.25 }), 200);
    const share = continues.filter((value) => value === 0).length / continues.length;
    expect(share).toBeGreaterThan(0.22);
    expect(share).toBeLessThan(0.28);
    expect(ends.filter((value) => value === 1).length / ends.length).toBeCloseTo(share, 6);
    expect(new Set(continues)).toEqual(new Set([0, 1]));
  });
});

const ppo: PpoConfig = {
  discount: 0.95,
  gaeLambda: 0.95,
  clip: 0.2,
  epochs: 4,
  criticEpochs: 4,
  criticRate: 1,
  minibatches: 2,
  entropyCoefficient: 0,
  anchorCoefficient: 0,
  clipNorm: 1,
  klLimit: 0.1,
};

async function learn(env: FeatureEnv, anchor?: { share: number }): Promise<number> {
  const policy = makePolicy(2);
  const learner = anchor
    ? makePpo(policy, { ...ppo, anchorCoefficient: 50 }, makePolicy(2))
    : makePpo(policy, ppo);
  const rng = Rng.fromSeed(6);
  const cursor = await beginRollout(env, 1);
  for (let i = 0; i < 40; i++) {
    const rollout = await collectRollout({ env, policy, steps: 15, rng, cursor });
    await learner.update(rollout, { learningRate: 0.01, rng, anchorShare: anchor?.share });
  }
  const judged = makeCounterEnv({ numEnvs: 4, length: 3 });
  return summarize(await evaluatePolicy({ env: judged, policy, seed: 0 })).mean;
}

describe("PPO", () => {
  it("learns in the simulator to count up: 3 is the most there is, 0 what it starts with", async () => {
    expect(await learn(real(3))).toBeGreaterThan(2.7);
  });

  it("stays where its anchor holds it, and leaves when the anchor lets go", async () => {
    expect(await learn(real(3), { share: 1 })).toBeLessThan(1);
    expect(await learn(real(3), { share: 0 })).toBeGreaterThan(2.7);
  });

  it("learns the same in the dream alone", async () => {
    expect(await learn(dream(3))).toBeGreaterThan(2.7);
  });

  it("learns the same in a soft dream, where no episode ends before its horizon", async () => {
    expect(await learn(dream(3, { horizon: 3, soft: true }))).toBeGreaterThan(2.7);
  });

  it("leaves the actor bit-equal when only the critic is to move", async () => {
    const policy = makePolicy(2);
    const learner = makePpo(policy, ppo);
    const before = structuredClone(policy.params());
    const rollout = await roll(real(3), 6, policy);
    await learner.update(rollout, { learningRate: 0.01, rng: Rng.fromSeed(0), criticOnly: true });
    expect(policy.params().actor).toEqual(before.actor);
    expect(policy.params().logStd).toEqual(before.logStd);
    expect(policy.params().critic).not.toEqual(before.critic);
  });
});

describe("the planner", () => {
  it("finds the best actions in the model without any training", async () => {
    const model = makeCounterModel(3);
    const policy = makePolicy();
    const env = makeCounterEnv({ numEnvs: 2, length: 3 });
    let step = 0;
    const planner = makePlanner({
      model,
      policy,
      objective: imaginedReturn(model, policy, { discount: 1, uncertaintyPenalty: 0, terminationReward: 0 }),
      seed: 0,
      state: () => ({
        count: zeros("float32", [2, 1]),
        step: { dtype: "float32", shape: [2, 1], data: Float32Array.of(step, step) },
      }),
      config: {
        horizon: 3,
        samples: 64,
        policySamples: 4,
        iterations: 4,
        temperature: 0.1,
        initialStd: 0.7,
        minStd: 0.05,
        replanEvery: 1,
      },
    });
    const scores = await evaluatePolicy({ env, policy: planner, seed: 0, onStep: () => void step++ });
    expect(summarize(scores).mean).toBeGreaterThan(2.5);
  });
});
