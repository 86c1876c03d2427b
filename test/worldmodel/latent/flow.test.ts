/** @file The rectified flow's arithmetic: noise at time 0, the clean latent at time 1, and the Euler steps between them. */

import { describe, expect, it } from "vitest";
import { jit, tf, type Host, type Tensor } from "../../../src/engine/jit.ts";
import { float32, zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import {
  denoise,
  initDenoiser,
  type Context,
  type DenoiserParams,
} from "../../../src/worldmodel/latent/denoiser.ts";
import { noiseLatent, sampleNext } from "../../../src/worldmodel/latent/flow.ts";
import { configOf } from "../line-world.ts";

type Floats = NdArray<"float32">;

const drawn = (shape: number[], seed: number): Floats => {
  const out = zeros("float32", shape);
  Rng.fromSeed(seed).fillNormal(out.data);
  return out;
};

const config = configOf("flow");
const params = initDenoiser(Rng.fromSeed(1), config);
const context = { latents: drawn([3, 2, 2], 2), states: drawn([3, 2, 1], 3), actions: drawn([3, 2, 1], 4) };
const noise = drawn([3, 2], 5);

type Inputs = { p: DenoiserParams<Tensor>; context: Context; noise: Tensor };

async function run(
  fn: (input: Inputs) => Record<string, Tensor>,
  p: DenoiserParams<NdArray> = params,
): Promise<Record<string, Floats>> {
  const input = { p, context, noise } as unknown as Host<Inputs>;
  return (await jit(fn)(input)) as unknown as Record<string, Floats>;
}

/** The latent after Euler steps at the given times, written out. */
const byHand = (times: readonly number[]) =>
  run(({ p, context: window, noise: start }) => {
    let x = start;
    for (const [i, tau] of times.entries()) {
      const clean = denoise(p, config, window, { latent: x, time: tf.fill([3], tau) }).latent;
      const next = times[i + 1] ?? 1;
      x = tf.add(x, tf.mul(tf.div(tf.sub(clean, x), 1 - tau), next - tau));
    }
    return { latent: x };
  });

describe("noising", () => {
  it("is all noise at time 0, all latent at time 1, and a straight line between", async () => {
    const mix = jit(({ clean, other, time }: { clean: Tensor; other: Tensor; time: Tensor }) => ({
      mixed: noiseLatent(clean, other, time),
    }));
    const input = {
      clean: float32([8, 8, 8], [3, 1]),
      other: float32([-4, -4, -4], [3, 1]),
      time: float32([0, 1, 0.25]),
    };
    const { mixed } = (await mix(input)) as unknown as { mixed: Floats };
    expect([...mixed.data]).toEqual([-4, 8, -1]);
  });
});

describe("the sampler", () => {
  it.each([
    [1, [0]],
    [2, [0, 0.5]],
    [4, [0, 0.25, 0.5, 0.75]],
  ])("in %i steps goes from noise at time 0 to the latent at time 1", async (samplingSteps, times) => {
    const expected = (await byHand(times)).latent;
    const { latent } = await run(({ p, context: window, noise: start }) => {
      const outcome = sampleNext(p, { ...config, samplingSteps }, window, start);
      return { latent: outcome.latent };
    });
    latent.data.forEach((value, i) => expect(value).toBeCloseTo(expected.data[i], 4));
    expect(latent.data).not.toEqual(noise.data);
  });

  it("tells reward and end in its last pass", async () => {
    const single = { ...config, samplingSteps: 1 };
    const out = await run(({ p, context: window, noise: start }) => {
      const outcome = sampleNext(p, single, window, start);
      const pass = denoise(p, config, window, { latent: start, time: tf.zeros([3]) });
      return {
        reward: outcome.reward,
        end: outcome.terminationLogit,
        a: pass.reward,
        b: pass.terminationLogit,
      };
    });
    expect(out.reward).toEqual(out.a);
    expect(out.end).toEqual(out.b);
  });

  it("hears the time: the same noised latent is read differently early and late", async () => {
    const out = await run(({ p, context: window, noise: start }) => ({
      early: denoise(p, config, window, { latent: start, time: tf.fill([3], 0.1) }).latent,
      late: denoise(p, config, window, { latent: start, time: tf.fill([3], 0.9) }).latent,
    }));
    expect(out.early).not.toEqual(out.late);
  });
});
