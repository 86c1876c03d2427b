/** @file Textures of the ray caster: checkers, grids, images and painters, filtered over the pixel's footprint. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Rgb } from "../raster.ts";
import { linearOf } from "./srgb.ts";

/**
 * Changes a material's colour with the place. `place` holds u and v and the width of the pixel's footprint, in m; `color`
 * (linear light, three numbers) is the material's and is overwritten.
 *
 * u and v are the x and y of a plane, the two axes of a box's face, arc length and height on the other shapes.
 */
export type Texture = (place: Float64Array, color: Float64Array) => void;

/** Mean of the square wave sign(sin πx) over a box filter of width `filter` around `x`. */
function squareWave(x: number, filter: number): number {
  const left = x - 0.5 * filter;
  const right = x + 0.5 * filter;
  const from = left - 2 * Math.floor(0.5 * left);
  const to = right - 2 * Math.floor(0.5 * right);
  return ((to < 1 ? to : 2 - to) - (from < 1 ? from : 2 - from)) / filter;
}

function mix(color: Float64Array, other: Float64Array, share: number): void {
  for (let c = 0; c < 3; c++) color[c] += (other[c] - color[c]) * share;
}

/** Squares of `cellM`: the material's colour, and `other`. */
export function checker(cellM: number, other: Rgb): Texture {
  const second = Float64Array.from(other, linearOf);
  const perMetre = 1 / cellM;
  return (place, color) => {
    const width = place[2] * perMetre;
    const filter = width > 1e-4 ? width : 1e-4;
    const product = squareWave(place[0] * perMetre, filter) * squareWave(place[1] * perMetre, filter);
    const share = 0.5 - 0.5 * product;
    color[0] += (second[0] - color[0]) * share;
    color[1] += (second[1] - color[1]) * share;
    color[2] += (second[2] - color[2]) * share;
  };
}

/** Share of a filter of width `filter` around `x` that lies in lines `width` wide at every integer. */
function lines(x: number, width: number, filter: number): number {
  const covered = (at: number): number => {
    const cell = Math.floor(at + 0.5);
    const within = Math.min(Math.max(at - cell, -width / 2), width / 2);
    return cell * width + within;
  };
  return (covered(x + filter / 2) - covered(x - filter / 2)) / filter;
}

/** Lines `lineM` wide around every multiple of `cellM`, in `other`. */
export function grid(cellM: number, lineM: number, other: Rgb): Texture {
  const second = Float64Array.from(other, linearOf);
  return (place, color) => {
    const filter = Math.max(place[2] / cellM, 1e-4);
    const across = lines(place[0] / cellM, lineM / cellM, filter);
    const along = lines(place[1] / cellM, lineM / cellM, filter);
    mix(color, second, 1 - (1 - across) * (1 - along));
  };
}

/**
 * An image uint8 [H, W, 3] stretched over `widthM` × `heightM` and repeated, its first row at the largest v; bilinear.
 * The footprint is not filtered: use an image about as fine as the picture. @throws INVALID_SHAPE
 */
export function imageTexture(image: NdArray<"uint8">, widthM: number, heightM: number): Texture {
  const [rows, columns, channels] = image.shape;
  if (image.shape.length !== 3 || channels !== 3) {
    fail({
      code: "INVALID_SHAPE",
      what: "a texture's image has another shape",
      expected: "uint8 [H, W, 3]",
      got: `[${image.shape.join(", ")}]`,
    });
  }
  const texels = Float32Array.from(image.data, linearOf);
  const wrap = (i: number, count: number): number => ((i % count) + count) % count;
  return (place, color) => {
    const x = (place[0] / widthM) * columns - 0.5;
    const y = -(place[1] / heightM) * rows - 0.5;
    const [left, top] = [Math.floor(x), Math.floor(y)];
    color.fill(0);
    for (let k = 0; k < 4; k++) {
      const [i, j] = [k & 1, k >> 1];
      const weight = (i === 0 ? 1 - x + left : x - left) * (j === 0 ? 1 - y + top : y - top);
      const texel = 3 * (wrap(top + j, rows) * columns + wrap(left + i, columns));
      for (let c = 0; c < 3; c++) color[c] += weight * texels[texel + c];
    }
  };
}

/** A painter that knows sRGB 0–255, as the driving simulators' are, as a texture. */
export function painted(paint: (place: Float64Array, color: Float64Array) => void): Texture {
  return (place, color) => {
    paint(place, color);
    for (let c = 0; c < 3; c++) color[c] = linearOf(color[c]);
  };
}
