/** @file The bird's-eye camera: samples a track's colour map into an ego-centred, heading-up 64×64 frame. */

import { gridBits, gridSide, texelM, tileBits, tileM, tileSide } from "./track-map.ts";
import type { ColorMap } from "./track-map.ts";

/** Frame side in pixels. */
export const frameSide = 64;
export const frameBytes = frameSide * frameSide * 3;
export const metresPerPixel = 0.5;

/** Where the camera stands: the ego's pose, and the image row (pixels from the top) at which the ego appears. */
export interface View {
  xM: number;
  yM: number;
  yawRad: number;
  egoRow: number;
}

const one = 65536;

/** Where a row of pixels begins in the map, and the step from pixel to pixel: 16.16 fixed-point texels. */
interface Scan {
  u: number;
  v: number;
  readonly stepU: number;
  readonly stepV: number;
}

/** Draw one row of pixels: bilinear lookups in the prefiltered map. */
function drawRow({ grid, texels }: ColorMap, scan: Scan, out: Uint8Array, at: number): void {
  // Local, because V8 folds these where it would reload a module's constants for every pixel (4 times slower).
  const stride = tileSide + 1;
  const texelMask = tileSide - 1;
  const tileShift = 16 + tileBits;
  const gridMask = gridSide - 1;
  const gridShift = gridBits;
  const redBlue = 0xff00ff;
  const greenOnly = 0xff00;
  const { stepU, stepV } = scan;
  let { u, v } = scan;
  for (let i = at, end = at + frameSide * 3; i < end; i += 3) {
    const tile = grid[(((v >> tileShift) & gridMask) << gridShift) | ((u >> tileShift) & gridMask)];
    const texel = tile + ((v >> 16) & texelMask) * stride + ((u >> 16) & texelMask);
    const a = texels[texel];
    const b = texels[texel + 1];
    const c = texels[texel + stride];
    const d = texels[texel + stride + 1];
    const wu = (u >> 8) & 255;
    const wv = (v >> 8) & 255;
    const wd = (wu * wv) >> 8;
    const wb = wu - wd;
    const wc = wv - wd;
    const wa = 256 - wu - wc;
    // Red and blue share one multiplication; `| 0` keeps every sum a machine integer.
    const left = (Math.imul(a & redBlue, wa) + Math.imul(b & redBlue, wb)) | 0;
    const right = (Math.imul(c & redBlue, wc) + Math.imul(d & redBlue, wd)) | 0;
    const both = ((left + right) | 0) >>> 8;
    const greens = (Math.imul(a & greenOnly, wa) + Math.imul(b & greenOnly, wb)) | 0;
    const green = (greens + ((Math.imul(c & greenOnly, wc) + Math.imul(d & greenOnly, wd)) | 0)) | 0;
    out[i] = both & 255;
    out[i + 1] = green >> 16;
    out[i + 2] = (both >> 16) & 255;
    u = (u + stepU) | 0;
    v = (v + stepV) | 0;
  }
}

/** Paint the tiles that a view may touch: those under the box around its four corners. */
function paintSeen({ grid, paintTile }: ColorMap, { xM, yM, egoRow }: View, heading: Heading): void {
  const { cos, sin } = heading;
  const [ahead, behind] = [egoRow * metresPerPixel, (frameSide - egoRow) * metresPerPixel];
  const side = (frameSide / 2) * metresPerPixel;
  const [sideX, sideY] = [Math.abs(sin) * side, Math.abs(cos) * side];
  const fromX = Math.floor((xM + Math.min(ahead * cos, -behind * cos) - sideX) / tileM);
  const toX = Math.floor((xM + Math.max(ahead * cos, -behind * cos) + sideX) / tileM);
  const fromY = Math.floor((yM + Math.min(ahead * sin, -behind * sin) - sideY) / tileM);
  const toY = Math.floor((yM + Math.max(ahead * sin, -behind * sin) + sideY) / tileM);
  for (let ty = fromY; ty <= toY; ty++) {
    const row = (ty & (gridSide - 1)) * gridSide;
    for (let tx = fromX; tx <= toX; tx++) {
      const cell = row + (tx & (gridSide - 1));
      if (grid[cell] < 0) paintTile(cell);
    }
  }
}

interface Heading {
  readonly cos: number;
  readonly sin: number;
}

/**
 * Draw the ground into `out[offset …]` (uint8, 64 × 64 × 3). Heading is up, the ego's left is left; the ego stands at
 * column 32, row `view.egoRow`.
 */
export function drawGround(map: ColorMap, view: View, out: Uint8Array, offset: number): void {
  const cos = Math.cos(view.yawRad);
  const sin = Math.sin(view.yawRad);
  paintSeen(map, view, { cos, sin });
  const scale = metresPerPixel / texelM;
  const rightward = (0.5 - frameSide / 2) * scale;
  const scan: Scan = {
    u: 0,
    v: 0,
    stepU: Math.round(sin * scale * one) | 0,
    stepV: Math.round(-cos * scale * one) | 0,
  };
  for (let row = 0; row < frameSide; row++) {
    const forward = (view.egoRow - row - 0.5) * scale;
    scan.u = Math.round((view.xM / texelM + forward * cos + rightward * sin) * one) | 0;
    scan.v = Math.round((view.yM / texelM + forward * sin - rightward * cos) * one) | 0;
    drawRow(map, scan, out, offset + row * frameSide * 3);
  }
}
