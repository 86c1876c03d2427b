/** @file The model's metrics: full marks for a perfect model, and less for each fault that they are there to find. */

import { describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import {
  crashCalibration,
  foresight,
  type CrashCalibration,
  type Foresight,
} from "../../../src/worldmodel/measures/calibration.ts";
import {
  bootstrapMean,
  openLoopScores,
  type HorizonScore,
} from "../../../src/worldmodel/measures/evaluate.ts";
import { speedScores } from "../../../src/worldmodel/measures/speed.ts";
import type { LatentWorldModel } from "../../../src/worldmodel/latent/latent-model.ts";
import {
  EDGE,
  framesOf,
  lineModel,
  play,
  randomEpisodes,
  replayOf,
  standing,
  type LineFaults,
} from "../line-world.ts";

/** Positions on whole pixels, so that a perfect model is perfect to the bit. */
const episodes = [
  ...Array.from({ length: 12 }, (_, i) =>
    play(
      0.25 * (i % 5) - 0.5,
      Array.from({ length: 20 }, (_, t) => (((i * 7 + t * 3) % 5) - 2) / 4),
    ),
  ),
  ...[1, 0.8, 0.6, 0.5, 0.4, 0.3].map((push, i) => play(-0.25 * (i % 3), new Array(30).fill(push))),
];
const replay = replayOf(episodes);
const frames = episodes.map(({ positions }) => framesOf(positions));

const scoresOf = (faults?: LineFaults): Promise<HorizonScore[]> =>
  openLoopScores({
    model: lineModel(faults),
    replay,
    frames,
    horizons: [1, 4],
    windows: 48,
    rng: Rng.fromSeed(1),
  });

describe("open-loop scores", () => {
  it("of a perfect model are as good as its frames can be, better than both baselines, and follow the actions", async () => {
    for (const score of await scoresOf()) {
      expect(score.psnr).toBeGreaterThan(40);
      expect(score.reconstruction).toBeGreaterThan(40);
      expect(score.ssim).toBeGreaterThan(0.999);
      expect(score.ssim).toBeGreaterThan(score.copyLastSsim);
      expect(score.psnr).toBeGreaterThan(score.copyLast + 5);
      expect(score.psnr).toBeGreaterThan(score.meanFrame + 5);
      expect(score.actionGain[1]).toBeGreaterThan(3);
      expect(score.shuffledActions).toBeCloseTo(score.psnr - score.actionGain[0], 6);
      for (const error of score.stateError) expect(error).toBeLessThan(1e-5);
    }
  });

  it("of a model that ignores actions gain nothing from them, equal the copied frame and err in the state", async () => {
    const [perfect, broken] = [await scoresOf(), await scoresOf({ ignoresActions: true })];
    broken.forEach((score, i) => {
      expect(score.actionGain[0]).toBe(0);
      expect(score.psnr).toBeCloseTo(score.copyLast, 6);
      expect(score.psnr).toBeLessThan(perfect[i].psnr - 5);
      expect(score.stateError[0]).toBeGreaterThan(perfect[i].stateError[0] + 0.05);
    });
  });

  it("name the lack of an episode that is long enough", async () => {
    const short = openLoopScores({
      model: lineModel(),
      replay,
      frames,
      horizons: [50],
      windows: 4,
      rng: Rng.fromSeed(1),
    });
    await expect(short).rejects.toThrow(/INVALID_ARGUMENT.*long enough/);
  });
});

describe("crash calibration", () => {
  const line = replayOf([
    ...randomEpisodes(60, 40, 8),
    ...Array.from({ length: 4 }, () => play(0, new Array(40).fill(0))),
  ]);
  const of = async (model: LatentWorldModel, data = line): Promise<Record<string, CrashCalibration>> => {
    const results = await crashCalibration({ model, replay: data, windows: 40, rng: Rng.fromSeed(2) });
    return Object.fromEntries(results.map((result) => [result.label, result]));
  };

  it("of a perfect model is 1 for every crash and 0 where there is none", async () => {
    const result = await of(lineModel());
    expect(Object.keys(result)).toEqual(["1-3", "4-8", "9-15", "never"]);
    for (const label of ["1-3", "4-8", "9-15"]) expect(result[label].probability).toBe(1);
    expect(result.never.probability).toBe(0);
  });

  it("goes down for a model that never ends, and up for safe drives where it always does", async () => {
    const never = await of(lineModel({ neverEnds: true }));
    for (const { probability } of Object.values(never)) expect(probability).toBe(0);
    expect((await of(lineModel({ alwaysEnds: true }))).never.probability).toBe(1);
  });

  it("goes down for a model that does not hear the actions", async () => {
    const deaf = await of(lineModel({ ignoresActions: true }));
    expect(deaf["4-8"].probability).toBe(0);
  });

  it("holds the last action and counts a crash that is foreseen two steps late, and none later", async () => {
    const delayed = (steps: number): LatentWorldModel => {
      const model = lineModel();
      const slow: LatentWorldModel = {
        ...model,
        fromLatents: (...window) => ({
          ...model.fromLatents(...window),
          due: {
            dtype: "float32",
            shape: [window[0].shape[0], 1],
            data: new Float32Array(window[0].shape[0]),
          },
        }),
        async step(state, actions, rng) {
          const prediction = await model.step(state, actions, rng);
          const due = state.due.data.map((since, i) => since + prediction.terminatedProbabilities.data[i]);
          const ends = due.map((since) => (since > steps ? 1 : 0));
          return {
            ...prediction,
            state: { ...prediction.state, due: { ...state.due, data: due } },
            terminatedProbabilities: { ...prediction.terminatedProbabilities, data: ends },
          };
        },
      };
      return slow;
    };
    const crashes = replayOf(
      Array.from({ length: 10 }, (_, i) => play(0, new Array(40).fill(0.2 + 0.02 * i))),
    );
    expect((await of(lineModel({ edge: EDGE + 0.2 }), crashes))["4-8"].probability).toBe(1);
    expect((await of(delayed(2), crashes))["4-8"].probability).toBe(1);
    expect((await of(delayed(3), crashes))["4-8"].probability).toBe(0);
  });
});

describe("foresight", () => {
  const line = replayOf(randomEpisodes(80, 40, 9));
  const of = (model: LatentWorldModel): Promise<Foresight> =>
    foresight({ model, replay: line, horizons: [1, 5], windows: 200, rng: Rng.fromSeed(3) });

  it("of a perfect model is without error, in its ends and in its rewards", async () => {
    const { ends, rewards, within } = await of(lineModel());
    expect(within).toBe(15);
    expect(ends.calibrationError).toBe(0);
    expect(ends.skill).toBe(1);
    expect(ends.bins.map(({ observed }) => observed)).toEqual([0, 1]);
    expect(rewards.map(({ horizon }) => horizon)).toEqual([1, 5]);
    for (const { reliability } of rewards) expect(reliability.skill).toBeCloseTo(1, 6);
  });

  it("of one that never, or always, expects the end errs by how often it came, or did not", async () => {
    const [{ ends: never }, { ends: always }] = [
      await of(lineModel({ neverEnds: true })),
      await of(lineModel({ alwaysEnds: true })),
    ];
    expect(never.calibrationError).toBeGreaterThan(0.2);
    expect(never.calibrationError + always.calibrationError).toBeCloseTo(1, 12);
  });

  it("of a model that does not hear the actions has rewards that explain less", async () => {
    const { rewards } = await of(lineModel({ ignoresActions: true }));
    expect(rewards[1].reliability.skill).toBeLessThan(0.6);
  });

  it("names the lack of known futures", async () => {
    const short = replayOf([play(0, [0, 0, 0])]);
    const none = foresight({
      model: lineModel(),
      replay: short,
      horizons: [1],
      windows: 4,
      rng: Rng.fromSeed(1),
    });
    await expect(none).rejects.toThrow(/INVALID_ARGUMENT.*known/);
  });
});

describe("speed", () => {
  it("counts the rows of every batch, and decoding takes its time", async () => {
    const model = lineModel();
    let decoded = 0;
    const slow: LatentWorldModel = {
      ...model,
      decode: async (state) => {
        decoded += state.x.shape[0];
        const until = performance.now() + 2;
        while (performance.now() < until);
        return model.decode(state);
      },
    };
    const start = standing(model, [0, 0.1, 0.2, 0.3]);
    const scores = await speedScores(slow, start, { batches: [1, 4], seconds: 0 });
    expect(scores.map(({ batch }) => batch)).toEqual([1, 4]);
    for (const { batch, stepsPerSecond, decodedPerSecond, p95Ms } of scores) {
      expect(decodedPerSecond).toBeLessThan(500 * batch);
      expect(decodedPerSecond).toBeLessThan(stepsPerSecond);
      expect(p95Ms).toBeGreaterThanOrEqual(2);
    }
    expect(decoded).toBe(9 * 5);
  });
});

describe("the bootstrap", () => {
  it("brackets the mean, tightly for equal values and wider for scattered ones", () => {
    expect(bootstrapMean([2, 2, 2], Rng.fromSeed(0))).toEqual([2, 2, 2]);
    const rng = Rng.fromSeed(1);
    const values = Array.from({ length: 100 }, () => rng.normal());
    const [mean, low, high] = bootstrapMean(values, Rng.fromSeed(2));
    expect(low).toBeLessThan(mean);
    expect(high).toBeGreaterThan(mean);
    expect(high - low).toBeGreaterThan(0.25);
    expect(high - low).toBeLessThan(0.55);
  });
});
