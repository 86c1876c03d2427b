/** @file The causal flow model: caches are the dense pass, one, two and four steps agree, times are as declared, it learns. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { jit, tf, type Host, type Tensor } from "../../../src/engine/jit.ts";
import { float32, zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { linear } from "../../../src/nn/layers.ts";
import {
  denoiseNext,
  initCausalFlow,
  readContext,
  runFrames,
  type CausalFlowConfig,
  type CausalFlowParams,
} from "../../../src/worldmodel/causal-flow/causal-flow.ts";
import {
  loadCausalFlowModel,
  makeCausalFlowModel,
  saveCausalFlowModel,
  type CausalFlowParts,
} from "../../../src/worldmodel/causal-flow/causal-flow-model.ts";
import { makeCausalFlowTrainer } from "../../../src/worldmodel/causal-flow/causal-flow-train.ts";
import { drawFlowTimes } from "../../../src/worldmodel/causal-flow/flow-times.ts";
import { fitNormalizers } from "../../../src/worldmodel/normalizers.ts";
import type { EncodedWorldModel, LatentState } from "../../../src/worldmodel/worldmodel.ts";
import { actionSpec, latentsOf, lineTokenizer, MOVE, randomEpisodes, replayOf } from "../line-world.ts";
import { causalConfig, loudCausalParams } from "../causal-flow-subject.ts";

type Floats = NdArray<"float32">;
type Params = CausalFlowParams<Tensor>;

function normals(shape: readonly number[], seed: number): Floats {
  const out = zeros("float32", shape);
  Rng.fromSeed(seed).fillNormal(out.data);
  return out;
}

describe("past frames by their caches", () => {
  it.each(["norm", "cross-attention"] as const)(
    "give the next frame the clean latent of one dense pass over the window, to 1e-5 (actions by %s)",
    async (actionEntry) => {
      const config = { ...causalConfig(), actionEntry };
      const params = loudCausalParams(config) as unknown as Host<Params>;
      const K = config.contextLength;
      type In = { p: Params; latents: Tensor; states: Tensor; actions: Tensor; next: Tensor; time: Tensor };
      const both = jit(({ p, latents, states, actions, next, time }: In) => {
        const window = { latents, states, actions, times: tf.ones([2, K]) };
        const present = readContext(p, config, window);
        const cached = denoiseNext(p, config, present, { latent: next, time, step: tf.zeros([2]) });
        const first = (x: Tensor): Tensor =>
          tf.pad(x, [
            [0, 0],
            [1, 0],
            [0, 0],
          ]);
        const facts = {
          actions: first(actions),
          states: first(states),
          known: tf.concat([tf.zeros([2, 1]), tf.ones([2, K])], 1),
          times: tf.concat([tf.ones([2, K]), tf.reshape(time, [2, 1])], 1),
          steps: tf.zeros([2, K + 1]),
        };
        const all = tf.concat([latents, tf.reshape(next, [2, 1, 2])], 1);
        const dense = runFrames(p, config, { latents: all, facts, from: 0 }).hidden;
        const last = tf.reshape(tf.slice(dense, [0, K, 0, 0], [2, 1, config.tokens, config.dim]), [
          2,
          2,
          config.dim,
        ]);
        const change = tf.reshape(linear(p.output, last), [2, 2]);
        return { dense: tf.add(present.latent, change), cached: cached.latent };
      });
      const out = await both({
        p: params,
        latents: normals([2, K, 2], 1),
        states: normals([2, K, 1], 2),
        actions: normals([2, K, 1], 3),
        next: normals([2, 2], 4),
        time: float32([0.3, 0.7]),
      });
      let largest = 0;
      out.dense.data.forEach((value, i) => {
        largest = Math.max(largest, Math.abs(Number(value) - Number(out.cached.data[i])));
      });
      expect(largest).toBeLessThan(1e-5);
    },
  );
});

describe("times of the flow", () => {
  const drawn = (times: Parameters<typeof drawFlowTimes>[0]): number[] =>
    [...drawFlowTimes(times, Rng.fromSeed(1), zeros("float32", [20_000])).data].toSorted((a, b) => a - b);
  const median = (values: number[]): number => values[values.length / 2];

  it("are uniform, or logit-normal around their middle", () => {
    expect(median(drawn({ kind: "uniform" }))).toBeCloseTo(0.5, 1);
    const plainly = drawn({ kind: "logit-normal", shift: 1 });
    expect(median(plainly)).toBeCloseTo(0.5, 2);
    // sigmoid(±0.6745): the quartiles of a standard normal.
    expect(plainly[5000]).toBeCloseTo(0.3375, 2);
    expect(plainly[15_000]).toBeCloseTo(0.6625, 2);
  });

  it("shift towards noise by s·t / (1 + (s − 1)·t), and give the noisiest share", () => {
    expect(median(drawn({ kind: "logit-normal", shift: 5 }))).toBeCloseTo(1 - 2.5 / 3, 2);
    const forced = drawn({ kind: "logit-normal", shift: 1, noisiest: 0.05 });
    expect(forced.filter((time) => time < 0.02).length / 20_000).toBeCloseTo(0.05, 2);
    expect(() => drawn({ kind: "logit-normal", shift: 0 })).toThrow(/INVALID_ARGUMENT[^]*shift/);
  });
});

/** Standing at each of the positions. */
function standing(model: EncodedWorldModel, at: readonly number[]): LatentState {
  const window = { ...latentsOf(at), shape: [at.length, 1, 2] };
  return model.fromLatents(window, float32(at, [at.length, 1, 1]), zeros("float32", [at.length, 0, 1]));
}

