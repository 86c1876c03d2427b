/** @file Classic control beyond the recorded traces: reset options, arguments, refused actions, pictures, batches. */

import { describe, expect, test } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { float32, ndarray } from "../../../src/core/ndarray.ts";
import type { Env } from "../../../src/env/env.ts";
import { Registry } from "../../../src/env/registry.ts";
import type { CartPoleVectorEnv } from "../../../src/sim/classic/cart-pole-vector.ts";
import { makeCartPole } from "../../../src/sim/classic/cart-pole.ts";
import { envs } from "../../../src/sim/classic/envs.ts";

type Vector = NdArray<"float32">;
const registry = new Registry(envs);
const make = (id: string, kwargs = {}) => registry.make(id, kwargs) as Env<Vector, unknown>;
const spread = (id: string, options: Record<string, unknown>) => {
  const env = make(id);
  const firsts = Array.from({ length: 50 }, (_, seed) => env.reset({ seed, options }).observation.data[0]);
  return [Math.min(...firsts), Math.max(...firsts)];
};

describe("reset options", () => {
  test.each(["CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0"])(
    "%s starts between low and high",
    (id) => {
      const [least, most] = spread(id, { low: 0.2, high: 0.3 });
      expect(least).toBeGreaterThanOrEqual(Math.fround(0.2));
      expect(most).toBeLessThanOrEqual(Math.fround(0.3));
      expect(most - least).toBeGreaterThan(0.05);
    },
  );

  test("Pendulum starts within x_init and y_init", () => {
    const env = make("Pendulum-v1");
    for (let seed = 0; seed < 20; seed++) {
      const { observation } = env.reset({ seed, options: { x_init: 0.1, y_init: 0.01 } });
      expect(observation.data[0]).toBeGreaterThan(Math.cos(0.11));
      expect(Math.abs(observation.data[2])).toBeLessThan(0.011);
    }
  });

  test("wrong ones are refused with what was expected", () => {
    expect(() => make("CartPole-v1").reset({ options: { low: 1, high: 0 } })).toThrow(/low ≤ high/);
    expect(() => make("Acrobot-v1").reset({ options: { low: "x" } })).toThrow(/"low" is not a number/);
  });
});

describe("arguments", () => {
  test("CartPole's Sutton-Barto reward is 0, and -1 at the end", () => {
    const env = makeCartPole({ suttonBartoReward: true });
    env.reset({ seed: 1 });
    const rewards: number[] = [];
    for (let result = env.step(1); ; result = env.step(1)) {
      rewards.push(result.reward);
      if (result.terminated) break;
    }
    expect(new Set(rewards.slice(0, -1))).toEqual(new Set([0]));
    expect(rewards.at(-1)).toBe(-1);
  });

  test("steps after CartPole's end earn nothing", () => {
    const env = makeCartPole();
    env.reset({ seed: 1 });
    while (!env.step(1).terminated);
    expect(env.step(1)).toMatchObject({ reward: 0, terminated: true });
  });

  test("Pendulum's gravity, the mountain cars' goal velocity and Acrobot's dynamics change the course", () => {
    const run = (id: string, kwargs: object, action: unknown) => {
      const env = make(id, kwargs);
      env.reset({ seed: 3 });
      return Array.from({ length: 150 }, () => env.step(action)).map((r) => [
        ...r.observation.data,
        r.terminated,
      ]);
    };
    const push = float32([0.9]);
    expect(run("Pendulum-v1", { g: 1 }, push)).not.toEqual(run("Pendulum-v1", {}, push));
    expect(run("Acrobot-v1", { bookOrNips: "nips" }, 2)).not.toEqual(run("Acrobot-v1", {}, 2));
    const rock = (goalVelocity: number) => {
      const env = make("MountainCar-v0", { goalVelocity });
      let velocity = env.reset({ seed: 0 }).observation.data[1];
      return Array.from({ length: 150 }, () => {
        const result = env.step(velocity >= 0 ? 2 : 0);
        velocity = result.observation.data[1];
        return result.terminated;
      }).includes(true);
    };
    expect([rock(0), rock(0.08)]).toEqual([true, false]);
  });

  test("a render mode that is not there is refused", () => {
    expect(() => make("CartPole-v1", { renderMode: "human" })).toThrow(/NOT_SUPPORTED.*render mode "human"/);
  });
});

