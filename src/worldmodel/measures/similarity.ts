/** @file Structural similarity of frames: how alike they are to an eye that looks for edges rather than for exact shades. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";

const [WINDOW, STRIDE] = [8, 4];
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

/** Luma (BT.601) of one frame of `pixels` RGB pixels. */
function luma(data: Uint8Array, start: number, pixels: number): Float32Array {
  const out = new Float32Array(pixels);
  for (let i = 0; i < pixels; i++) {
    const at = start + 3 * i;
    out[i] = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
  }
  return out;
}

/** Similarity of two windows whose corners are at `corner`. */
function windowSimilarity(
  a: Float32Array,
  b: Float32Array,
  corner: number,
  place: { row: number; side: number },
): number {
  const count = place.side ** 2;
  let [sumA, sumB, squareA, squareB, product] = [0, 0, 0, 0, 0];
  for (let y = 0; y < place.side; y++) {
    for (let x = 0; x < place.side; x++) {
      const [p, q] = [a[corner + y * place.row + x], b[corner + y * place.row + x]];
      sumA += p;
      sumB += q;
      squareA += p * p;
      squareB += q * q;
      product += p * q;
    }
  }
  const [meanA, meanB] = [sumA / count, sumB / count];
  const [varA, varB] = [squareA / count - meanA ** 2, squareB / count - meanB ** 2];
  const shared = product / count - meanA * meanB;
  return (
    ((2 * meanA * meanB + C1) * (2 * shared + C2)) / ((meanA ** 2 + meanB ** 2 + C1) * (varA + varB + C2))
  );
}

function frameSimilarity(
  a: Float32Array,
  b: Float32Array,
  [height, width]: readonly [number, number],
): number {
  const side = Math.min(WINDOW, height, width);
  let [sum, count] = [0, 0];
  for (let y = 0; y + side <= height; y += STRIDE) {
    for (let x = 0; x + side <= width; x += STRIDE) {
      sum += windowSimilarity(a, b, y * width + x, { row: width, side });
      count++;
    }
  }
  return sum / count;
}

/**
 * Mean structural similarity of each pair of frames uint8 [B, H, W, 3]: in [-1, 1], 1 for equal frames; over luma, in uniform
 * windows of 8 × 8 (smaller for smaller frames) every 4 pixels.
 * @throws INVALID_SHAPE when the shapes differ
 * @source Wang et al. 2004, Image Quality Assessment, eq. 13 (there with Gaussian windows of 11 × 11)
 */
export function structuralSimilarity(a: NdArray<"uint8">, b: NdArray<"uint8">): number[] {
  if (a.shape.join() !== b.shape.join() || a.shape.length !== 4) {
    fail({
      code: "INVALID_SHAPE",
      what: "frames of different shapes cannot be compared",
      expected: `[${a.shape.join(", ")}]`,
      got: `[${b.shape.join(", ")}]`,
      fix: "give two arrays of shape [B, H, W, 3]",
    });
  }
  const [batch, height, width] = a.shape;
  const pixels = height * width;
  return Array.from({ length: batch }, (_, i) =>
    frameSimilarity(luma(a.data, 3 * i * pixels, pixels), luma(b.data, 3 * i * pixels, pixels), [
      height,
      width,
    ]),
  );
}
