/** @file Between sRGB bytes and linear light. */

/** An sRGB value of 0–255 as linear light in 0–1. @source IEC 61966-2-1 */
export function linearOf(byte: number): number {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : Math.pow((value + 0.055) / 1.055, 2.4);
}

const steps = 8192;

function encode(): Uint8Array {
  return Uint8Array.from({ length: steps + 1 }, (_, i) => {
    const linear = i / steps;
    const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * Math.pow(linear, 1 / 2.4) - 0.055;
    return Math.round(255 * value);
  });
}

/** sRGB bytes of linear light, for `light · srgbSteps` clipped to 0 … `srgbSteps`. */
export const srgbBytes: Uint8Array = encode();

/** Steps of `srgbBytes`. */
export const srgbSteps = steps;
