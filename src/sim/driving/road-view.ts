/** @file The picture of the three-lane road: a prefiltered cross-section texture, and the per-pixel camera that reads it. */

import { frameSide, metresPerPixel } from "./bird-view.ts";
import type { View } from "./bird-view.ts";
import { above, asphalt, band, blend, packColor, paintGrass, stripe } from "./paint.ts";
import type { Color } from "./paint.ts";
import { laneWidthM, roadHalfWidthM, roadSpacingM } from "./road.ts";
import type { Road } from "./road.ts";

const lineWhite = [232, 232, 228] as const;
const edgeLine = { from: roadHalfWidthM - 0.4, to: roadHalfWidthM - 0.15 };
const shoulderM = roadHalfWidthM + 0.3;
const laneLine = { from: laneWidthM / 2 - 0.12, to: laneWidthM / 2 + 0.12 };
const dash = { period: 8, on: 3.5 };

/** Paint the paved cross-section over what `color` holds: shoulders, white edge lines, dashed lane lines. */
export function paintLanes(place: { arcM: number; lateralM: number }, filterM: number, color: Color): void {
  const offset = Math.abs(place.lateralM);
  const inside = above(shoulderM, offset, filterM);
  if (inside === 0) return;
  pavedScratch.set(asphalt);
  blend(pavedScratch, lineWhite, band(offset, edgeLine, filterM));
  const onLine = band(offset, laneLine, filterM);
  if (onLine > 0) blend(pavedScratch, lineWhite, onLine * stripe(place.arcM, dash, filterM));
  blend(color, pavedScratch, inside);
}

const grassMean = [97, 146, 80];
const pavedScratch: Color = new Float64Array(3);

const filterM = 0.6;
const textureHalfM = roadHalfWidthM + 1;
const lateralTexels = 16;
const arcTexels = 8;
const grassTexels = 8;

/** Rows: lateral offset at 1/16 m from -7 m; columns: one dash period of arc length at 1/8 m. Packed 0x00BBGGRR. */
function paintPaved(): Int32Array {
  const columns = dash.period * arcTexels;
  const texture = new Int32Array(2 * textureHalfM * lateralTexels * columns);
  const color: Color = new Float64Array(3);
  for (let i = 0; i < texture.length; i++) {
    const lateralM = (Math.floor(i / columns) + 0.5) / lateralTexels - textureHalfM;
    const arcM = ((i % columns) + 0.5) / arcTexels;
    color.set(grassMean);
    paintLanes({ arcM, lateralM }, filterM, color);
    texture[i] = packColor(color);
  }
  return texture;
}

/** One 8 m × 8 m period of the grass at 1/8 m. */
function paintMeadow(): Int32Array {
  const side = 8 * grassTexels;
  const texture = new Int32Array(side * side);
  const color: Color = new Float64Array(3);
  for (let i = 0; i < texture.length; i++) {
    paintGrass(color, ((i % side) + 0.5) / grassTexels, (Math.floor(i / side) + 0.5) / grassTexels);
    texture[i] = packColor(color);
  }
  return texture;
}

let textures: { readonly paved: Int32Array; readonly meadow: Int32Array } | undefined;

/** Where a row of pixels begins on the ground, and the step from pixel to pixel, in m. */
interface Scan {
  x: number;
  y: number;
  readonly stepX: number;
  readonly stepY: number;
}

/** Draw one row of pixels. */
function drawRow(road: Road, scan: Scan, out: Uint8Array, start: number): void {
  // Locals, because V8 folds these where it would reload a module's constants for every pixel.
  const { firstX, y: roadY, tangentX, tangentY, arc } = road;
  const { paved, meadow } = (textures ??= { paved: paintPaved(), meadow: paintMeadow() });
  const half = textureHalfM;
  const perMetre = 1 / roadSpacingM;
  const steepest = half * 1.6;
  const { stepX, stepY } = scan;
  let { x, y } = scan;
  for (let at = start, end = start + frameSide * 3; at < end; at += 3) {
    let i = ((x - firstX) * perMetre + 0.5) | 0;
    const height = y - roadY[i];
    let texel = -1;
    if (height < steepest && height > -steepest) {
      const foot = x + height * tangentY[i] * tangentX[i];
      i = ((foot - firstX) * perMetre + 0.5) | 0;
      const dx = x - firstX - i * roadSpacingM;
      const dy = y - roadY[i];
      const lateral = dy * tangentX[i] - dx * tangentY[i] + half;
      if (lateral >= 0 && lateral < 2 * half) {
        const along = arc[i] + dx * tangentX[i] + dy * tangentY[i];
        texel = paved[((lateral * 16) | 0) * 64 + ((along * 8 + 8192) & 63)];
      }
    }
    if (texel < 0) texel = meadow[(((y * 8 + 8192) & 63) << 6) | ((x * 8 + 8192) & 63)];
    out[at] = texel & 255;
    out[at + 1] = (texel >> 8) & 255;
    out[at + 2] = texel >> 16;
    x += stepX;
    y += stepY;
  }
}

/** Draw road and grass into `out[offset …]` (uint8, 64 × 64 × 3), heading up, the ego at column 32 and `view.egoRow`. */
export function drawRoad(road: Road, view: View, out: Uint8Array, offset: number): void {
  const cos = Math.cos(view.yawRad);
  const sin = Math.sin(view.yawRad);
  const scan: Scan = { x: 0, y: 0, stepX: sin * metresPerPixel, stepY: -cos * metresPerPixel };
  const rightward = (0.5 - frameSide / 2) * metresPerPixel;
  for (let row = 0; row < frameSide; row++) {
    const forward = (view.egoRow - row - 0.5) * metresPerPixel;
    scan.x = view.xM + forward * cos + rightward * sin;
    scan.y = view.yM + forward * sin - rightward * cos;
    drawRow(road, scan, out, offset + row * frameSide * 3);
  }
}
