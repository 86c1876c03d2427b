/** @file Smooth resizing: a triangle filter that widens when an image shrinks, so that nothing aliases. */

import { zeros } from "../core/ndarray.ts";
import type { Image } from "./image.ts";

/** Which source positions make one output position: `weights[k]` belongs to source `first + k`. */
interface Tap {
  readonly first: number;
  readonly weights: Float64Array;
}

function tapsOf(from: number, to: number): Tap[] {
  const ratio = from / to;
  const radius = Math.max(1, ratio);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * ratio;
    const first = Math.max(0, Math.floor(center - radius + 0.5));
    const end = Math.min(from, Math.floor(center + radius + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_weight, k) =>
      Math.max(0, 1 - Math.abs(first + k + 0.5 - center) / radius),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** One output sample: the weighted sum along an axis whose neighbours lie `step` apart. */
function blend(
  data: Float64Array | Uint8Array,
  { first, weights }: Tap,
  start: number,
  step: number,
): number {
  let sum = 0;
  for (let k = 0; k < weights.length; k++) sum += weights[k] * data[start + (first + k) * step];
  return sum;
}

/**
 * An image in another size, uint8 [height, width, 3].
 *
 * @source Pillow 11, `ImagingResample` with its bilinear filter
 */
export function resizeImage(image: Image, size: { readonly height: number; readonly width: number }): Image {
  const [fromHeight, fromWidth] = image.shape;
  const { height, width } = size;
  const narrow = new Float64Array(fromHeight * width * 3);
  tapsOf(fromWidth, width).forEach((tap, x) => {
    for (let y = 0; y < fromHeight; y++) {
      for (let c = 0; c < 3; c++)
        narrow[(y * width + x) * 3 + c] = blend(image.data, tap, y * fromWidth * 3 + c, 3);
    }
  });
  const out = zeros("uint8", [height, width, 3]);
  tapsOf(fromHeight, height).forEach((tap, y) => {
    for (let i = 0; i < width * 3; i++)
      out.data[y * width * 3 + i] = Math.round(blend(narrow, tap, i, width * 3));
  });
  return out;
}
