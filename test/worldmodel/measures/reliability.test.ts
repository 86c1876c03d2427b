/** @file Reliability curves: right by hand, 0 for honest predictions, and large for boasts. */

import { describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import { reliability } from "../../../src/worldmodel/measures/reliability.ts";

describe("reliability", () => {
  it("is right in an example done by hand", () => {
    const { bins, calibrationError, meanSquaredError, skill } = reliability(
      [0.1, 0.3, 0.8, 0.9],
      [0, 1, 1, 1],
      [0.5],
    );
    expect(bins.map(({ count }) => count)).toEqual([2, 2]);
    expect(bins[0].predicted).toBeCloseTo(0.2, 12);
    expect(bins[0].observed).toBe(0.5);
    expect(bins[0].standardError).toBeCloseTo(0.5, 12);
    expect(bins[1].predicted).toBeCloseTo(0.85, 12);
    expect(calibrationError).toBeCloseTo((2 * 0.3 + 2 * 0.15) / 4, 12);
    expect(meanSquaredError).toBeCloseTo((0.01 + 0.49 + 0.04 + 0.01) / 4, 12);
    expect(skill).toBeCloseTo(1 - 0.1375 / 0.1875, 12);
  });

  it("is near 0 for probabilities that mean what they say, and not for those that say too much", () => {
    const rng = Rng.fromSeed(1);
    const honest = Array.from({ length: 4000 }, () => rng.random());
    const happened = honest.map((p) => (rng.random() < p ? 1 : 0));
    const edges = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
    expect(reliability(honest, happened, edges).calibrationError).toBeLessThan(0.03);
    const boast = honest.map((p) => (p > 0.5 ? 1 : 0));
    expect(reliability(boast, happened, edges).calibrationError).toBeGreaterThan(0.2);
  });

  it("makes bins of equal counts of values without borders, and leaves empty bins out", () => {
    const values = Array.from({ length: 50 }, (_, i) => i * i);
    const { bins, skill } = reliability(values, values, "quantiles");
    expect(bins.map(({ count }) => count)).toEqual(new Array(10).fill(5));
    expect(skill).toBe(1);
    expect(reliability([0.95, 0.99], [1, 1], [0.5]).bins).toHaveLength(1);
    expect(reliability([0.95, 0.99], [1, 1], [0.5]).skill).toBeNaN();
  });
});
