/** @file Moving pictures whose content can be told apart after lossy coding. */

import { zeros } from "../../src/core/ndarray.ts";
import type { Image } from "../../src/data/image.ts";

/** A gradient with a bright square that moves 2 pixels to the right per frame. */
export function movingFrame(height: number, width: number, time: number): Image {
  const frame = zeros("uint8", [height, width, 3]);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = Math.abs(y - height / 2) < height / 6 && Math.abs(x - width / 6 - 2 * time) < width / 8;
      const color = inside ? [250, 220, 40] : [(x * 120) / width, (y * 120) / height, 90];
      frame.data.set(color, (y * width + x) * 3);
    }
  }
  return frame;
}

/** Mean absolute difference of two images, in steps of 0 … 255. */
export function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
}
