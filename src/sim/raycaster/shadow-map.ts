/** @file Hard shadows of parallel light: every caster's outline as a rectangle across the light, tested before the solid. */

import { boundHalf } from "./camera.ts";
import { completeBasis, stops } from "./occlusion.ts";
import type { CompiledLight, Scene } from "./scene.ts";

/** Casters as seen along one light; row: centre and half extents along two axes across it, and its far end against it. */
export interface ShadowMap {
  /** Unit axes: two across the light and one towards it, [9]. */
  readonly axes: Float64Array;
  /** [count, 5] */
  readonly outlines: Float64Array;
  readonly casters: Int16Array;
  count: number;
  /** [side, side]: bits of the casters (the last bit: any beyond the 31st) whose outlines touch a cell across the light. */
  readonly cells: Int32Array;
  /** Least u and v that any outline reaches, and cells per metre along both, [4]. */
  readonly frame: Float64Array;
}

const side = 32;

/** An empty map for a scene of `count` primitives. */
export function makeShadowMap(count: number): ShadowMap {
  return {
    axes: new Float64Array(9),
    outlines: new Float64Array(5 * count),
    casters: new Int16Array(count),
    count: 0,
    cells: new Int32Array(side * side),
    frame: new Float64Array(4),
  };
}

/** Fill the map for the present poses. */
export function mapShadows(map: ShadowMap, scene: Scene, light: CompiledLight): void {
  const { axes, outlines, casters } = map;
  axes.set(light.vector, 6);
  completeBasis(axes);
  map.count = 0;
  for (let index = 0; index < scene.count; index++) {
    if (scene.castsShadow[index] === 0 || scene.visible[index] === 0) continue;
    const at = 5 * map.count;
    for (let axis = 0; axis < 3; axis++) {
      let centre = 0;
      let half = 0;
      for (let k = 0; k < 3; k++) {
        centre += axes[3 * axis + k] * scene.positions[3 * index + k];
        let along = 0;
        for (let c = 0; c < 3; c++) along += axes[3 * axis + c] * scene.rotations[9 * index + 3 * c + k];
        half += Math.abs(along) * boundHalf(scene, index, k);
      }
      outlines[at + axis] = axis === 2 ? centre + half : centre;
      if (axis < 2) outlines[at + 3 + axis] = half;
    }
    casters[map.count++] = index;
  }
  fillCells(map);
}

const bounds = new Float64Array(2);

/** Least and greatest value that outlines reach along axis 0 or 1, into `bounds`. */
function boundsAlong({ outlines, count }: ShadowMap, axis: number): void {
  bounds[0] = Infinity;
  bounds[1] = -Infinity;
  for (let i = 0; i < count; i++) {
    const centre = outlines[5 * i + axis];
    const half = outlines[5 * i + 3 + axis];
    bounds[0] = Math.min(bounds[0], centre - half);
    bounds[1] = Math.max(bounds[1], centre + half);
  }
}

function fillCells(map: ShadowMap): void {
  const { cells, frame, outlines, count } = map;
  cells.fill(0);
  for (let axis = 0; axis < 2; axis++) {
    boundsAlong(map, axis);
    frame[axis] = bounds[0];
    frame[2 + axis] = side / (bounds[1] - bounds[0]);
  }
  const cellOf = (value: number, axis: number): number =>
    Math.min(Math.max(Math.floor((value - frame[axis]) * frame[2 + axis]), 0), side - 1);
  for (let i = 0; i < count; i++) {
    const at = 5 * i;
    const last = cellOf(outlines[at] + outlines[at + 3], 0);
    const bottom = cellOf(outlines[at + 1] + outlines[at + 4], 1);
    for (let row = cellOf(outlines[at + 1] - outlines[at + 4], 1); row <= bottom; row++) {
      for (let cell = cellOf(outlines[at] - outlines[at + 3], 0); cell <= last; cell++) {
        cells[row * side + cell] |= 1 << Math.min(i, 31);
      }
    }
  }
}

/** Does a caster other than `self` stand between the ray's origin [0…2] and the light that it points to [3…6]? */
export function inShadow(map: ShadowMap, scene: Scene, ray: Float64Array, self: number): boolean {
  const { axes, outlines, casters, count } = map;
  const x = ray[0];
  const y = ray[1];
  const z = ray[2];
  const u = axes[0] * x + axes[1] * y + axes[2] * z;
  const v = axes[3] * x + axes[4] * y + axes[5] * z;
  const column = (u - map.frame[0]) * map.frame[2];
  const row = (v - map.frame[1]) * map.frame[3];
  if (!(column >= 0 && column < side && row >= 0 && row < side)) return false;
  const near = map.cells[(row | 0) * side + (column | 0)];
  if (near === 0) return false;
  const w = axes[6] * x + axes[7] * y + axes[8] * z;
  for (let i = 0, at = 0; i < count; i++, at += 5) {
    if (((near >> (i < 31 ? i : 31)) & 1) === 0 || casters[i] === self || w > outlines[at + 2]) continue;
    const du = u - outlines[at];
    const reachU = outlines[at + 3];
    const dv = v - outlines[at + 1];
    const reachV = outlines[at + 4];
    if (du > reachU || du < -reachU || dv > reachV || dv < -reachV) continue;
    if (stops(scene, casters[i], ray)) return true;
  }
  return false;
}
