/** @file The picture of a track: an analytic, filter-aware painter, and its sparse prefiltered colour map at 0.25 m. */

import { projectNear, trackHalfWidthM } from "./track.ts";
import type { Track } from "./track.ts";

/** Metres per texel of a colour map. */
export const texelM = 0.25;
/** Texels along a tile's side, 2 ** tileBits; a tile stores one more row and column, so that bilinear lookups stay inside it. */
export const tileBits = 4;
export const tileSide = 16;
const tileStride = tileSide + 1;
const tileSize = tileStride * tileStride;
/** Tiles along the map's side, 2 ** gridBits; positions wrap there (256 m). */
export const gridBits = 6;
export const gridSide = 64;
const tileM = tileSide * texelM;

/**
 * A colour map: `grid[ty · 64 + tx]` is the offset in `texels` of the tile that covers x in [4 tx, 4 tx + 4) m (modulo
 * 256 m). Texels are packed 0x00BBGGRR. Tiles without road share one of two grass tiles.
 */
export interface ColorMap {
  readonly grid: Int32Array;
  readonly texels: Int32Array;
}

const grassLight = [101, 150, 84] as const;
const grassDark = [94, 143, 77] as const;
const asphalt = [88, 91, 98] as const;
const kerbRed = [206, 58, 48] as const;
const kerbWhite = [238, 238, 234] as const;
const dashYellow = [240, 205, 70] as const;

const kerbInnerM = trackHalfWidthM - 0.45;
const kerbOuterM = trackHalfWidthM + 0.45;
const kerbPeriodM = 6;
const dashPeriodM = 9;
const dashEdges = { from: -0.2, to: 0.2 };
/** No road beyond this distance from the centre line, filter included. */
const reachM = kerbOuterM + 1;

/** Linear colour [r, g, b] in 0..255; scratch that painters write. */
export type Color = Float64Array;

/** Share of a box filter of width `filter` around `position` that lies above `edge`. */
function above(position: number, edge: number, filter: number): number {
  const share = (position - edge) / filter + 0.5;
  return share < 0 ? 0 : share > 1 ? 1 : share;
}

/** Share of the filter inside [from, to]. */
function band(position: number, edges: { from: number; to: number }, filter: number): number {
  return above(position, edges.from, filter) - above(position, edges.to, filter);
}

/** Share of the filter that a stripe pattern covers: on in the first half of every period. */
function stripe(position: number, period: number, filter: number): number {
  const phase = position - period * Math.floor(position / period);
  return above(phase, 0, filter) - above(phase, period / 2, filter) + above(phase, period, filter);
}

function blend(color: Color, over: ArrayLike<number>, share: number): void {
  for (let c = 0; c < 3; c++) color[c] += (over[c] - color[c]) * share;
}

/** Paint grass: a checker of 4 m cells, 7/255 of contrast, which gives motion a cue off the road. */
export function paintGrass(color: Color, x: number, y: number): void {
  const parity = (Math.floor(x / tileM) + Math.floor(y / tileM)) & 1;
  const base = parity === 0 ? grassLight : grassDark;
  for (let c = 0; c < 3; c++) color[c] = base[c];
}

/**
 * Paint the road over what `color` holds.
 *
 * Kerbs alternate red and white every 3 m and the middle line is dashed every 4.5 m, both tied to arc length and fitted
 * to a whole number of periods, so that they show motion along the road.
 * @param filterM width of the box filter (anti-aliasing) in m
 */
