/** @file Statistics of few runs against SciPy's numbers, and what the bootstrap must and must not do. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  iqmOf,
  medianOf,
  optimalityGapOf,
  pairBootstrap,
  performanceProfile,
  probabilityOfImprovement,
  quantileOf,
  standardErrorOf,
  stratifiedBootstrap,
} from "../../../src/experiment/report/statistics.ts";

describe("statistics", () => {
  it("takes the interquartile mean as SciPy 1.17's trim_mean(x, 0.25) does", () => {
    expect(iqmOf([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])).toBeCloseTo(3.857142857142857, 12);
    expect(iqmOf([2, 7, 1, 8, 2, 8])).toBe(4.75);
    expect(iqmOf([9, 0, 3])).toBe(4);
  });

  it("interpolates quantiles as NumPy 2.4 does", () => {
    expect(quantileOf([2, 7, 1, 8, 2, 8], 0.37)).toBe(2);
    expect(medianOf([4, 1, 3, 2])).toBe(2.5);
  });

  it("counts wins and half of the ties as SciPy's mannwhitneyu does, averaged over tasks", () => {
    const [x, y] = [
      [3, 1, 4, 1, 5],
      [2, 7, 1, 8],
    ];
    expect(probabilityOfImprovement([x], [y])).toBeCloseTo(0.35, 12);
    expect(probabilityOfImprovement([x, [1]], [y, [0]])).toBeCloseTo((0.35 + 1) / 2, 12);
  });

  it("does not let what exceeds the target make up for a shortfall", () => {
    expect(optimalityGapOf([0.5, 3])).toBe(0.25);
    expect(standardErrorOf([1, 3])).toBe(1);
    expect(performanceProfile([1, 2, 3], [0, 2, 3])).toEqual([1, 1 / 3, 0]);
  });

  it("gives the interval of a NumPy bootstrap that draws runs within each task", () => {
    const strata = [
      [3, 1, 4, 1, 5],
      [9, 2, 6, 5, 3],
    ];
    const { iqm } = stratifiedBootstrap(strata, { iqm: (s) => iqmOf(s.flat()) });
    expect(iqm.value).toBeCloseTo(3.6667, 4);
    // 200 000 draws of NumPy and SciPy: [2.1667, 5.1667], on a grid of sixths.
    expect(iqm.low).toBeCloseTo(2.1667, 1);
    expect(iqm.high).toBeCloseTo(5.1667, 1);
  });

  it("never draws across tasks, and the same seed draws the same", () => {
    const means = { spread: ([a, b]: readonly (readonly number[])[]) => b[0] - a[0] };
    const strata = [
      [1, 1, 1],
      [5, 5, 5],
    ];
    expect(stratifiedBootstrap(strata, means).spread).toEqual({ value: 4, low: 4, high: 4 });
    const gap = (x: readonly (readonly number[])[], y: readonly (readonly number[])[]): number =>
      x[0][0] - y[0][0];
    expect(pairBootstrap([[1, 2]], [[0, 4]], gap, { seed: 3 })).toEqual(
      pairBootstrap([[1, 2]], [[0, 4]], gap, { seed: 3 }),
    );
  });

  it("keeps every interval within the scores and around its value", () => {
    const score = fc.double({ min: -100, max: 100, noNaN: true });
    fc.assert(
      fc.property(fc.array(score, { minLength: 1, maxLength: 8 }), (scores) => {
        const options = { resamples: 200 };
        const { iqm } = stratifiedBootstrap([scores], { iqm: (s) => iqmOf(s.flat()) }, options);
        expect(iqm.low).toBeGreaterThanOrEqual(Math.min(...scores) - 1e-9);
        expect(iqm.high).toBeLessThanOrEqual(Math.max(...scores) + 1e-9);
        expect(iqm.low).toBeLessThanOrEqual(iqm.high);
      }),
      { numRuns: 50 },
    );
  });
});
