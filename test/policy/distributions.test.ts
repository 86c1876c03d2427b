/** @file The squashed Gaussian: its density is one, its samples follow it, and its derivatives are those of differences. */

import { describe, expect, it } from "vitest";
import { jit, tf, type Tensor } from "../../src/engine/jit.ts";
import { float32, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import {
  gaussianEntropy,
  logProbability,
  sampleAction,
  type TanhGaussian,
} from "../../src/policy/distributions.ts";
import { initActorCritic, makeActorCritic } from "../../src/policy/networks.ts";

type Floats = NdArray<"float32">;
type Inputs<T> = { mean: T; logStd: T; actions: T };

const density = jit(({ mean, logStd, actions }: Inputs<Tensor>) => ({
  log: logProbability({ mean, logStd }, actions),
}));
const logDensity = async (input: Inputs<Floats>): Promise<Float32Array> =>
  ((await density(input)) as unknown as { log: Floats }).log.data;

/** `count` rows of one mean and `count` actions in (-1, 1) at the middles of equal cells. */
function grid(count: number, mean: number, logStd: number): Inputs<Floats> {
  const means = zeros("float32", [count, 1]);
  means.data.fill(mean);
  const actions = zeros("float32", [count, 1]);
  actions.data.forEach((_, i) => (actions.data[i] = ((i + 0.5) / count) * 2 - 1));
  return { mean: means, logStd: float32([logStd]), actions };
}

const cases: [number, number][] = [
  [0, -1],
  [0.8, -0.5],
  [-1.2, -1.6],
  [0.3, 0],
];

describe.each(cases)("a squashed Gaussian of mean %f and log deviation %f", (mean, logStd) => {
  it("has a density that adds up to one", async () => {
    const count = 20_000;
    const logs = await logDensity(grid(count, mean, logStd));
    const total = logs.reduce((sum, log) => sum + (Math.exp(log) * 2) / count, 0);
    expect(total).toBeGreaterThan(0.995);
    expect(total).toBeLessThan(1.005);
  });

  it("is sampled as its density says", async () => {
    const count = 8000;
    const draw = jit(({ m, s, noise }: { m: Tensor; s: Tensor; noise: Tensor }) => ({
      actions: sampleAction({ mean: m, logStd: s }, noise),
    }));
    const noise = zeros("float32", [count, 1]);
    Rng.fromSeed(7).fillNormal(noise.data);
    const { mean: m } = grid(count, mean, logStd);
    const out = (await draw({ m, s: float32([logStd]), noise })) as unknown as { actions: Floats };
    const logs = await logDensity(grid(count, mean, logStd));
    for (const limit of [-0.5, 0, 0.5]) {
      const share = out.actions.data.filter((a) => a < limit).length / count;
      let expected = 0;
      logs.forEach(
        (log, i) => (expected += (i + 0.5) / count < (limit + 1) / 2 ? (Math.exp(log) * 2) / count : 0),
      );
      expect(Math.abs(share - expected)).toBeLessThan(0.02);
    }
  });
});

describe("log densities", () => {
  it("of several dimensions are sums, under shared or separate deviations", async () => {
    const one = async (mean: number, logStd: number, action: number): Promise<number> =>
      (
        await logDensity({
          mean: float32([mean], [1, 1]),
          logStd: float32([logStd]),
          actions: float32([action], [1, 1]),
        })
      )[0];
    const expected = (await one(0.2, -1, 0.5)) + (await one(-0.4, -0.3, -0.7));
    const both = { mean: float32([0.2, -0.4], [1, 2]), actions: float32([0.5, -0.7], [1, 2]) };
    expect((await logDensity({ ...both, logStd: float32([-1, -0.3]) }))[0]).toBeCloseTo(expected, 5);
    expect((await logDensity({ ...both, logStd: float32([-1, -0.3], [1, 2]) }))[0]).toBeCloseTo(expected, 5);
  });

  it("have the derivatives that differences give", async () => {
    const gradients = jit(({ mean, logStd, actions }: Inputs<Tensor>) => {
      const sum = (m: Tensor, s: Tensor): Tensor => tf.sum(logProbability({ mean: m, logStd: s }, actions));
      const [byMean, byLogStd] = tf.grads(sum)([mean, logStd]);
      return { byMean, byLogStd };
    });
    const at = (mean: number, logStd: number): Inputs<Floats> => ({
      mean: float32([mean], [1, 1]),
      logStd: float32([logStd]),
      actions: float32([0.6], [1, 1]),
    });
    const out = (await gradients(at(0.4, -0.7))) as unknown as Record<string, Floats>;
    const step = 1e-2;
    const slope = async (high: Inputs<Floats>, low: Inputs<Floats>): Promise<number> =>
      ((await logDensity(high))[0] - (await logDensity(low))[0]) / (2 * step);
    expect(out.byMean.data[0]).toBeCloseTo(await slope(at(0.4 + step, -0.7), at(0.4 - step, -0.7)), 2);
    expect(out.byLogStd.data[0]).toBeCloseTo(await slope(at(0.4, -0.7 + step), at(0.4, -0.7 - step)), 2);
  });

  it("stay finite at the edge of the actions", async () => {
    for (const action of [-1, 1]) {
      const [log] = await logDensity({
        mean: float32([3], [1, 1]),
        logStd: float32([-4]),
        actions: float32([action], [1, 1]),
      });
      expect(Number.isFinite(log)).toBe(true);
    }
  });
});

it("the entropy is the Gaussian's, summed over dimensions", async () => {
  const entropy = jit((d: TanhGaussian) => ({ value: gaussianEntropy(d) }));
  const input = { mean: float32([0, 0], [1, 2]), logStd: float32([-1, 0.5]) };
  const out = (await entropy(input)) as unknown as { value: Floats };
  expect(out.value.data[0]).toBeCloseTo(-0.5 + Math.log(2 * Math.PI * Math.E), 5);
});

describe("an actor-critic", () => {
  const config = { observationSize: 3, actionSize: 2, hidden: [8], initialLogStd: -0.5, valueScale: 4 };
  const params = initActorCritic(Rng.fromSeed(1), config);
  const policy = makeActorCritic(config, params);
  const observations = zeros("float32", [5, 3]);
  Rng.fromSeed(2).fillNormal(observations.data);
  const begins = zeros("bool", [5]);

  it("reports the log density of the very actions that it samples", async () => {
    const { actions, logProbabilities } = await policy.act(observations, begins, { rng: Rng.fromSeed(3) });
    const { actions: means } = await policy.act(observations, begins, { deterministic: true });
    const mean = { ...means, data: means.data.map((a) => Math.atanh(a)) };
    const expected = await logDensity({ mean, logStd: params.logStd as Floats, actions });
    logProbabilities?.data.forEach((log, i) => expect(log).toBeCloseTo(expected[i], 3));
  });

  it("acts alike for equal generators, differently for others, and asks for one", async () => {
    const act = (seed: number) => policy.act(observations, begins, { rng: Rng.fromSeed(seed) });
    expect(await act(3)).toEqual(await act(3));
    expect((await act(3)).actions).not.toEqual((await act(4)).actions);
    await expect(policy.act(observations, begins)).rejects.toThrow(/INVALID_ARGUMENT.*generator/);
  });

  it("is cloned with weights of its own", async () => {
    const frozen = policy.clone();
    const before = await frozen.act(observations, begins, { deterministic: true });
    const kept = structuredClone(before);
    const last = Object.values(policy.params().actor)[1];
    last.bias.data[0] = 1.5;
    expect(await frozen.act(observations, begins, { deterministic: true })).toEqual(kept);
    expect((await policy.act(observations, begins, { deterministic: true })).actions).not.toEqual(
      kept.actions,
    );
  });
});
