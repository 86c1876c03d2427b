/** @file Structural similarity: 1 for equals, by its formula, deaf to a little light and hurt by lost edges. */

import { describe, expect, it } from "vitest";
import { zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { structuralSimilarity } from "../../../src/worldmodel/measures/similarity.ts";

/** Gray frames uint8 [count, 16, 16, 3]. */
function gray(count: number, shade: (n: number, y: number, x: number) => number): NdArray<"uint8"> {
  const frames = zeros("uint8", [count, 16, 16, 3]);
  for (let n = 0; n < count; n++)
    for (let i = 0; i < 256; i++)
      frames.data.fill(shade(n, Math.floor(i / 16), i % 16), (n * 256 + i) * 3, (n * 256 + i + 1) * 3);
  return frames;
}

const stripes = gray(1, (_n, _y, x) => (x % 4 < 2 ? 60 : 180));

describe("structural similarity", () => {
  it("is 1 for equal frames, each pair on its own", () => {
    const rng = Rng.fromSeed(1);
    const noise = gray(3, () => Math.floor(rng.random() * 256));
    structuralSimilarity(noise, noise).forEach((value) => expect(value).toBeCloseTo(1, 6));
    const other = { ...noise, data: noise.data.slice() };
    other.data.fill(0, 768, 1536);
    const [a, b, c] = structuralSimilarity(noise, other);
    expect([a, c].map((value) => Number(value.toFixed(6)))).toEqual([1, 1]);
    expect(b).toBeLessThan(0.1);
  });

  it("of flat frames is that of their shades alone", () => {
    const c1 = (0.01 * 255) ** 2;
    const [value] = structuralSimilarity(
      gray(1, () => 100),
      gray(1, () => 150),
    );
    expect(value).toBeCloseTo((2 * 100 * 150 + c1) / (100 ** 2 + 150 ** 2 + c1), 5);
  });

  it("hardly minds a little more light, minds lost edges, and is below 0 for the negative", () => {
    const lighter = gray(1, (_n, _y, x) => (x % 4 < 2 ? 70 : 190));
    const blurred = gray(1, () => 120);
    const negative = gray(1, (_n, _y, x) => (x % 4 < 2 ? 180 : 60));
    expect(structuralSimilarity(stripes, lighter)[0]).toBeGreaterThan(0.95);
    expect(structuralSimilarity(stripes, blurred)[0]).toBeLessThan(0.1);
    expect(structuralSimilarity(stripes, negative)[0]).toBeLessThan(-0.5);
  });

  it("refuses frames of different shapes", () => {
    expect(() => structuralSimilarity(stripes, zeros("uint8", [2, 16, 16, 3]))).toThrow(/INVALID_SHAPE/);
  });
});
