/** @file Fine-tuning on the line world: a base that knows one world learns another, in which pushes go the other way. */

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { float32 } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../../src/nn/checkpoint.ts";
import { saveCausalFlowModel } from "../../../src/worldmodel/causal-flow/causal-flow-model.ts";
import { saveLatentModel } from "../../../src/worldmodel/latent/checkpoint.ts";
import {
  makeFineTuner,
  type FineTuner,
  type TuningMethod,
} from "../../../src/worldmodel/fine-tune/fine-tune.ts";
import { openTunable, type TunableModel } from "../../../src/worldmodel/fine-tune/fine-tune-kinds.ts";
import { loadAdapted, saveAdapter } from "../../../src/worldmodel/fine-tune/lora-file.ts";
import { fitNormalizers } from "../../../src/worldmodel/normalizers.ts";
import { causalConfig, loudCausalParams } from "../causal-flow-subject.ts";
import {
  actionSpec,
  configOf,
  lineTokenizer,
  lineTrainer,
  plain,
  randomEpisodes,
  replayOf,
  type LineEpisode,
} from "../line-world.ts";

const folder = mkdtempSync(join(tmpdir(), "reverie-finetune-"));
const file = (name: string): string => join(folder, name);
const phase = { batchSize: 64, horizon: 2, terminalFraction: 0.3 };
const lora: TuningMethod = { kind: "lora", rank: 4, alpha: 8 };

/** The same ways, but what moved the point there was called the opposite. */
const reversed = (episodes: readonly LineEpisode[]): LineEpisode[] =>
  episodes.map((episode) => ({ ...episode, actions: episode.actions.map((action) => -action) }));

const old = replayOf(randomEpisodes(60, 20, 1));
const fresh = replayOf(reversed(randomEpisodes(60, 20, 2)));
const freshValidation = replayOf(reversed(randomEpisodes(30, 20, 3)));

async function saveBase(name: string, seed: number, steps: number): Promise<TunableModel> {
  const trainer = lineTrainer(old, configOf("deterministic"));
  const one = { ...phase, horizon: 1, recentFraction: 0, recentEpisodes: 1 };
  for (let i = 0; i < steps; i++)
    await trainer.step(0, one, 0.01 * Math.min(1, 2 * (1 - i / steps)), Rng.fromSeed([seed, i]));
  const normalizers = fitNormalizers(old, 1);
  const parts = { config: configOf("deterministic"), members: trainer.members(), normalizers, actionSpec };
  saveLatentModel(file(name), parts, lineTokenizer.hash);
  return openTunable(file(name), lineTokenizer);
}

function tunerOf(base: TunableModel, method: TuningMethod): FineTuner {
  return makeFineTuner({ base, method, replay: fresh, phase, rng: Rng.fromSeed(7), averageDecay: 0.9 });
}

async function train(tuner: FineTuner, from: number, to: number, rate: number): Promise<number[]> {
  const curve: number[] = [];
  for (let i = from; i < to; i++) curve.push((await tuner.step(i, rate, Rng.fromSeed([8, i]))).loss);
  return curve;
}

let base: TunableModel;

