/** @file Correlations of imagined with real returns: by hand, under laws, and with intervals that hold. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/core/rng.ts";
import { correlationOf, pearsonOf, spearmanOf } from "../../src/experiment/policy-returns.ts";

describe("correlation", () => {
  it("is right in examples done by hand", () => {
    const [x, y] = [
      [1, 2, 3, 4, 5, 6],
      [2, 1, 4, 3, 7, 30],
    ];
    expect(pearsonOf(x, y)).toBeCloseTo(0.7593, 4);
    expect(spearmanOf(x, y)).toBeCloseTo(0.8857, 4);
    expect(spearmanOf([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(0.9487, 4);
  });

  it("does not change under rising lines, and ranks under no rising change at all", () => {
    const values = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 4, maxLength: 12 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.1, max: 9, noNaN: true }), (x, slope) => {
        const rounded = x.map((value) => Math.round(value * 100) / 100);
        const y = rounded.map((value, i) => value + ((i * 7) % 5));
        const r = pearsonOf(rounded, y);
        fc.pre(!Number.isNaN(r));
        expect(
          pearsonOf(
            rounded.map((value) => slope * value - 3),
            y,
          ),
        ).toBeCloseTo(r, 6);
        expect(
          spearmanOf(
            rounded.map((value) => Math.exp(value)),
            y,
          ),
        ).toBeCloseTo(spearmanOf(rounded, y), 9);
      }),
    );
  });

  it("is no number where one side does not vary", () => {
    expect(pearsonOf([1, 1, 1], [1, 2, 3])).toBeNaN();
    expect(correlationOf([1, 1, 1], [1, 2, 3]).pearson.value).toBeNaN();
  });

  it("comes with bias, error, wrong pairs and an interval that is wider for fewer policies", () => {
    const { bias, error, wrongPairs, policies } = correlationOf([1, 5, 3, 8], [2, 4, 5, 9]);
    expect(bias).toBe(-0.75);
    expect(error).toBe(1.25);
    expect(wrongPairs).toBeCloseTo(1 / 6, 12);
    expect(policies).toBe(4);
    const rng = Rng.fromSeed(1);
    const real = Array.from({ length: 60 }, () => rng.normal());
    const imagined = real.map((value) => value + 0.5 * rng.normal());
    const [many, few] = [
      correlationOf(imagined, real),
      correlationOf(imagined.slice(0, 12), real.slice(0, 12)),
    ];
    expect(many.pearson.low).toBeLessThan(many.pearson.value);
    expect(many.pearson.high).toBeGreaterThan(many.pearson.value);
    expect(few.pearson.high - few.pearson.low).toBeGreaterThan(many.pearson.high - many.pearson.low);
    // The truth of this draw: 1 / √1.25 = 0.894.
    expect(many.pearson.low).toBeLessThan(0.894);
    expect(many.pearson.high).toBeGreaterThan(0.894);
  });
});
