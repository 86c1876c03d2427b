/** @file The autoregressive model: it learns a ring, caches and drafts change nothing, and its files know their tokenizer. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { jit, tf, type Host, type Tensor } from "../../../src/engine/jit.ts";
import { float32, zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import {
  embedFrames,
  frameConditions,
  initAutoregressive,
  nextLogits,
  readFacts,
  runSequence,
  type AutoregressiveParams,
} from "../../../src/worldmodel/autoregressive/autoregressive.ts";
import {
  makeAutoregressiveWorldModel,
  type AutoregressiveParts,
  type AutoregressiveWorldModel,
} from "../../../src/worldmodel/autoregressive/autoregressive-model.ts";
import {
  loadAutoregressiveModel,
  saveAutoregressiveModel,
} from "../../../src/worldmodel/autoregressive/autoregressive-checkpoint.ts";
import { openLoopScores } from "../../../src/worldmodel/measures/evaluate.ts";
import { chooseToken } from "../../../src/worldmodel/autoregressive/token-sampling.ts";
import type { LatentState } from "../../../src/worldmodel/worldmodel.ts";
import { plain } from "../line-world.ts";
import {
  actionSpec,
  framesAt,
  ringConfig,
  ringReplay,
  ringTokenizer,
  tokensAt,
  trainedRing,
  turns,
  untrainedRing,
} from "../token-world.ts";

const greedy = { temperature: 0, topP: 1 };

/** The state of having gone on to each of the places from the one before it. */
function arrived(model: AutoregressiveWorldModel, at: readonly number[]): LatentState {
  const tokens = at.flatMap((place) => [...tokensAt((place + 5) % 6), ...tokensAt(place)]);
  const states = at.flatMap((place) => [(place + 5) % 6, place]);
  return model.fromLatents(
    float32(tokens, [at.length, 2, 4]),
    float32(states, [at.length, 2, 1]),
    zeros("float32", [at.length, 1, 1]),
  );
}

describe("a trained autoregressive model", () => {
  let parts: AutoregressiveParts;
  let bits: number;
  let model: AutoregressiveWorldModel;
  beforeAll(async () => {
    const trained = await trainedRing(180);
    parts = trained.parts;
    bits = trained.bits;
    model = makeAutoregressiveWorldModel({ ...parts, sampling: greedy });
  });

  it("has few bits to guess per token", () => {
    expect(bits).toBeLessThan(0.3);
  });

  it("goes where the action leads, and knows the reward and the end there", async () => {
    const from = [0, 1, 2, 3, 4];
    for (const turn of [0.7, -0.7]) {
      const next = await model.step(arrived(model, from), turns(from.map(() => turn)), Rng.fromSeed(0));
      const { frame, state } = await model.decode(next.state);
      from.forEach((place, b) => {
        const to = (place + (turn > 0 ? 1 : 5)) % 6;
        expect(frame.data.slice(b * 12, (b + 1) * 12)).toEqual(framesAt([to], [1, 1]).data);
        expect(state.data[b]).toBeCloseTo(to, 0);
        expect(Math.round(next.rewards.data[b])).toBe(to);
        expect(Math.round(next.terminatedProbabilities.data[b])).toBe(to === 5 ? 1 : 0);
      });
    }
  });

  it("is measured by the same scores as a latent model, and gains from true actions", async () => {
    const replay = ringReplay(40, 20, 77);
    const frames = replay.episodes.map(({ columns, length }) =>
      ((all) => ({ ...all, shape: [length + 1, 2, 2, 3] }))(
        framesAt(Array.from(columns.state.data), [1, length + 1]),
      ),
    );
    const [score] = await openLoopScores({
      model,
      replay,
      frames,
      horizons: [3],
      windows: 24,
      rng: Rng.fromSeed(1),
    });
    expect(score.psnr).toBeGreaterThan(score.copyLast + 5);
    expect(score.actionGain[1]).toBeGreaterThan(3);
  });

  it("writes the same tokens with drafts as one by one, in fewer than 0.7 of the passes", async () => {
    const from = [0, 1, 2, 3, 4];
    for (const sampling of [greedy, { temperature: 1, topP: 0.9 }]) {
      const [drafted, plainly] = [true, false].map((drafting) =>
        makeAutoregressiveWorldModel({ ...parts, sampling, drafting }),
      );
      let [a, b] = [arrived(drafted, from), arrived(plainly, from)];
      for (let h = 0; h < 4; h++) {
        const actions = turns(from.map((_, i) => Math.cos(3 * h + i)));
        a = (await drafted.step(a, actions, Rng.fromSeed(h))).state;
        b = (await plainly.step(b, actions, Rng.fromSeed(h))).state;
        expect(a.tokens).toEqual(b.tokens);
        expect(plainly.report).toEqual({ passes: 4, tokens: 4 });
        expect(drafted.report.passes).toBeLessThan(0.7 * 4);
      }
    }
  });

  it("comes back from its file, and refuses another tokenizer's tokens", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "reverie-ar-")), "model.safetensors");
    saveAutoregressiveModel(path, parts, ringTokenizer.hash);
    const loaded = loadAutoregressiveModel(path, ringTokenizer, { sampling: greedy });
    const [actions, from] = [turns([0.4]), [2]];
    expect(await loaded.step(arrived(loaded, from), actions, Rng.fromSeed(0))).toEqual(
      await model.step(arrived(model, from), actions, Rng.fromSeed(0)),
    );
    expect(() => loadAutoregressiveModel(path, { ...ringTokenizer, hash: "00" })).toThrow(
      /CHECKPOINT_MISMATCH.*does not belong/,
    );
    expect(() =>
      makeAutoregressiveWorldModel({ ...parts, tokenizer: { ...ringTokenizer, temporal: 4 } }),
    ).toThrow(/CHECKPOINT_MISMATCH[^]*per 4 frames/);
  });
});

