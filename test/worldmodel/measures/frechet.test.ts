/** @file The Fréchet distance: its closed form where there is one, nothing between equals, more for more corruption. */

import { describe, expect, it } from "vitest";
import { ndarray, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { frechetDistance } from "../../../src/worldmodel/measures/frechet.ts";

/** Rows whose five features depend on each other. */
function features(count: number, seed: number): NdArray<"float32"> {
  const rng = Rng.fromSeed(seed);
  const data = new Float32Array(count * 5);
  for (let i = 0; i < count; i++) {
    const [a, b] = [rng.normal(), rng.normal()];
    data.set([a, a + 0.5 * b, b - a, 0.3 * rng.normal() + b, 2 * rng.normal()], 5 * i);
  }
  return ndarray("float32", [count, 5], data);
}

const changed = (x: NdArray<"float32">, fn: (value: number, i: number) => number): NdArray<"float32"> => ({
  ...x,
  data: x.data.map(fn),
});

describe("the Fréchet distance", () => {
  it("is 0 between a set and itself, in another order of its rows and features too", () => {
    const x = features(200, 1);
    const turned = (y: NdArray<"float32">): NdArray<"float32"> =>
      changed(y, (_, i) => y.data[y.data.length - 1 - i]);
    expect(frechetDistance(x, x)).toBeCloseTo(0, 6);
    expect(frechetDistance(turned(x), turned(x))).toBeCloseTo(0, 6);
    expect(frechetDistance(turned(x), features(200, 2))).toBeCloseTo(
      frechetDistance(turned(features(200, 2)), x),
      4,
    );
  });

  it("is the squared shift plus (k - 1)² times the variance when one set is k times the other, moved", () => {
    const x = features(300, 3);
    const [count, size] = x.shape;
    const mean = Array.from(
      { length: size },
      (_, d) => x.data.filter((_v, i) => i % size === d).reduce((a, b) => a + b) / count,
    );
    const variance = x.data.reduce((sum, value, i) => sum + (value - mean[i % size]) ** 2, 0) / (count - 1);
    const shift = mean.reduce((sum, m) => sum + (2 * m + 1) ** 2, 0);
    const moved = changed(x, (value) => 3 * value + 1);
    expect(frechetDistance(moved, x)).toBeCloseTo(shift + 4 * variance, 2);
    expect(frechetDistance(x, moved)).toBeCloseTo(shift + 4 * variance, 2);
  });

  it("sees dependence that means and variances do not show", () => {
    const x = features(400, 4);
    const mirrored = changed(x, (value, i) => (i % 5 === 2 ? -value : value));
    expect(frechetDistance(mirrored, x)).toBeGreaterThan(1);
  });

  it("is small between two samples of one kind and grows with corruption", () => {
    const real = features(500, 5);
    const floor = frechetDistance(features(500, 6), real);
    const rng = Rng.fromSeed(7);
    const corrupted = [0.5, 1, 2].map((noise) =>
      frechetDistance(
        changed(features(500, 6), (value) => value + noise * rng.normal()),
        real,
      ),
    );
    expect(floor).toBeLessThan(0.1);
    expect(corrupted[0]).toBeGreaterThan(3 * floor);
    expect(corrupted[1]).toBeGreaterThan(2 * corrupted[0]);
    expect(corrupted[2]).toBeGreaterThan(2 * corrupted[1]);
  });

  it("refuses sets of different widths", () => {
    const narrow = ndarray("float32", [4, 2], new Float32Array(8));
    expect(() => frechetDistance(narrow, features(4, 1))).toThrow(/INVALID_SHAPE/);
  });
});
