/** @file Cloning: it imitates what it is shown, moves the actor alone, and goes on from its saved state to the bit. */

import { describe, expect, it } from "vitest";
import { zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { copyTree } from "../../src/nn/tree.ts";
import { makeCloner, type CloningBatch } from "../../src/policy/cloning.ts";
import { summarize } from "../../src/policy/evaluate.ts";
import { initActorCritic, makeActorCritic, type ActorCritic } from "../../src/policy/networks.ts";
import { normalizeAdvantages } from "../../src/policy/returns.ts";

const config = { observationSize: 2, actionSize: 1, hidden: [16], initialLogStd: -1, valueScale: 1 };
const newPolicy = (): ActorCritic => makeActorCritic(config, initActorCritic(Rng.fromSeed(1), config));

/** The teacher steers by half the difference of the two features. */
function lessons(count: number, seed: number): CloningBatch<NdArray<"float32">> {
  const observations = zeros("float32", [count, 2]);
  Rng.fromSeed(seed).fillUniform(observations.data);
  const actions = zeros("float32", [count, 1]);
  for (let i = 0; i < count; i++)
    actions.data[i] = (observations.data[2 * i] - observations.data[2 * i + 1]) / 2;
  return { observations, actions };
}

async function errorOf(policy: ActorCritic): Promise<number> {
  const { observations, actions } = lessons(64, 99);
  const decision = await policy.act(observations, zeros("bool", [64]), { deterministic: true });
  return decision.actions.data.reduce((sum, a, i) => sum + Math.abs(a - Number(actions.data[i])) / 64, 0);
}

describe("a cloner", () => {
  it("brings the policy's mean action to the teacher's, and moves neither critic nor deviation", async () => {
    const policy = newPolicy();
    const before = structuredClone(policy.params());
    const start = await errorOf(policy);
    const cloner = makeCloner(policy, { weightDecay: 0 });
    for (let i = 0; i < 150; i++) await cloner.step(lessons(64, i), 0.01);
    expect(start).toBeGreaterThan(0.12);
    expect(await errorOf(policy)).toBeLessThan(0.02);
    expect(policy.params().critic).toEqual(before.critic);
    expect(policy.params().logStd).toEqual(before.logStd);
  });

  it("goes on from a saved state as if it had never stopped", async () => {
    const run = async (stopAt: number): Promise<unknown> => {
      let cloner = makeCloner(newPolicy(), { weightDecay: 0.01 });
      for (let i = 0; i < 6; i++) {
        if (i === stopAt) {
          const saved = copyTree(cloner.state());
          cloner = makeCloner(newPolicy(), { weightDecay: 0.01 });
          cloner.load(saved);
        }
        await cloner.step(lessons(16, i), 0.01);
      }
      return cloner.state();
    };
    expect(await run(3)).toEqual(await run(-1));
  });
});

describe("a summary of scores", () => {
  it("is the mean, its standard error, and the share that ended badly", () => {
    const score = (value: number, terminated: boolean) => ({
      return: value,
      length: 10,
      terminated,
      truncated: !terminated,
    });
    const summary = summarize([score(1, true), score(2, false), score(6, false)]);
    expect(summary.mean).toBe(3);
    expect(summary.standardError).toBeCloseTo(Math.sqrt(7 / 3), 9);
    expect(summary.terminatedRate).toBeCloseTo(1 / 3, 9);
    expect(summary.meanLength).toBe(10);
  });
});

describe("normalized advantages", () => {
  it("have mean zero and deviation one by their weights, and rows of no weight do not count", () => {
    const advantages = Float32Array.of(1, 3, 5, 1000);
    normalizeAdvantages(advantages, Float32Array.of(1, 1, 1, 0));
    const [a, b, c] = advantages;
    expect(a + b + c).toBeCloseTo(0, 5);
    expect((a * a + b * b + c * c) / 3).toBeCloseTo(1, 4);
  });
});