describe("actions", () => {
  test.each([
    ["CartPole-v1", 2],
    ["CartPole-v1", 0.5],
    ["MountainCar-v0", 3],
    ["Acrobot-v1", -1],
  ])("%s refuses %s", (id, action) => {
    const env = make(id);
    env.reset({ seed: 0 });
    expect(() => env.step(action)).toThrow(/INVALID_ARGUMENT.*does not belong to the action space/);
  });

  test.each(["Pendulum-v1", "MountainCarContinuous-v0"])(
    "%s refuses NaN and actions of two numbers",
    (id) => {
      const env = make(id);
      env.reset({ seed: 0 });
      expect(() => env.step(float32([NaN]))).toThrow(/NOT_FINITE/);
      expect(() => env.step(float32([1, 2]))).toThrow(/INVALID_SHAPE/);
    },
  );

  test("the batched CartPole refuses a wrong number of actions, a wrong one, a list of seeds", async () => {
    const env = (await registry.makeVec("CartPole-v1", { numEnvs: 2 }))
      .primitive as unknown as CartPoleVectorEnv;
    expect(() => env.resetSync({ seed: [1, 2] })).toThrow(/NOT_SUPPORTED.*one generator/s);
    env.resetSync({ seed: 0 });
    expect(() => env.stepSync(ndarray("int32", [1], Int32Array.of(0)))).toThrow(/INVALID_SHAPE/);
    expect(() => env.stepSync(ndarray("int32", [2], Int32Array.of(0, 2)))).toThrow(/INVALID_ARGUMENT/);
    await expect(env.step(ndarray("int32", [2], Int32Array.of(0, 2)))).rejects.toThrow(/INVALID_ARGUMENT/);
    await env.close();
    expect(() => env.resetSync()).toThrow(/ENV_CLOSED/);
  });
});

describe("pictures", () => {
  const colours = (id: string) => {
    const env = make(id);
    env.reset({ seed: 0 });
    const frame = env.render!()!;
    const counts = new Map<string, number>();
    for (let i = 0; i < frame.data.length; i += 3) {
      const colour = frame.data.subarray(i, i + 3).join();
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    return { shape: frame.shape, counts };
  };

  test.each([
    ["CartPole-v1", [400, 600, 3], { "202,152,101": 1000, "0,0,0": 1500 }],
    ["Pendulum-v1", [500, 500, 3], { "204,77,77": 2500, "0,0,0": 60 }],
    ["MountainCar-v0", [400, 600, 3], { "0,0,0": 600, "128,128,128": 200, "204,204,0": 80 }],
    ["Acrobot-v1", [500, 500, 3], { "0,204,204": 4000, "204,204,0": 600, "0,0,0": 400 }],
  ])("%s shows its parts in Gymnasium's size and colours", (id, shape, parts) => {
    const { shape: drawn, counts } = colours(id);
    expect(drawn).toEqual(shape);
    for (const [colour, least] of Object.entries(parts))
      expect(counts.get(colour) ?? 0, colour).toBeGreaterThan(least);
  });

  test("the cart is drawn where it is, and frames are the caller's to keep", () => {
    const env = makeCartPole();
    env.reset({ seed: 0, options: { low: 1.2, high: 1.2 } });
    const before = env.render()!;
    const kept = before.data.slice();
    // The cart's middle: (1.2 + 2.4) / 4.8 of 600 pixels, 100 from the bottom.
    const at = (frame: typeof before, x: number, y: number) => [
      ...frame.data.subarray((y * 600 + x) * 3, (y * 600 + x) * 3 + 3),
    ];
    expect(at(before, 470, 305)).toEqual([0, 0, 0]);
    expect(at(before, 400, 305)).toEqual([255, 255, 255]);
    env.step(0);
    env.render();
    expect(Buffer.compare(before.data, kept)).toBe(0);
  });

  test("Pendulum shows the torque of the last step", () => {
    const env = make("Pendulum-v1");
    env.reset({ seed: 0, options: { x_init: 0, y_init: 0 } });
    const still = env.render!()!.data.slice();
    env.step(float32([2]));
    const black = (data: Uint8Array) =>
      data.reduce((sum, value, i) => sum + (i % 3 === 0 && value === 0 ? 1 : 0), 0);
    expect(black(env.render!()!.data)).toBeGreaterThan(black(still) + 300);
  });

  test("the batched CartPole draws the rows that are asked for", async () => {
    const env = await registry.makeVec("CartPole-v1", { numEnvs: 3 });
    await env.reset({ seed: 0 });
    const frames = await env.render!(ndarray("bool", [3], Uint8Array.of(0, 1, 0)));
    expect(frames.map((frame) => frame?.shape)).toEqual([undefined, [400, 600, 3], undefined]);
  });
});

test("a snapshot of another environment is refused", () => {
  const [pole, car] = [make("CartPole-v1"), make("MountainCar-v0")];
  pole.reset({ seed: 0 });
  car.reset({ seed: 0 });
  expect(() => car.restore!(pole.snapshot!())).toThrow(/snapshot of another environment/);
});
