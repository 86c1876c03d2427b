/** @file The objective's arithmetic on weights whose prediction is known: nothing changes but the context moves up. */

import { describe, expect, it } from "vitest";
import { jit, type Host, type Tensor } from "../../../src/engine/jit.ts";
import { float32, zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { initDenoiser, type DenoiserParams } from "../../../src/worldmodel/latent/denoiser.ts";
import { windowLoss, type WindowBatch } from "../../../src/worldmodel/latent/loss.ts";
import { configOf } from "../line-world.ts";

type Batch = WindowBatch<NdArray<"float32">>;
type Terms = Record<"loss" | "latent" | "state" | "reward" | "termination", number>;

const [rows, context, horizon] = [3, 2, 3];
const ones = (shape: number[], value = 1): NdArray<"float32"> => {
  const out = zeros("float32", shape);
  out.data.fill(value);
  return out;
};

/** Latents and states stand still, rewards are 0, nothing ends. */
function still(): Batch {
  return {
    latents: ones([rows, context + horizon, 2], 0.5),
    states: ones([rows, context + horizon, 1], 0.25),
    actions: zeros("float32", [rows, context + horizon - 1, 1]),
    rewards: zeros("float32", [rows, horizon]),
    terminated: zeros("float32", [rows, horizon]),
    mask: ones([rows, horizon]),
    contextNoise: zeros("float32", [rows, context, 2]),
  };
}

function evaluator(form: "deterministic" | "flow", params: DenoiserParams<NdArray>) {
  const loss = windowLoss(configOf(form, context), { latent: 1, state: 10, reward: 100, termination: 1000 });
  const compiled = jit(({ p, batch }: { p: DenoiserParams<Tensor>; batch: WindowBatch<Tensor> }) => {
    const result = loss(p, batch);
    return { loss: result.loss, ...result.metrics };
  });
  return async (batch: Batch): Promise<Terms> => {
    const input = { p: params, batch } as unknown as Host<{
      p: DenoiserParams<Tensor>;
      batch: WindowBatch<Tensor>;
    }>;
    const out = (await compiled(input)) as unknown as Record<string, NdArray>;
    return Object.fromEntries(
      Object.entries(out).map(([name, { data }]) => [name, Number(data[0])]),
    ) as Terms;
  };
}

/** Weights that predict no change, reward 0 and even odds of an end. */
function unmoved(): DenoiserParams<NdArray> {
  const params = initDenoiser(Rng.fromSeed(0), configOf("deterministic", context));
  const layers = Object.values(params.readout);
  for (const { weight, bias } of [params.output, layers[layers.length - 1]]) {
    weight.data.fill(0 as never);
    bias.data.fill(0 as never);
  }
  return params;
}

const edited = (change: (batch: Batch) => void): Batch => {
  const batch = structuredClone(still());
  change(batch);
  return batch;
};

describe("the window loss", () => {
  const evaluate = evaluator("deterministic", unmoved());

  it("is zero but for the even odds where the prediction is right, and adds its terms by their weights", async () => {
    const terms = await evaluate(still());
    expect(terms.latent).toBeCloseTo(0, 6);
    expect(terms.state).toBeCloseTo(0, 6);
    expect(terms.reward).toBeCloseTo(0, 6);
    expect(terms.termination).toBeCloseTo(Math.LN2, 5);
    expect(terms.loss).toBeCloseTo(1000 * Math.LN2, 2);
  });

  it("means over rows and steps: one latent off by 1 in one row of one step", async () => {
    const { latent } = await evaluate(edited(({ latents }) => void (latents.data[2 * context] += 1)));
    expect(latent).toBeCloseTo(0.5 / rows / horizon, 5);
  });

  it("compares step h with frame K + h and the state beside it", async () => {
    const step = 1;
    const { state } = await evaluate(edited(({ states }) => void (states.data[context + step] += 2)));
    expect(state).toBeCloseTo(4 / rows / horizon, 5);
    const { reward } = await evaluate(edited(({ rewards }) => void (rewards.data[step] = 3)));
    expect(reward).toBeCloseTo(9 / rows / horizon, 5);
  });

  it("leaves the reward of an ending step to the terminal reward", async () => {
    const { reward, termination } = await evaluate(
      edited(({ rewards, terminated }) => {
        rewards.data[1] = 50;
        terminated.data[1] = 1;
      }),
    );
    expect(reward).toBeCloseTo(0, 6);
    expect(termination).toBeCloseTo(Math.LN2, 5);
  });

  it("counts the means of the steps that are there, however few", async () => {
    const terms = await evaluate(
      edited(({ mask, latents }) => {
        mask.data.fill(0);
        mask.data[0] = 1;
        latents.data[2 * context] += 1;
      }),
    );
    expect(terms.latent).toBeCloseTo(0.5 / horizon, 4);
    expect(terms.termination).toBeCloseTo(Math.LN2 / horizon, 4);
  });

  it("stays finite for logits that are far off", async () => {
    const params = unmoved();
    const layers = Object.values(params.readout);
    layers[layers.length - 1].bias.data[2] = 300;
    const certain = evaluator("deterministic", params);
    expect((await certain(still())).termination).toBeCloseTo(300, 2);
    expect((await certain(edited(({ terminated }) => void terminated.data.fill(1)))).termination).toBeCloseTo(
      0,
      5,
    );
  });
});

describe.each(["deterministic", "flow"] as const)("a step of a window, in the %s form", (form) => {
  const rng = Rng.fromSeed(3);
  const drawn = (shape: number[]): NdArray<"float32"> => {
    const out = zeros("float32", shape);
    rng.fillNormal(out.data);
    return out;
  };
  const whole: Batch = {
    latents: drawn([rows, context + horizon, 2]),
    states: drawn([rows, context + horizon, 1]),
    actions: drawn([rows, context + horizon - 1, 1]),
    rewards: drawn([rows, horizon]),
    terminated: float32([0, 1, 0, 0, 0, 0, 0, 0, 1], [rows, horizon]),
    mask: float32([1, 1, 0, 1, 1, 1, 1, 1, 1], [rows, horizon]),
    contextNoise: zeros("float32", [rows, context, 2]),
    ...(form === "flow" ? { noise: drawn([rows, horizon, 2]), times: ones([rows, horizon], 0.4) } : {}),
  };
  const evaluate = evaluator(form, initDenoiser(Rng.fromSeed(1), configOf(form, context)));
  const at = (batch: Batch, row: number, step: number): void => {
    const frame = row * (context + horizon) + context + step;
    batch.latents.data[2 * frame] += 7;
    batch.states.data[frame] -= 3;
    batch.rewards.data[row * horizon + step] = 99;
    batch.actions.data[row * (context + horizon - 1) + context - 1 + step] = 0.77;
  };

  it("behind an end changes no term by a single bit", async () => {
    const behind = structuredClone(whole);
    at(behind, 0, 2);
    expect(await evaluate(behind)).toEqual(await evaluate(whole));
  });

  it("before an end does", async () => {
    const before = structuredClone(whole);
    at(before, 1, 2);
    const [a, b] = [await evaluate(before), await evaluate(whole)];
    for (const name of ["latent", "state", "reward"] as const) expect(a[name]).not.toBe(b[name]);
  });

  it("is told from what the model made of it: the true next latent moves the latent's term alone", async () => {
    const other = structuredClone(whole);
    other.latents.data[2 * (context + horizon - 1)] += 5;
    other.mask.data[2] = 1;
    const reference = structuredClone(whole);
    reference.mask.data[2] = 1;
    const [a, b] = [await evaluate(other), await evaluate(reference)];
    expect(a.latent).not.toBe(b.latent);
    for (const name of ["state", "reward", "termination"] as const) expect(a[name]).toBe(b[name]);
  });
});
