/** @file `checkEnv` passes every shipped environment and names the rule that each planted fault breaks. */

import { expect, test } from "vitest";
import type { NdArray } from "../../src/core/ndarray.ts";
import { float32, ndarray } from "../../src/core/ndarray.ts";
import { Box } from "../../src/core/spaces/box.ts";
import { Dict } from "../../src/core/spaces/dict.ts";
import { checkEnv } from "../../src/env/check-env.ts";
import { checkVectorEnv } from "../../src/env/check.ts";
import type { Env } from "../../src/env/env.ts";
import { Registry } from "../../src/env/registry.ts";
import { wrappers } from "../../src/env/wrappers/wrappers.ts";
import { builtinEnvs } from "../../src/sim/envs.ts";
import { CounterEnv } from "./counter.ts";
import { ImageEnv } from "./image-env.ts";

const registry = new Registry(builtinEnvs);

// The arm loads its physics lazily and slowly: test/sim/arm checks it.
const light = builtinEnvs.map(({ id }) => id).filter((id) => !id.startsWith("Arm"));

test.each(light)("%s passes", async (id) => {
  const { warnings, skipped } = checkEnv(await registry.makeAsync(id), {
    steps: /^(Drive|Arm)/.test(id) ? 10 : 50,
  });
  expect(warnings.filter((line) => !/not in \[-1, 1\]|observationSpace has infinite/.test(line))).toEqual([]);
  expect(skipped.filter((line) => !line.startsWith("bind"))).toEqual([]);
});

test("a wrapped environment passes, as one of one", () => {
  checkEnv(wrappers.FrameStackObservation(wrappers.GrayscaleObservation(new ImageEnv()), { stackSize: 2 }));
});

/** A counter with one method replaced. */
function faulty(change: Partial<Env<NdArray<"float32">, number>> | ((env: CounterEnv) => object)): Env {
  const env = new CounterEnv({ starts: 5 });
  const changes = typeof change === "function" ? change(env) : change;
  return Object.assign(env, changes);
}

const step = (env: CounterEnv, change: (result: ReturnType<CounterEnv["step"]>) => object) => {
  const original = env.step.bind(env);
  return { step: (action: number) => change(original(action)) };
};

const faults: Record<string, [Env, RegExp]> = {
  "observation of another dtype": [
    faulty((env) =>
      step(env, (r) => ({
        ...r,
        observation: { ...r.observation, dtype: "float64", data: new Float64Array(2) },
      })),
    ),
    /step: the observation of step\(\) \(float64 \[2\]\) lies outside/,
  ],
  "done instead of two flags": [
    faulty((env) => step(env, (r) => ({ ...r, done: r.terminated }))),
    /must say terminated and truncated, not done/,
  ],
  "a flag that is a number": [
    faulty((env) => step(env, (r) => ({ ...r, terminated: 0 }))),
    /terminated must be true or false, is number/,
  ],
  "reward NaN": [
    faulty((env) => step(env, (r) => ({ ...r, reward: NaN }))),
    /reward must be a finite number, is NaN/,
  ],
  "no info": [faulty((env) => step(env, (r) => ({ ...r, info: null }))), /info must be a record/],
  "the live state as observation": [
    faulty((env) => {
      const live = float32([0, 0]);
      return step(env, (r) => {
        live.data.set(r.observation.data);
        return { ...r, observation: live };
      });
    }),
    /ownership of arrays: an observation changed after it was returned/,
  ],
  "a global generator": [
    faulty((env) => step(env, (r) => ({ ...r, reward: r.reward + Math.random() }))),
    /determinism: equal seeds and actions gave differing steps/,
  ],
  "a seed that is ignored": [
    faulty((env) => {
      const original = env.reset.bind(env);
      let own = 0;
      return { reset: () => original({ seed: own++ }) };
    }),
    /determinism: (two resets|equal seeds|the episode after)/,
  ],
  "a frame of the wrong form": [
    faulty({ metadata: { renderModes: ["rgb_array"], renderFps: 5 }, render: () => float32([1]) as never }),
    /render\(\) must give frames uint8 \[H, W, 3\], gave float32 \[1\]/,
  ],
  "a render mode that is not declared": [faulty({ renderMode: "ansi" }), /renderMode "ansi" is none of/],
  "no space": [faulty({ actionSpace: 3 as never }), /actionSpace must be a space/],
  "a frame that is the canvas itself": [
    faulty((env) => {
      const canvas = ndarray("uint8", [1, 1, 3], new Uint8Array(3));
      const render = () => (canvas.data.fill(env.count), canvas);
      return { metadata: { renderModes: ["rgb_array"], renderFps: 5 }, render };
    }),
    /render: a frame changed after it was returned/,
  ],
  "a reset that must be waited for": [
    faulty({ reset: (async () => ({ observation: float32([0, 0]), info: {} })) as never }),
    /breaks 1 rule.*reset\(\) gave a promise: an Env is synchronous/s,
  ],
  "no metadata": [faulty({ metadata: undefined as never }), /metadata.renderModes must be a list/],
  "a space without its own samples": [
    faulty((env) => ({ observationSpace: Object.assign(env.observationSpace, { sample: () => 7 }) })),
    /observationSpace does not contain its own samples/,
  ],
  "close that fails when called again": [
    faulty((env) => ({ close: () => (env.closed++ > 0 ? expect.unreachable("closed twice") : undefined) })),
    /close: threw/,
  ],
};

