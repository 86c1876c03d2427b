/** @file Anti-aliased cars and the speed bar: what a driving frame shows above the ground. */

import { fillPolygon } from "../raster.ts";
import type { Canvas, Rgb } from "../raster.ts";
import { frameSide, metresPerPixel } from "./bird-view.ts";

/** Where a car's centre appears on the image, which way it points, and how large a metre is. */
export interface SpritePose {
  /** Pixels from the left and the top. */
  column: number;
  row: number;
  /** Angle from image-up to the car's heading, counter-clockwise, rad. */
  headingRad: number;
  pixelsPerMetre: number;
}

/** Colours and size of a car's picture. */
export interface SpriteLook {
  readonly lengthM: number;
  readonly widthM: number;
  readonly body: Rgb;
  readonly glass: Rgb;
}

/** Ego's red and the others' blue. */
export const egoLook: SpriteLook = { lengthM: 4.4, widthM: 2, body: [226, 40, 46], glass: [52, 18, 24] };
export const trafficLook: SpriteLook = {
  lengthM: 4.8,
  widthM: 2.1,
  body: [52, 104, 214],
  glass: [16, 30, 66],
};

// Outlines in units of half length (forward) and half width (left): forward, left pairs.
const bodyOutline = [1, 0.6, 0.88, 0.95, -0.9, 1, -1, 0.8, -1, -0.8, -0.9, -1, 0.88, -0.95, 1, -0.6];
const windshield = [0.42, 0.76, 0.1, 0.68, 0.1, -0.68, 0.42, -0.76];
const rearWindow = [-0.55, 0.62, -0.78, 0.7, -0.78, -0.7, -0.55, -0.62];

const points = { xy: new Float64Array(32), count: 0 };

function fillOutline(canvas: Canvas, pose: SpritePose, outline: readonly number[], style: FillStyle): void {
  const cos = Math.cos(pose.headingRad);
  const sin = Math.sin(pose.headingRad);
  const halfLength = (style.lengthM / 2) * pose.pixelsPerMetre;
  const halfWidth = (style.widthM / 2) * pose.pixelsPerMetre;
  for (let i = 0; i < outline.length; i += 2) {
    const forward = outline[i] * halfLength;
    const left = outline[i + 1] * halfWidth;
    points.xy[i] = pose.column - forward * sin - left * cos;
    points.xy[i + 1] = pose.row - forward * cos + left * sin;
  }
  points.count = outline.length / 2;
  fillPolygon(canvas, points, style.color);
}

interface FillStyle {
  lengthM: number;
  widthM: number;
  color: Rgb;
}

const style: FillStyle = { lengthM: 0, widthM: 0, color: [0, 0, 0] };

/** Draw one car. */
export function drawCar(canvas: Canvas, pose: SpritePose, look: SpriteLook): void {
  style.lengthM = look.lengthM;
  style.widthM = look.widthM;
  style.color = look.body;
  fillOutline(canvas, pose, bodyOutline, style);
  style.color = look.glass;
  fillOutline(canvas, pose, windshield, style);
  fillOutline(canvas, pose, rearWindow, style);
}

const barTop = frameSide - 3;
const barColor: Rgb = [120, 225, 255];
const barBack: Rgb = [18, 20, 26];

/** Draw the three-row speed bar at the bottom of a 64×64 frame; its length is `share` of the width, to a fraction of a pixel. */
export function drawSpeedBar(share: number, out: Uint8Array, offset: number): void {
  const length = Math.min(Math.max(share, 0), 1) * frameSide;
  const top = offset + barTop * frameSide * 3;
  const bytes = frameSide * 3;
  for (let column = 0; column < frameSide; column++) {
    const lit = Math.min(Math.max(length - column, 0), 1);
    for (let c = 0; c < 3; c++) out[top + column * 3 + c] = barBack[c] + (barColor[c] - barBack[c]) * lit;
  }
  for (let row = 1; row < frameSide - barTop; row++) out.copyWithin(top + row * bytes, top, top + bytes);
}

/** The ego's pose on a 64×64 frame. */
export function egoPose(egoRow: number): SpritePose {
  return { column: frameSide / 2, row: egoRow, headingRad: 0, pixelsPerMetre: 1 / metresPerPixel };
}