beforeAll(async () => {
  base = await saveBase("base.safetensors", 41, 160);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("fine-tuning", () => {
  it.each([
    ["all weights", { kind: "full" } as const, 0.004],
    ["an adapter", lora, 0.02],
  ])(
    "%s: learns the new world, forgets some of the old, and never touches the base",
    async (_name, method, rate) => {
      const bytes = structuredClone(base.members);
      const tuner = tunerOf(base, method);
      const [newBefore, oldBefore] = [
        await tuner.losses(freshValidation, 2, 0),
        await tuner.losses(old, 2, 0),
      ];
      expect(newBefore.latent).toBeGreaterThan(5 * oldBefore.latent);
      await train(tuner, 0, 150, rate);
      const [newAfter, oldAfter] = [await tuner.losses(freshValidation, 2, 0), await tuner.losses(old, 2, 0)];
      expect(newAfter.latent).toBeLessThan(0.3 * newBefore.latent);
      expect(oldAfter.latent).toBeGreaterThan(oldBefore.latent);
      expect(base.members).toEqual(bytes);
      if (method.kind === "lora") expect(tuner.trained).toBeLessThan(0.4 * tuner.total);
      else expect(tuner.trained).toBe(tuner.total);
    },
  );

  it("begins at the base, and goes on from a saved state to the same curve", async () => {
    for (const method of [{ kind: "full" } as const, lora]) {
      const whole = tunerOf(base, method);
      const expected = await train(whole, 0, 12, 0.004);
      const first = tunerOf(base, method);
      expect(await train(first, 0, 5, 0.004)).toEqual(expected.slice(0, 5));
      saveCheckpoint(file("state"), first.state(), { kind: "partial" });
      const second = tunerOf(base, method);
      second.load(restoreParams(second.state(), loadCheckpoint(file("state")).tensors, "state"));
      expect(await train(second, 5, 12, 0.004)).toEqual(expected.slice(5));
    }
  });

  it("tunes the causal flow too", async () => {
    const parts = {
      config: causalConfig(),
      params: loudCausalParams(causalConfig()),
      normalizers: plain,
      actionSpec,
    };
    saveCausalFlowModel(file("flow.safetensors"), parts, lineTokenizer.hash);
    const tuner = tunerOf(openTunable(file("flow.safetensors"), lineTokenizer), lora);
    const before = await tuner.losses(freshValidation, 2, 0);
    await train(tuner, 0, 40, 0.01);
    expect((await tuner.losses(freshValidation, 2, 0)).loss).toBeLessThan(before.loss);
  });

  it("refuses actions of another size, and kinds that it cannot train", () => {
    const two = { ...actionSpec, names: ["a", "b"], units: ["1", "1"], low: [0, 0], high: [1, 1] };
    const options = { base, method: lora, replay: fresh, phase, rng: Rng.fromSeed(7) };
    expect(() => makeFineTuner({ ...options, actionSpec: two })).toThrow(/CHECKPOINT_MISMATCH/);
    saveCheckpoint(file("policy"), { w: float32([1]) }, { kind: "actor-critic" });
    expect(() => openTunable(file("policy"), lineTokenizer)).toThrow(/NOT_SUPPORTED.*actor-critic/s);
  });
});

describe("an adapter's file", () => {
  it("is small, gives with its base the tuned model, and fits no other base", async () => {
    const spec = { ...actionSpec, units: ["reversed"] };
    const tuner = makeFineTuner({
      base,
      method: lora,
      replay: fresh,
      phase,
      actionSpec: spec,
      rng: Rng.fromSeed(7),
    });
    await train(tuner, 0, 30, 0.02);
    saveAdapter(file("adapter"), tuner.adapter()!, base, tuner.facts);
    expect(statSync(file("adapter")).size).toBeLessThan(0.5 * statSync(file("base.safetensors")).size);
    const loaded = loadAdapted(file("base.safetensors"), file("adapter"), lineTokenizer, {
      actionSpec: spec,
    });
    const tuned = base.build(tuner.members(), tuner.facts);
    const window = { latents: float32([0.5, 0.5], [1, 1, 2]), states: float32([0.5], [1, 1, 1]) };
    const start = tuned.fromLatents(window.latents, window.states, float32([], [1, 0, 1]));
    const push = float32([1], [1, 1]);
    const [a, b] = [
      await tuned.step(start, push, Rng.fromSeed(0)),
      await loaded.step(start, push, Rng.fromSeed(0)),
    ];
    expect(b).toEqual(a);
    expect(loaded.actionSpec).toEqual(spec);
    expect(() =>
      loadAdapted(file("base.safetensors"), file("adapter"), lineTokenizer, { actionSpec }),
    ).toThrow(/units/);
    await saveBase("other.safetensors", 42, 3);
    expect(() => loadAdapted(file("other.safetensors"), file("adapter"), lineTokenizer)).toThrow(
      /CHECKPOINT_MISMATCH.*base/s,
    );
    expect(() => loadAdapted(file("base.safetensors"), file("base.safetensors"), lineTokenizer)).toThrow(
      /CHECKPOINT_MISMATCH.*lora-adapter/s,
    );
  });
});