test.each(Object.entries(faults))("a planted fault is named: %s", (_name, [env, message]) => {
  expect(() => checkEnv(env)).toThrow(message);
});

test("what no fault is but surprises is a warning", () => {
  const box = (low: number, high: number) => new Box(low, high, [2], "float32");
  const nested = { observationSpace: new Dict({ a: box(0, 1), b: new Dict({ c: box(-Infinity, 1) }) }) };
  const env = faulty((counter) => ({
    ...nested,
    reset: () => ({ observation: nested.observationSpace.sample(), info: { now: performance.now() } }),
    ...step(counter, (r) => ({ ...r, observation: nested.observationSpace.sample(), truncated: true })),
  }));
  const { warnings } = checkEnv(env, { deterministic: false });
  expect(warnings.join("\n")).toMatch(/observationSpace.b.c has infinite bounds/);
  expect(warnings.join("\n")).toMatch(/the first step was truncated/);
  const late = faulty((counter) => step(counter, (r) => ({ ...r, truncated: counter.count > 1 })));
  expect(checkEnv(late, { deterministic: false }).warnings).toEqual([]);
  const clock = faulty((counter) => step(counter, (r) => ({ ...r, info: { now: performance.now() } })));
  expect(checkEnv(clock).warnings.join()).toMatch(/infos: equal seeds and actions gave differing infos/);
});

test("each checker names the other one for what it cannot check", async () => {
  const vector = await registry.makeVec("CartPole-v1");
  expect(() => checkEnv(vector as never)).toThrow(/INVALID_ARGUMENT.*await checkVectorEnv\(env\)/s);
  expect(() => checkEnv(undefined as never)).toThrow(/no single environment.*got: undefined/s);
  await expect(checkVectorEnv(registry.make("CartPole-v1") as never)).rejects.toThrow(/checkEnv\(env\)/);
});

test("bounds that learners stumble over are warnings", () => {
  const env = faulty({
    observationSpace: new Box(Float32Array.of(-1, 0), Float32Array.of(1000, 1000), [2], "float32"),
  });
  expect(checkEnv(env).warnings).toEqual([]);
  const { warnings } = checkEnv(registry.make("Pendulum-v1"));
  expect(warnings.join()).toMatch(/actions are not in \[-1, 1\].*RescaleAction/);
});
