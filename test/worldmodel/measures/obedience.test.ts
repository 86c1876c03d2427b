/** @file What a dream obeys: probes learn to read actions, a faithful model passes, one that ignores actions fails. */

import { beforeAll, describe, expect, it } from "vitest";
import { float32, zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import type { Episode } from "../../../src/data/episode.ts";
import { drawActionPairs, scoreActions } from "../../../src/worldmodel/measures/action-pairs.ts";
import { trainActionProbe, type ActionProbe } from "../../../src/worldmodel/measures/inverse-dynamics.ts";
import {
  featureDistances,
  gatherObedience,
  obedienceScores,
  type FeatureDistance,
  type ObedienceScore,
} from "../../../src/worldmodel/measures/obedience.ts";
import {
  framesOf,
  lineModel,
  randomEpisodes,
  replayOf,
  type LineEpisode,
  type LineFaults,
} from "../line-world.ts";

const stored = ({ positions, actions, terminated }: LineEpisode, i: number): Episode => ({
  id: `line-${i}`,
  meta: {},
  frames: framesOf(positions),
  states: float32(positions, [positions.length, 1]),
  actions: float32(actions, [actions.length, 1]),
  rewards: float32(positions.slice(1)),
  terminated,
  truncated: !terminated,
});

const training = randomEpisodes(40, 20, 1).map(stored);
const judged = randomEpisodes(40, 20, 2);
const replay = replayOf(judged);
const frames = judged.map(({ positions }) => framesOf(positions));

let probes: Record<"frames" | "states", ActionProbe>;
beforeAll(async () => {
  const train = (view: "frames" | "states"): Promise<ActionProbe> =>
    trainActionProbe({ episodes: training, view, steps: 250, learningRate: 0.005, rng: Rng.fromSeed(3) });
  probes = { frames: await train("frames"), states: await train("states") };
});

async function judge(faults?: LineFaults): Promise<{
  frames: ObedienceScore[];
  states: ObedienceScore[];
  distances: FeatureDistance[];
}> {
  const material = await gatherObedience({
    model: lineModel(faults),
    replay,
    frames,
    horizons: [1, 5],
    windows: 96,
    rng: Rng.fromSeed(4),
  });
  return {
    frames: await obedienceScores(probes.frames, material),
    states: await obedienceScores(probes.states, material),
    distances: await featureDistances(probes.frames, material),
  };
}

describe("an inverse-dynamics probe", () => {
  it("reads the actions of episodes that it has not seen", async () => {
    const pairs = drawActionPairs(judged.map(stored), { count: 150, rng: Rng.fromSeed(5) });
    for (const probe of Object.values(probes)) {
      const { actions, features } = await probe.read(pairs);
      expect(features.shape[0]).toBe(150);
      expect(scoreActions(actions, pairs.actions).rSquared[0]).toBeGreaterThan(0.9);
    }
  });

  it("pairs neighbouring moments of one episode with the action between them", () => {
    const { before, after, actions } = drawActionPairs(training, { count: 100, rng: Rng.fromSeed(6) });
    actions.data.forEach((action, b) =>
      expect(after.state.data[b] - before.state.data[b]).toBeCloseTo(0.5 * action, 5),
    );
  });

  it("names the lack of episodes", () => {
    expect(() => drawActionPairs([], { count: 1, rng: Rng.fromSeed(1) })).toThrow(
      /INVALID_ARGUMENT.*episodes/,
    );
  });
});

describe("actions read off a dream", () => {
  it("are those that it was given, where the model is faithful, whoever's they were", async () => {
    const result = await judge();
    for (const score of [...result.frames, ...result.states]) {
      expect(score.real.rSquared[0]).toBeGreaterThan(0.9);
      expect(score.dreamed.rSquared[0]).toBeGreaterThan(0.85);
      expect(score.shuffled.rSquared[0]).toBeGreaterThan(0.85);
    }
  });

  it("have nothing to do with them where the model ignores actions", async () => {
    const result = await judge({ ignoresActions: true });
    for (const score of [...result.frames, ...result.states]) {
      expect(score.real.rSquared[0]).toBeGreaterThan(0.9);
      expect(score.dreamed.rSquared[0]).toBeLessThan(0.1);
      expect(score.shuffled.rSquared[0]).toBeLessThan(0.1);
      expect(score.shuffled.error[0]).toBeGreaterThan(3 * score.real.error[0]);
    }
  });
});

describe("the feature distance of dreams", () => {
  it("is about the floor for a faithful model, and that of a copied frame for one that stands still", async () => {
    const [good, still] = [await judge(), await judge({ ignoresActions: true })];
    good.distances.forEach(({ dreamed, rebuilt, floor, copyLast }, i) => {
      expect(floor).toBeLessThan(0.15);
      expect(rebuilt).toBeLessThan(0.01);
      expect(dreamed).toBeLessThan(floor + 0.02);
      expect(copyLast).toBeGreaterThan(0.3);
      expect(still.distances[i].dreamed).toBeCloseTo(still.distances[i].copyLast, 2);
    });
  });
});

describe("scores of read actions", () => {
  const column = (...values: number[]): NdArray<"float32"> => float32(values, [values.length, 1]);

  it("are 1 for the truth, 0 for its mean, and undefined where nothing was done", () => {
    const taken = column(-1, 0, 1);
    expect(scoreActions(taken, taken)).toEqual({ error: [0], rSquared: [1] });
    expect(scoreActions(zeros("float32", [3, 1]), taken).rSquared).toEqual([0]);
    expect(scoreActions(taken, column(2, 2, 2)).rSquared[0]).toBeNaN();
  });
});