export function paintRoad(
  track: Track,
  place: { arcM: number; lateralM: number },
  filterM: number,
  color: Color,
): void {
  const offset = Math.abs(place.lateralM);
  const inside = above(kerbOuterM, offset, filterM);
  if (inside === 0) return;
  const kerb = track.lengthM / Math.round(track.lengthM / kerbPeriodM);
  const dash = track.lengthM / Math.round(track.lengthM / dashPeriodM);
  paintScratch.set(asphalt);
  const onKerb = above(offset, kerbInnerM, filterM);
  if (onKerb > 0) {
    kerbScratch.set(kerbWhite);
    blend(kerbScratch, kerbRed, stripe(place.arcM, kerb, filterM));
    blend(paintScratch, kerbScratch, onKerb);
  }
  const onDash = band(offset, dashEdges, filterM);
  if (onDash > 0) blend(paintScratch, dashYellow, onDash * stripe(place.arcM, dash, filterM));
  blend(color, paintScratch, inside);
}

const paintScratch: Color = new Float64Array(3);
const kerbScratch: Color = new Float64Array(3);

/** Filter width of the map: wide enough for frames of 0.5 m per pixel. */
const mapFilterM = 0.6;

/** Paint the colour map of a track. About 10 ms and 0.4 MB. */
export function paintMap(track: Track): ColorMap {
  const nearest = roadTiles(track);
  const texels = new Int32Array((2 + nearest.size) * tileSize);
  const grid = new Int32Array(gridSide * gridSide);
  const color: Color = new Float64Array(3);
  const place = { arcM: 0, lateralM: 0, vertex: 0 };
  for (let cell = 0; cell < grid.length; cell++) {
    const parity = (cell + Math.floor(cell / gridSide)) & 1;
    grid[cell] = parity * tileSize;
  }
  paintTile(texels, 0, (i, j) => pack(grassColor(color, i, j)));
  paintTile(texels, tileSize, (i, j) => pack(grassColor(color, i + tileSide, j)));
  let next = 2 * tileSize;
  for (const [cell, vertex] of nearest) {
    const originX = signedTile(cell % gridSide) * tileSide;
    const originY = signedTile(Math.floor(cell / gridSide)) * tileSide;
    place.vertex = vertex;
    grid[cell] = next;
    paintTile(texels, next, (i, j) => {
      const x = (originX + i) * texelM;
      const y = (originY + j) * texelM;
      projectNear(track, x, y, place);
      grassColor(color, originX + i, originY + j);
      paintRoad(track, place, mapFilterM, color);
      return pack(color);
    });
    next += tileSize;
  }
  return { grid, texels };
}

function paintTile(texels: Int32Array, offset: number, texel: (i: number, j: number) => number): void {
  for (let j = 0; j < tileStride; j++) {
    for (let i = 0; i < tileStride; i++) texels[offset + j * tileStride + i] = texel(i, j);
  }
}

function grassColor(color: Color, i: number, j: number): Color {
  paintGrass(color, i * texelM, j * texelM);
  return color;
}

function pack(color: Color): number {
  return Math.round(color[0]) | (Math.round(color[1]) << 8) | (Math.round(color[2]) << 16);
}

function signedTile(index: number): number {
  return index < gridSide / 2 ? index : index - gridSide;
}

/** Tiles that hold road, each with the track vertex nearest to its centre. */
function roadTiles(track: Track): Map<number, number> {
  const nearest = new Map<number, number>();
  const distances = new Map<number, number>();
  for (let vertex = 0; vertex < track.count; vertex++) {
    const fromX = Math.floor((track.x[vertex] - reachM) / tileM);
    const toX = Math.floor((track.x[vertex] + reachM) / tileM);
    const fromY = Math.floor((track.y[vertex] - reachM) / tileM);
    const toY = Math.floor((track.y[vertex] + reachM) / tileM);
    for (let ty = fromY; ty <= toY; ty++) {
      for (let tx = fromX; tx <= toX; tx++) {
        const cell = (ty & (gridSide - 1)) * gridSide + (tx & (gridSide - 1));
        const distance = Math.hypot(
          (tx + 0.5) * tileM - track.x[vertex],
          (ty + 0.5) * tileM - track.y[vertex],
        );
        if (distance < (distances.get(cell) ?? Infinity)) {
          distances.set(cell, distance);
          nearest.set(cell, vertex);
        }
      }
    }
  }
  return nearest;
}
