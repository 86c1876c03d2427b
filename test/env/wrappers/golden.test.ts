/** @file Wrappers of single environments against recorded Gymnasium: spaces, observations, rewards and ends. */

import { expect, test } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { float32, isNdArray } from "../../../src/core/ndarray.ts";
import type { Env } from "../../../src/env/env.ts";
import { Registry } from "../../../src/env/registry.ts";
import { wrappers as W } from "../../../src/env/wrappers/wrappers.ts";
import { envs } from "../../../src/sim/classic/envs.ts";
import { float64s } from "../../sim/classic/golden.ts";
import { golden } from "../golden.ts";
import { ImageEnv } from "../image-env.ts";

const registry = new Registry(envs);
type Pixels = Env<NdArray<"float32">, number>;
const cartPole = () => registry.make("CartPole-v1") as Pixels;
const mountainCar = () => registry.make("MountainCar-v0") as Pixels;
const pendulum = () => registry.make("Pendulum-v1") as Env<NdArray<"float32">, NdArray<"float32">>;
const image = () => new ImageEnv();

const steps = (count: number) => Array.from({ length: count }, (_, t) => t);
const left = steps(40).map((t) => (7 * t + 3 + Math.floor(t / 5)) % 2);
const wide = steps(40).map((t) => float32([2.5 * Math.sin(0.3 * t)]));
const unit = steps(40).map((t) => float32([0.9 * Math.sin(0.3 * t)]));
const five = steps(40).map((t) => (3 * t + Math.floor(t / 7)) % 5);
const three = steps(16).map((t) => t % 3);

/** name → environment, actions, tolerance of observations and rewards (0: equal). */
const cases: Record<string, readonly [Env, readonly unknown[], number?]> = {
  TimeLimit: [W.TimeLimit(cartPole(), 5), left],
  NormalizeObservation: [W.NormalizeObservation(cartPole()), left, 2e-6],
  NormalizeReward: [W.NormalizeReward(pendulum()), wide, 1e-12],
  RescaleObservation: [W.RescaleObservation(mountainCar(), { minObs: 0, maxObs: 1 }), three, 1e-7],
  RescaleAction: [W.RescaleAction(pendulum()), unit],
  ClipAction: [W.ClipAction(pendulum()), wide],
  DiscretizeAction: [W.DiscretizeAction(pendulum(), { bins: 5 }), five, 1e-6],
  DiscretizeObservation: [W.DiscretizeObservation(mountainCar(), { bins: [4, 7] }), three],
  "DiscretizeObservation multi": [
    W.DiscretizeObservation(mountainCar(), { bins: [4, 7], multidiscrete: true }),
    three,
  ],
  ClipReward: [W.ClipReward(pendulum(), { minReward: -3, maxReward: -1 }), wide],
  "FrameStackObservation reset": [W.FrameStackObservation(cartPole(), { stackSize: 3 }), left],
  "FrameStackObservation zero": [
    W.FrameStackObservation(cartPole(), { stackSize: 3, paddingType: "zero" }),
    left,
  ],
  DelayObservation: [W.DelayObservation(cartPole(), { delay: 2 }), left],
  TimeAwareObservation: [W.TimeAwareObservation(cartPole()), left],
  "TimeAwareObservation normalized": [
    W.TimeAwareObservation(cartPole(), { flatten: false, normalizeTime: true }),
    left,
  ],
  RepeatAction: [W.RepeatAction(image(), { numRepeats: 3 }), three],
  MaxAndSkipObservation: [W.MaxAndSkipObservation(W.TimeLimit(image(), 8), { skip: 2 }), three.slice(0, 3)],
  GrayscaleObservation: [W.GrayscaleObservation(image()), three],
  "GrayscaleObservation keepDim": [W.GrayscaleObservation(image(), { keepDim: true }), three],
  ReshapeObservation: [W.ReshapeObservation(image(), { shape: [8, 9] }), three],
  FlattenObservation: [W.FlattenObservation(image()), three],
  DtypeObservation: [W.DtypeObservation(image(), { dtype: "float64" }), three],
};

/** Observations as one row of numbers, Dict entries in the order of their names. */
function flat(observation: unknown): number[] {
  if (typeof observation === "number") return [observation];
  if (isNdArray(observation)) return Array.from(observation.data as ArrayLike<number>, Number);
  const record = observation as Record<string, unknown>;
  return Object.keys(record)
    .toSorted()
    .flatMap((key) => flat(record[key]));
}

function run(env: Env, actions: readonly unknown[]) {
  const observations = flat(env.reset({ seed: 3 }).observation);
  const rewards: number[] = [];
  const terminations: number[] = [];
  const truncations: number[] = [];
  for (const action of actions) {
    const result = env.step(action);
    observations.push(...flat(result.observation));
    rewards.push(result.reward);
    terminations.push(Number(result.terminated));
    truncations.push(Number(result.truncated));
    if (result.terminated || result.truncated) observations.push(...flat(env.reset().observation));
  }
  return { observations, rewards, terminations, truncations };
}

function expectClose(actual: readonly number[], expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const worst = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
  expect(worst).toBeLessThanOrEqual(tolerance);
}

test.each(Object.entries(cases))(
  "%s gives Gymnasium's numbers and spaces",
  (name, [env, actions, tolerance]) => {
    const recorded = golden.wrappers[name];
    expect(String(env.observationSpace)).toBe(recorded.space);
    expect(String(env.actionSpace)).toBe(recorded.actionSpace);
    const result = run(env, actions);
    expect(result.terminations).toEqual(recorded.terminations);
    expect(result.truncations).toEqual(recorded.truncations);
    expectClose(result.observations, float64s(recorded.observations), tolerance ?? 0);
    expectClose(result.rewards, float64s(recorded.rewards), tolerance ?? 1e-12);
  },
);

test("every recorded wrapper is compared", () => {
  expect(Object.keys(cases).toSorted()).toEqual(Object.keys(golden.wrappers).toSorted());
});
