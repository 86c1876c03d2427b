/** @file What a world model learns of a world whose every answer is known, in both forms. */

import { beforeAll, describe, expect, it } from "vitest";
import { float32, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { drawSegments } from "../../src/worldmodel/measures/evaluate.ts";
import { contextState } from "../../src/worldmodel/contexts.ts";
import { imagineActions, presentActions } from "../../src/worldmodel/imagine.ts";
import type { LatentWorldModel } from "../../src/worldmodel/latent/latent-model.ts";
import type { Prediction } from "../../src/worldmodel/worldmodel.ts";
import { actionSpec, configOf, play, randomEpisodes, replayOf, standing, trained } from "./line-world.ts";

const replay = replayOf(randomEpisodes(80, 12, 1));
const heldOut = replayOf(randomEpisodes(30, 12, 2));

/** Imagine the given actions from the given positions: one prediction per step. */
async function imagine(model: LatentWorldModel, at: number[], sequences: number[][]): Promise<Prediction[]> {
  const actions = float32(sequences.flat(), [at.length, sequences[0].length, 1]);
  const out: Prediction[] = [];
  await imagineActions(model, standing(model, at), actions, (_, prediction) => void out.push(prediction));
  return out;
}

/** Newest position in row `row` of a predicted state. */
const positionIn = ({ state }: Prediction, row: number): number => {
  const [, frames, width] = state.latents.shape;
  return state.latents.data[((row + 1) * frames - 1) * width];
};

/** Mean absolute error of the position after 1 … H held-out steps under `change`d actions. */
async function errorUnder(
  model: LatentWorldModel,
  change: (actions: NdArray<"float32">) => void,
): Promise<number> {
  const horizon = 3;
  const segments = drawSegments(heldOut, { count: 64, horizon, rng: Rng.fromSeed(5) });
  const batch = heldOut.gather(segments, { context: model.contextLength, horizon });
  const actions = presentActions(batch.transitions.action, model.contextLength);
  change(actions);
  let sum = 0;
  await imagineActions(model, contextState(model, batch), actions, (h, prediction) => {
    const [rowCount, time, width] = batch.observations.latent.shape;
    for (let b = 0; b < rowCount; b++) {
      const truth = batch.observations.latent.data[(b * time + model.contextLength + h) * width];
      sum += Math.abs(positionIn(prediction, b) - truth) / (rowCount * horizon);
    }
  });
  return sum;
}

describe.each(["deterministic", "flow"] as const)("a model of the %s form", (form) => {
  let model: LatentWorldModel;
  beforeAll(async () => {
    model = await trained(replay, configOf(form), { steps: form === "flow" ? 320 : 200, horizon: 3 });
  });

  it("predicts what held-out actions lead to, and is wrong when they are shuffled or shifted by a step", async () => {
    const right = await errorUnder(model, () => {});
    const shuffled = await errorUnder(model, ({ data }) => void data.reverse());
    const late = await errorUnder(model, ({ data, shape }) => {
      for (let b = 0; b < shape[0]; b++)
        data.copyWithin(b * shape[1] + 1, b * shape[1], (b + 1) * shape[1] - 1);
    });
    const early = await errorUnder(model, ({ data, shape }) => {
      for (let b = 0; b < shape[0]; b++) data.copyWithin(b * shape[1], b * shape[1] + 1, (b + 1) * shape[1]);
    });
    expect(right).toBeLessThan(0.13);
    expect(shuffled).toBeGreaterThan(2.5 * right);
    expect(late).toBeGreaterThan(1.3 * right);
    expect(early).toBeGreaterThan(1.3 * right);
  });

  it("tells the reward and the state that an action leads to, in their own units", async () => {
    const [prediction] = await imagine(model, [0, 0, 0.6], [[1], [-1], [0.5]]);
    const { state } = await model.decode(prediction.state);
    [0.5, -0.5, 0.85].forEach((expected, row) => {
      expect(Math.abs(prediction.rewards.data[row] - expected)).toBeLessThan(0.2);
      expect(Math.abs(state.data[row] - expected)).toBeLessThan(0.2);
    });
  });

  it("ends exactly where the task does, several imagined steps ahead", async () => {
    const sequences = [
      [1, 1, 1, 1],
      [-1, -1, -1, -1],
      [1, -1, 1, -1],
      [0.1, 0.1, 0.1, 0.1],
    ];
    const ends = sequences.map((actions) => play(0, actions));
    expect(ends.map(({ terminated, actions }) => terminated && actions.length)).toEqual([4, 4, false, false]);
    const steps = await imagine(model, [0, 0, 0, 0], sequences);
    steps.forEach(({ terminatedProbabilities: { data } }, h) => {
      for (const row of [0, 1]) {
        if (h === 3) expect(data[row]).toBeGreaterThan(0.8);
        else expect(data[row]).toBeLessThan(0.2);
      }
      for (const row of [2, 3]) expect(data[row]).toBeLessThan(0.05);
    });
  });
});

describe("an ensemble", () => {
  it("agrees on the data and disagrees far off it", async () => {
    const model = await trained(replay, configOf("deterministic"), { steps: 80, horizon: 1, members: 2 });
    const mean = async (at: number[]): Promise<number> => {
      const [{ uncertainties }] = await imagine(
        model,
        at,
        at.map(() => [0.5]),
      );
      return uncertainties.data.reduce((a, b) => a + b, 0) / at.length;
    };
    const known = await mean([-1, -0.5, 0, 0.5, 1]);
    const unknown = await mean([-12, -8, 8, 12]);
    expect(known).toBeGreaterThan(0);
    expect(unknown).toBeGreaterThan(3 * known);
    expect(model.actionSpec).toBe(actionSpec);
  });
});

describe("the flow form", () => {
  it("draws both outcomes of a fork, where the deterministic form gives their mean", async () => {
    const coin = Rng.fromSeed(9);
    const forks = Array.from({ length: 60 }, () => {
      const side = coin.random() < 0.5 ? -1 : 1;
      return { positions: [0, side], actions: [0], terminated: false };
    });
    const fork = replayOf(forks);
    const landings = async (form: "deterministic" | "flow"): Promise<number[]> => {
      const config = { ...configOf(form), samplingSteps: 4 };
      const model = await trained(fork, config, { steps: form === "flow" ? 300 : 60, horizon: 1 });
      const [prediction] = await imagine(model, new Array(40).fill(0), new Array(40).fill([0]));
      return Array.from({ length: 40 }, (_, row) => positionIn(prediction, row));
    };
    for (const x of await landings("deterministic")) expect(Math.abs(x)).toBeLessThan(0.4);
    const drawn = await landings("flow");
    expect(drawn.filter((x) => Math.abs(Math.abs(x) - 1) < 0.35).length).toBeGreaterThan(26);
    expect(drawn.filter((x) => x > 0.6).length).toBeGreaterThan(6);
    expect(drawn.filter((x) => x < -0.6).length).toBeGreaterThan(6);
  });
});
