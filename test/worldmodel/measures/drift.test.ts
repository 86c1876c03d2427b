/** @file Drift: none of a faithful dream, more the longer a biased one goes on, and a bound where it looks up. */

import { describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import { driftScores, type DriftScore } from "../../../src/worldmodel/measures/drift.ts";
import type { EncodedWorldModel } from "../../../src/worldmodel/worldmodel.ts";
import { lineModel, play, replayOf } from "../line-world.ts";

const rng = Rng.fromSeed(1);
const replay = replayOf(
  Array.from({ length: 30 }, () =>
    play(
      rng.random() - 0.5,
      Array.from({ length: 40 }, (_, t) => (t % 2 === 0 ? 0.4 : -0.4) + 0.2 * (rng.random() - 0.5)),
    ),
  ),
);

/** A line whose dreams creep to the right. */
function creeping(step: number): EncodedWorldModel {
  const model = lineModel();
  return {
    ...model,
    async step(...args) {
      const prediction = await model.step(...args);
      const { x } = prediction.state;
      return { ...prediction, state: { x: { ...x, data: x.data.map((value) => value + step) } } };
    },
  };
}

const of = (model: EncodedWorldModel): Promise<DriftScore[]> =>
  driftScores({ model, replay, horizons: [1, 8, 30], windows: 64, anchorEvery: 5, rng: Rng.fromSeed(2) });

describe("drift", () => {
  it("is nothing for a faithful model: the same statistics and the same places as reality", async () => {
    for (const { dreamed, distance, floor } of await of(lineModel())) {
      expect(dreamed.shift).toBeLessThan(0.001);
      expect(dreamed.spread).toBeCloseTo(1, 3);
      expect(distance).toBeLessThan(0.001);
      expect(floor.shift).toBeGreaterThan(0.001);
    }
  });

  it("grows with the horizon for a biased one, in deviations of reality, and is held by looking up", async () => {
    const scores = await of(creeping(0.05));
    const [first, middle, last] = scores;
    expect(middle.dreamed.shift).toBeCloseTo(8 * first.dreamed.shift, 0);
    expect(last.dreamed.shift).toBeGreaterThan(3 * middle.dreamed.shift);
    expect(last.distance).toBeCloseTo(last.dreamed.shift, 1);
    expect(middle.anchored.shift).toBeCloseTo((3 / 8) * middle.dreamed.shift, 1);
    expect(last.anchored.shift).toBe(0);
    expect(last.anchoredDistance).toBe(0);
  });

  it("shows dreams that all become alike by their spread", async () => {
    const scores = await of(lineModel({ ignoresActions: true }));
    expect(scores[0].dreamed.spread).toBeGreaterThan(0.3);
    expect(scores[0].distance).toBeGreaterThan(0.3);
  });
});
