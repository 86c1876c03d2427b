/** @file Optimizers against arithmetic done by hand, and the training step around them. */

import { describe, expect, it } from "vitest";
import { jit, tf, type Tensor } from "../../src/engine/jit.ts";
import { float32, scalar, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import {
  initOptimizer,
  updateParams,
  type OptimizerConfig,
  type OptimizerState,
} from "../../src/nn/optimizers.ts";
import { learningRateAt } from "../../src/nn/schedules.ts";
import { makeTrainStep, weightsOf } from "../../src/nn/trainer.ts";

type Params<T> = { weight: T; bias: T };

function updateWith(config: OptimizerConfig) {
  type In = {
    params: Params<Tensor>;
    grads: Params<Tensor>;
    state: OptimizerState<Tensor>;
    learningRate: Tensor;
  };
  const update = jit((input: In) => updateParams({ ...input, config }));
  return (params: Params<NdArray>, grads: Params<NdArray>, state: OptimizerState<NdArray>, rate: number) =>
    update({
      params,
      grads,
      state,
      learningRate: scalar(rate),
    }) as unknown as Promise<{
      params: Params<NdArray>;
      state: OptimizerState<NdArray>;
    }>;
}

const params = { weight: float32([1, -2, 3, 4, 5, 6], [2, 3]), bias: float32([0.5, -0.5]) };
const grads = { weight: float32([0.1, 0.2, -0.3, 0.4, 0.5, -0.6], [2, 3]), bias: float32([1, -2]) };

describe("AdamW", () => {
  it("takes the steps of its definition, bias correction and decoupled decay included", async () => {
    const config: OptimizerConfig = {
      kind: "adamw",
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      weightDecay: 0.1,
    };
    const update = updateWith(config);
    let state = initOptimizer(params, config);
    let now: Params<NdArray> = params;
    let [value, m, v] = [0.5, 0, 0];
    for (let step = 1; step <= 3; step++) {
      const out = await update(now, grads, state, 0.01);
      [now, state] = [out.params, out.state];
      [m, v] = [0.9 * m + 0.1 * 1, 0.99 * v + 0.01 * 1];
      value -= 0.01 * (m / (1 - 0.9 ** step) / (Math.sqrt(v / (1 - 0.99 ** step)) + 1e-8) + 0.1 * value);
      expect(Number(now.bias.data[0])).toBeCloseTo(value, 5);
    }
    expect(state.count.data[0]).toBe(3);
  });

  it("clips the joint norm of all gradients", async () => {
    const config: OptimizerConfig = { kind: "adamw", clipNorm: 0.1 };
    const { state } = await updateWith(config)(params, grads, initOptimizer(params, config), 0.01);
    const norm = Math.hypot(...[...state.first.data].map((value) => Number(value) / 0.1));
    expect(norm).toBeCloseTo(0.1, 4);
  });
});

describe("Muon", () => {
  it("moves a matrix by a nearly orthogonal step of the stated size, whatever the gradient's scale", async () => {
    const config: OptimizerConfig = { kind: "muon" };
    const big = {
      ...grads,
      weight: float32(
        [...grads.weight.data].map((g) => Number(g) * 1000),
        [2, 3],
      ),
    };
    for (const used of [grads, big]) {
      const out = await updateWith(config)(params, used, initOptimizer(params, config), 0.1);
      const step = [...out.params.weight.data].map(
        (value, i) => (Number(params.weight.data[i]) - Number(value)) / 0.1,
      );
      const scale = 0.2 * Math.sqrt(3);
      const rows = [step.slice(0, 3), step.slice(3)].map((row) => row.map((value) => value / scale));
      const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i], 0);
      expect(Math.abs(dot(rows[0], rows[1]))).toBeLessThan(0.25);
      for (const row of rows) expect(dot(row, row)).toBeGreaterThan(0.4);
      for (const row of rows) expect(dot(row, row)).toBeLessThan(1.6);
    }
  });
});

describe("a training step", () => {
  type Model<T> = { slope: T; offset: T };
  type Batch<T> = { x: T; y: T };
  const makeLine = (averageDecay: number) =>
    makeTrainStep<Model<Tensor>, Batch<Tensor>>({
      name: "line",
      loss: (p, { x, y }) => ({ loss: tf.mean(tf.square(tf.sub(tf.add(tf.mul(x, p.slope), p.offset), y))) }),
      optimizer: { kind: "adamw" },
      averageDecay,
    });
  const start = { slope: float32([0]), offset: float32([0]) };

  it("fits a line, and its moving average lags behind", async () => {
    const line = makeLine(0.99);
    let state = line.init(start);
    const x = zeros("float32", [32]);
    const rng = Rng.fromSeed(0);
    for (let i = 0; i < 300; i++) {
      rng.fillNormal(x.data);
      const y = float32([...x.data].map((value) => 2 * value - 1));
      ({ state } = await line.step(state, { x, y }, 0.05));
    }
    expect(Number(state.params.slope.data[0])).toBeCloseTo(2, 2);
    expect(Math.abs(Number(weightsOf(state).slope.data[0]) - 2)).toBeLessThan(0.3);
    await line.dispose();
  });

  it("names the metric and the step when a loss is not finite, and leaves the first weights untouched", async () => {
    const line = makeLine(0);
    const state = line.init(start);
    const batch = { x: float32([NaN]), y: float32([0]) };
    await expect(line.step(state, batch as never, 0.1)).rejects.toThrow(/NOT_FINITE.*line.*"loss".*step 1/);
    expect(start.slope.data[0]).toBe(0);
    await line.dispose();
  });
});

describe("the schedule", () => {
  it("warms up, holds, and decays to zero", () => {
    const config = { peak: 1, warmupSteps: 10, totalSteps: 100, decayFraction: 0.5 };
    expect(learningRateAt(config, 0)).toBeCloseTo(0.1);
    expect(learningRateAt(config, 30)).toBe(1);
    expect(learningRateAt(config, 75)).toBeCloseTo(0.5);
    expect(learningRateAt(config, 99)).toBeCloseTo(0.02);
  });
});
