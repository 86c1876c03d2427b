/** @file The picture of a track: an analytic, filter-aware painter, and its sparse prefiltered colour map at 0.25 m, painted where it is looked at. */

import { above, asphalt, band, blend, packColor, paintGrass, stripe } from "./paint.ts";
import type { Color } from "./paint.ts";
import { projectNear, trackHalfWidthM } from "./track.ts";
import type { Track } from "./track.ts";

/** Metres per texel of a colour map. */
export const texelM = 0.25;
/** Texels along a tile's side, 2 ** tileBits; a tile stores one more row and column, so that bilinear
    lookups stay inside it. */
export const tileBits = 4;
export const tileSide = 16;
const tileStride = tileSide + 1;
const tileSize = tileStride * tileStride;
/** Tiles along the map's side, 2 ** gridBits; positions wrap there (256 m). */
export const gridBits = 6;
export const gridSide = 64;
/** Metres along a tile's side. */
export const tileM = tileSide * texelM; // equals grassCellM: a tile without road is one cell of the grass

/**
 * A colour map: `grid[ty · 64 + tx]` is the offset in `texels` of the tile that covers x in [4 tx, 4 tx + 4) m (modulo
 * 256 m), or −1 for one that `paintTile(ty · 64 + tx)` must paint first. Texels are packed 0x00BBGGRR. Tiles without road
 * share one of two grass tiles.
 */
export interface ColorMap {
  readonly grid: Int32Array;
  readonly texels: Int32Array;
  readonly paintTile: (cell: number) => void;
}

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
    blend(kerbScratch, kerbRed, stripe(place.arcM, { period: kerb, on: kerb / 2 }, filterM));
    blend(paintScratch, kerbScratch, onKerb);
  }
  const onDash = band(offset, dashEdges, filterM);
  if (onDash > 0)
    blend(paintScratch, dashYellow, onDash * stripe(place.arcM, { period: dash, on: dash / 2 }, filterM));
  blend(color, paintScratch, inside);
}

const paintScratch: Color = new Float64Array(3);
const kerbScratch: Color = new Float64Array(3);

/** Filter width of the map: wide enough for frames of 0.5 m per pixel. */
const mapFilterM = 0.6;

/** The two grass tiles, which every map begins with. */
let grassTiles: Int32Array | undefined;

function paintGrassTiles(): Int32Array {
  const texels = new Int32Array(2 * tileSize);
  const color: Color = new Float64Array(3);
  paintTexels(texels, 0, (i, j) => packColor(grassColor(color, i, j)));
  paintTexels(texels, tileSize, (i, j) => packColor(grassColor(color, i + tileSide, j)));
  return texels;
}

/** The colour map of a track, its road still unpainted: 0.4 MB when all of it has been seen. */
export function makeMap(track: Track): ColorMap {
  const nearest = roadTiles(track);
  const texels = new Int32Array((2 + nearest.size) * tileSize);
  texels.set((grassTiles ??= paintGrassTiles()));
  const grid = new Int32Array(gridSide * gridSide);
  for (let cell = 0; cell < grid.length; cell++) {
    const parity = (cell + Math.floor(cell / gridSide)) & 1;
    grid[cell] = nearest.has(cell) ? -1 : parity * tileSize;
  }
  let next = 2 * tileSize;
  const paintTile = (cell: number): void => {
    paintRoadTile({ track, cell, nearestVertex: nearest.get(cell)! }, texels, next);
    grid[cell] = next;
    next += tileSize;
  };
  return { grid, texels, paintTile };
}

interface RoadTile {
  readonly track: Track;
  readonly cell: number;
  /** To the tile's centre. */
  readonly nearestVertex: number;
}

function paintRoadTile({ track, cell, nearestVertex }: RoadTile, texels: Int32Array, offset: number): void {
  const originX = signedTile(cell % gridSide) * tileSide;
  const originY = signedTile(Math.floor(cell / gridSide)) * tileSide;
  const color: Color = new Float64Array(3);
  const place = { arcM: 0, lateralM: 0, vertex: nearestVertex };
  paintTexels(texels, offset, (i, j) => {
    projectNear(track, (originX + i) * texelM, (originY + j) * texelM, place);
    grassColor(color, originX + i, originY + j);
    paintRoad(track, place, mapFilterM, color);
    return packColor(color);
  });
}

function paintTexels(texels: Int32Array, offset: number, texel: (i: number, j: number) => number): void {
  for (let j = 0; j < tileStride; j++) {
    for (let i = 0; i < tileStride; i++) texels[offset + j * tileStride + i] = texel(i, j);
  }
}

function grassColor(color: Color, i: number, j: number): Color {
  paintGrass(color, i * texelM, j * texelM);
  return color;
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