/** Largest distance of the imagined from the true place after one step. */
async function error(model: EncodedWorldModel, at: readonly number[], push: number): Promise<number> {
  const actions = float32(
    at.map(() => push),
    [at.length, 1],
  );
  const { state } = await model.step(standing(model, at), actions, Rng.fromSeed(4));
  const width = state.latents.shape[1] * 2;
  return Math.max(...at.map((x, b) => Math.abs(state.latents.data[(b + 1) * width - 1] - x - MOVE * push)));
}

const replay = replayOf(randomEpisodes(80, 20, 5));

/** A model trained on the line for `steps` steps. */
async function trained(over: Partial<CausalFlowConfig>, steps: number): Promise<CausalFlowParts> {
  const config: CausalFlowConfig = { ...causalConfig(), ...over };
  const normalizers = fitNormalizers(replay, 1);
  const trainer = makeCausalFlowTrainer({
    config,
    replay,
    normalizers,
    weights: { latent: 1, state: 1, reward: 1, termination: 1, shortcut: 1 },
    optimizer: { kind: "adamw", clipNorm: 1 },
    averageDecay: 0.95,
    contextNoise: 0.05,
    times: { kind: "logit-normal", shift: 1, noisiest: 0.05 },
    rng: Rng.fromSeed(1),
  });
  for (let i = 0; i < steps; i++) {
    const rate = 0.005 * Math.min(1, 2 * (1 - i / steps));
    await trainer.step({ batchSize: 64, terminalFraction: 0.3 }, rate, Rng.fromSeed([2, i]));
  }
  return { config, params: trainer.params(), normalizers, tokenizer: lineTokenizer, actionSpec };
}

const at = [-0.8, -0.3, 0, 0.4, 0.7];

describe("a causal flow model under EDM's preconditioning", () => {
  it("goes where the action leads, roughly, after a short training", async () => {
    const model = makeCausalFlowModel(await trained({ preconditioning: "edm", shortcut: false }, 200));
    const [on, back] = [await error(model, at, 0.8), await error(model, at, -0.8)];
    // An action that is not heard is at least 0.4 off one way.
    expect(Math.max(on, back)).toBeLessThan(0.3);
  }, 180_000);
});

describe("a causal flow model whose actions enter by cross-attention", () => {
  it("goes where the action leads, roughly, after a short training", async () => {
    const model = makeCausalFlowModel(
      await trained({ actionEntry: "cross-attention", shortcut: false }, 200),
    );
    const [on, back] = [await error(model, at, 0.8), await error(model, at, -0.8)];
    expect(Math.max(on, back)).toBeLessThan(0.3);
  }, 180_000);
});

describe("a trained causal flow model", () => {
  let parts: CausalFlowParts;
  beforeAll(async () => {
    parts = await trained({}, 400);
  }, 180_000);

  it.each([1, 2, 4] as const)("goes where the action leads in %i sampling steps", async (samplingSteps) => {
    const model = makeCausalFlowModel({ ...parts, samplingSteps });
    expect(await error(model, at, 0.8)).toBeLessThan(0.15);
    expect(await error(model, at, -0.8)).toBeLessThan(0.15);
  });

  it("knows the reward and the end", async () => {
    const model = makeCausalFlowModel(parts);
    const places = [-1.6, 0, 1.6];
    const pushed = await model.step(standing(model, places), float32([-1, 0.5, 1], [3, 1]), Rng.fromSeed(6));
    expect(pushed.terminatedProbabilities.data[0]).toBeGreaterThan(0.7);
    expect(pushed.terminatedProbabilities.data[1]).toBeLessThan(0.2);
    expect(pushed.terminatedProbabilities.data[2]).toBeGreaterThan(0.7);
    expect(pushed.rewards.data[1]).toBeCloseTo(0.25, 0);
  });

  it("comes back from its file, and refuses another tokenizer's latents and another actions' meaning", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "reverie-cf-")), "model.safetensors");
    saveCausalFlowModel(path, parts, lineTokenizer.hash);
    const [saved, loaded] = [makeCausalFlowModel(parts), loadCausalFlowModel(path, lineTokenizer)];
    const step = (model: EncodedWorldModel) =>
      model.step(standing(model, [0.2]), float32([0.5], [1, 1]), Rng.fromSeed(1));
    expect(await step(loaded)).toEqual(await step(saved));
    expect(() => loadCausalFlowModel(path, { ...lineTokenizer, hash: "00" })).toThrow(/CHECKPOINT_MISMATCH/);
    const other = { ...actionSpec, kind: "absolute" as const };
    expect(() => loadCausalFlowModel(path, lineTokenizer, { actionSpec: other })).toThrow(/another meaning/);
  });
});

describe("a causal flow config", () => {
  it("is refused when it does not fit", () => {
    const wrong = { ...causalConfig(), samplingSteps: 3 as never };
    expect(() => initCausalFlow(Rng.fromSeed(0), wrong)).toThrow(/INVALID_ARGUMENT[^]*samplingSteps/);
  });
});
