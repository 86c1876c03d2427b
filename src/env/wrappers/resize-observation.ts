/** @file ResizeObservation: frames in another size, by area averaging. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import type { KeyOption } from "./observation-wrapper.ts";
import { ArrayTransform, boxOf, partOf } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `ResizeObservation`. */
export interface ResizeOptions extends KeyOption {
  /** Height and width in pixels. */
  readonly shape: readonly [height: number, width: number];
}

/** For one output position: the first source position that it covers and the share of each. */
interface Cover {
  readonly first: number;
  readonly shares: Float64Array;
}

function coversOf(from: number, to: number): Cover[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const [start, end] = [i * scale, (i + 1) * scale];
    const first = Math.floor(start + 1e-9);
    const last = Math.min(Math.ceil(end - 1e-9), from);
    const shares = Float64Array.from({ length: last - first }, (_share, k) => {
      const covered = Math.min(end, first + k + 1) - Math.max(start, first + k);
      return covered / scale;
    });
    return { first, shares };
  });
}

/** Nearest whole number, halves to the even one. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

class ResizeObservationWrapper extends ArrayTransform {
  readonly #channels: number;
  readonly #fromWidth: number;
  readonly #rows: readonly Cover[];
  readonly #columns: readonly Cover[];

  constructor(env: AnyVectorEnv, options: ResizeOptions) {
    const from = boxOf(partOf(env, options.key), "ResizeObservation");
    const [height, width] = options.shape;
    if (from.dtype !== "uint8" || from.shape.length < 2 || from.shape.length > 3) {
      fail({
        code: "INVALID_SHAPE",
        what: "ResizeObservation of no frame",
        expected: "uint8 [H, W] or [H, W, C]",
        got: String(from),
      });
    }
    if (!(Number.isInteger(height) && Number.isInteger(width) && height > 0 && width > 0)) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "no such size",
        expected: "[height, width] in whole pixels",
        got: String(options.shape),
      });
    }
    super(env, from, new Box(0, 255, [height, width, ...from.shape.slice(2)], "uint8"), options.key);
    this.#channels = from.shape[2] ?? 1;
    this.#fromWidth = from.shape[1];
    this.#rows = coversOf(from.shape[0], height);
    this.#columns = coversOf(from.shape[1], width);
  }

  protected row(input: Float64Array, from: number, output: Float64Array, to: number): void {
    const channels = this.#channels;
    let o = to;
    for (const vertical of this.#rows) {
      for (const horizontal of this.#columns) {
        for (let c = 0; c < channels; c++)
          output[o++] = roundHalfEven(this.#mean(input, from + c, vertical, horizontal));
      }
    }
  }

  #mean(input: Float64Array, from: number, vertical: Cover, horizontal: Cover): number {
    const channels = this.#channels;
    let sum = 0;
    for (let y = 0; y < vertical.shares.length; y++) {
      let line = 0;
      let i = from + ((vertical.first + y) * this.#fromWidth + horizontal.first) * channels;
      for (let x = 0; x < horizontal.shares.length; x++, i += channels)
        line += horizontal.shares[x] * input[i];
      sum += vertical.shares[y] * line;
    }
    return sum;
  }
}

/**
 * Resize uint8 frames [H, W] or [H, W, C] by the mean over the area that each new pixel covers.
 *
 * Equals OpenCV's INTER_AREA when shrinking (up to 1 where it rounds a 2 × 2 mean up); when enlarging, pixels repeat.
 * @throws INVALID_SHAPE for other observations @source Gymnasium 1.4 `ResizeObservation`
 */
export function ResizeObservation<E extends AnyEnv>(
  env: E,
  options: ResizeOptions,
): Observing<E, NdArray<"uint8">> {
  return lift(env, (inner) => new ResizeObservationWrapper(inner, options));
}
