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
export const egoInTrafficLook: SpriteLook = { ...egoLook, lengthM: 4.8, widthM: 2.1 };
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
  fillPolygon(canvas, points, style.color, style.alpha);
}

interface FillStyle {
  lengthM: number;
  widthM: number;
  color: Rgb;
  alpha: number;
}

const style: FillStyle = { lengthM: 0, widthM: 0, color: [0, 0, 0], alpha: 1 };

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

const sideWindows = [0.02, 0.86, -0.5, 0.86, -0.46, 0.74, 0.04, 0.74];
const headlight = [1, 0.56, 0.99, 0.84, 0.87, 0.9, 0.9, 0.52];
const tailLight = [-0.93, 0.94, -0.99, 0.8, -1, 0.5, -0.95, 0.5];
const shadowColor: Rgb = [12, 16, 20];
const headlightColor: Rgb = [255, 246, 214];
const tailLightColor: Rgb = [120, 8, 16];
const shadowM = 0.22;

function mirrored(outline: readonly number[]): readonly number[] {
  return outline.map((value, i) => (i % 2 === 0 ? value : -value));
}

/** Draw one car for a large picture: with a shadow, lights and side windows, which 0.5 m per pixel cannot show. */
export function drawDetailedCar(canvas: Canvas, pose: SpritePose, look: SpriteLook): void {
  const cast = shadowM * pose.pixelsPerMetre;
  const size = { lengthM: look.lengthM, widthM: look.widthM, alpha: 1 };
  for (const [reach, alpha] of [
    [1.6, 0.14],
    [1, 0.2],
  ]) {
    const under = { ...pose, column: pose.column + cast * reach, row: pose.row + cast * reach };
    fillOutline(canvas, under, bodyOutline, { ...size, color: shadowColor, alpha });
  }
  drawCar(canvas, pose, look);
  for (const [outline, color] of [
    [sideWindows, look.glass],
    [headlight, headlightColor],
    [tailLight, tailLightColor],
  ] as const) {
    fillOutline(canvas, pose, outline, { ...size, color });
    fillOutline(canvas, pose, mirrored(outline), { ...size, color });
  }
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