/** Facts and logits of a whole window by one pass over all positions, without caches. */
const dense = jit(
  ({
    p,
    tokens,
    states,
    actions,
  }: {
    p: AutoregressiveParams<Tensor>;
    tokens: Tensor;
    states: Tensor;
    actions: Tensor;
  }) => {
    const [batch] = tokens.shape;
    const conditions = frameConditions(p, actions, states);
    const { hidden } = runSequence(p, ringConfig, embedFrames(p, ringConfig, tokens, conditions));
    const last = tf.slice(hidden, [0, 10, 0], [batch, 5, ringConfig.dim]);
    const state = tf.reshape(tf.slice(states, [0, 1, 0], [batch, 1, 1]), [batch, 1]);
    const end = tf.reshape(tf.slice(last, [0, 4, 0], [batch, 1, ringConfig.dim]), [batch, ringConfig.dim]);
    return { logits: nextLogits(p, last), ...readFacts(p, end, state) };
  },
);

describe("cached decoding", () => {
  it.each([true, false])(
    "ends in the facts of a dense pass over the same tokens, to 1e-5 (drafts: %s)",
    async (drafting) => {
      const params = initAutoregressive(Rng.fromSeed([7, 0]), ringConfig);
      const output = params.output.weight.data as Float32Array;
      output.forEach((_, i) => (output[i] *= 20));
      const model = makeAutoregressiveWorldModel({
        config: ringConfig,
        params,
        normalizers: plain,
        tokenizer: ringTokenizer,
        actionSpec,
        sampling: greedy,
        drafting,
      });
      const state = arrived(model, [1, 3, 4]);
      const actions = turns([0.5, -0.2, 0.9]);
      const next = await model.step(state, actions, Rng.fromSeed(0));
      const written = next.state.tokens.data;
      const all = float32(
        [0, 1, 2].flatMap((b) => [
          ...state.tokens.data.slice(8 * b, 8 * b + 8),
          ...written.slice(8 * b + 4, 8 * b + 8),
        ]),
        [3, 3, 4],
      );
      const taken = float32([0, 0.5, 0, -0.2, 0, 0.9], [3, 2, 1]);
      const input = {
        p: params as unknown as Host<AutoregressiveParams<Tensor>>,
        tokens: all,
        states: state.states,
        actions: taken,
      };
      const facts = (await dense(input)) as unknown as Record<string, NdArray<"float32">>;
      [0, 1, 2].forEach((b) => {
        expect(Math.abs(facts.state.data[b] - next.state.states.data[2 * b + 1])).toBeLessThan(1e-5);
        for (let i = 0; i < 4; i++) {
          const logits = facts.logits.data.subarray((b * 5 + i) * 6, (b * 5 + i + 1) * 6);
          expect(logits.indexOf(Math.max(...logits))).toBe(written[8 * b + 4 + i]);
        }
        const p = 1 / (1 + Math.exp(-facts.terminationLogit.data[b]));
        expect(Math.abs(p - next.terminatedProbabilities.data[b])).toBeLessThan(1e-5);
        expect(Math.abs(facts.reward.data[b] * (1 - p) - next.rewards.data[b])).toBeLessThan(1e-5);
      });
    },
  );

  it("does not depend on untrained drafts", async () => {
    for (const seed of [1, 2, 3]) {
      const [drafted, plainly] = [true, false].map((drafting) => untrainedRing({ seed, drafting }));
      const actions = turns([0.1, -0.8]);
      const [a, b] = await Promise.all(
        [drafted, plainly].map((model) => model.step(arrived(model, [1, 4]), actions, Rng.fromSeed(seed))),
      );
      expect(a.state.tokens).toEqual(b.state.tokens);
    }
  });
});

describe("choosing a token", () => {
  const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)]);
  const shares = (sampling: { temperature: number; topP: number }): number[] => {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 2000; i++) counts[chooseToken(logits, sampling, (i + 0.5) / 2000)] += 1 / 2000;
    return counts;
  };

  it.each([
    [{ temperature: 1, topP: 1 }, [0.5, 0.3, 0.15, 0.05]],
    [{ temperature: 1, topP: 0.8 }, [0.625, 0.375, 0, 0]],
    [{ temperature: 1, topP: 0.81 }, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]],
    [{ temperature: 1, topP: 0.1 }, [1, 0, 0, 0]],
    [{ temperature: 0, topP: 1 }, [1, 0, 0, 0]],
    [{ temperature: 0.5, topP: 1 }, [0.25, 0.09, 0.0225, 0.0025].map((p) => p / 0.365)],
  ])("under %o gives every token its share", (sampling, expected) => {
    shares(sampling).forEach((share, i) => expect(share).toBeCloseTo(expected[i], 2));
  });

  it("refuses settings that mean nothing", () => {
    expect(() => untrainedRing({ sampling: { temperature: -1, topP: 1 } })).toThrow(/INVALID_ARGUMENT/);
    expect(() => untrainedRing({ sampling: { temperature: 1, topP: 0 } })).toThrow(/topP/);
    expect(() => initAutoregressive(Rng.fromSeed(0), { ...ringConfig, draftHeads: 4 })).toThrow(/draftHeads/);
  });
});
