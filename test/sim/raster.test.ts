/** @file The rasterizer covers exactly the area of a polygon, wherever it lies, and leaves no trace in its scratch. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clearCanvas, fillPolygon, makeCanvas } from "../../src/sim/raster.ts";
import type { Canvas } from "../../src/sim/raster.ts";

const white = [255, 255, 255] as const;

function brightness(canvas: Canvas): number {
  let sum = 0;
  for (let i = 0; i < canvas.data.length; i += 3) sum += canvas.data[i];
  return sum / 255;
}

function fill(canvas: Canvas, xy: readonly number[]): Canvas {
  fillPolygon(canvas, { xy, count: xy.length / 2 }, white);
  return canvas;
}

describe("fillPolygon", () => {
  it("covers the exact share of every pixel under an axis-aligned rectangle", () => {
    const canvas = fill(makeCanvas(4, 3), [0.5, 0.25, 2.5, 0.25, 2.5, 2, 0.5, 2]);
    const red = Array.from({ length: 12 }, (_, i) => canvas.data[3 * i]);
    const [half, threeQuarters] = [128, 191];
    expect(red).toEqual([
      Math.round(255 * 0.375),
      threeQuarters,
      Math.round(255 * 0.375),
      0,
      half,
      255,
      half,
      0,
      0,
      0,
      0,
      0,
    ]);
  });

  it("covers half of the pixels that a diagonal cuts", () => {
    const canvas = fill(makeCanvas(3, 3), [0, 0, 3, 3, 0, 3]);
    expect(canvas.data[0]).toBe(128);
    expect(canvas.data[(3 + 1) * 3]).toBe(128);
    expect(canvas.data[3 * 3]).toBe(255);
    expect(canvas.data[3]).toBe(0);
  });

  it("lights the area of any triangle inside the image", () => {
    const coordinate = fc.double({ min: 0, max: 20, noNaN: true });
    fc.assert(
      fc.property(fc.array(coordinate, { minLength: 6, maxLength: 6 }), (xy) => {
        const [x0, y0, x1, y1, x2, y2] = xy;
        const area = Math.abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) / 2;
        expect(Math.abs(brightness(fill(makeCanvas(20, 20), xy)) - area)).toBeLessThan(0.25);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it("clips what lies outside on every side", () => {
    const canvas = fill(makeCanvas(5, 5), [-3, -3, 9, -3, 9, 2.5, -3, 2.5]);
    expect(brightness(canvas)).toBeCloseTo(12.5, 1);
    const beside = fill(makeCanvas(5, 5), [-4, -1, 2, 2.5, -4, 6]);
    expect(beside.data[(2 * 5 + 0) * 3]).toBe(255);
    expect(beside.data[(2 * 5 + 4) * 3]).toBe(0);
  });

  it("leaves the scratch empty, so that shapes do not leak into one another", () => {
    const canvas = makeCanvas(16, 16);
    const random = fc.array(fc.double({ min: -8, max: 24, noNaN: true }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(random, (xy) => {
        fill(canvas, xy);
        expect(canvas.coverage.every((value) => Math.abs(value) < 1e-9)).toBe(true);
      }),
      { numRuns: 200, seed: 2 },
    );
  });

  it("blends by opacity and draws only at its offset", () => {
    const canvas = makeCanvas(2, 2, new Uint8Array(24));
    canvas.offset = 12;
    clearCanvas(canvas, [100, 100, 100]);
    fillPolygon(canvas, { xy: [0, 0, 2, 0, 2, 2, 0, 2], count: 4 }, [200, 0, 100], 0.5);
    expect([...canvas.data]).toEqual([
      ...new Array(12).fill(0),
      ...Array.from({ length: 4 }, () => [150, 50, 100]).flat(),
    ]);
  });
});
