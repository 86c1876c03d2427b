/** @file What each pixel sees: every primitive over the pixels that it can cover, into a depth buffer. */

import { coverOf } from "./camera.ts";
import type { Lens } from "./camera.ts";
import { enter } from "./intersect.ts";
import type { Scene } from "./scene.ts";

/** Per pixel: the depth of what is seen (infinite: nothing), and its primitive (-1: nothing). */
export interface Buffers {
  readonly depth: Float32Array;
  readonly hits: Int16Array;
}

const rect = new Int32Array(4);
/** A lens's rays in a primitive's frame. */
const local = new Float64Array(18);
const ray = new Float64Array(7);
const step = new Float64Array(6);

/** Turn the lens's rays into primitive `index`'s frame. */
function localize(lens: Lens, scene: Scene, index: number): void {
  const { rays } = lens;
  const { rotations, positions } = scene;
  for (let group = 0; group < 18; group += 3) {
    for (let c = 0; c < 3; c++) {
      let sum = 0;
      for (let k = 0; k < 3; k++) {
        const from = group === 0 ? positions[3 * index + k] : 0;
        sum += rotations[9 * index + 3 * k + c] * (rays[group + k] - from);
      }
      local[group + c] = sum;
    }
  }
}

/** Set `ray` to the pixel at column `left` of row `j`, and `step` to what a column adds. */
function startRow(left: number, j: number): void {
  for (let c = 0; c < 3; c++) {
    ray[c] = local[c] + left * local[3 + c] + j * local[6 + c];
    ray[3 + c] = local[9 + c] + left * local[12 + c] + j * local[15 + c];
    step[c] = local[3 + c];
    step[3 + c] = local[12 + c];
  }
}

function drawPrimitive(lens: Lens, scene: Scene, index: number, buffers: Buffers): void {
  const { depth, hits } = buffers;
  const { sizes } = scene;
  const { width, nearM, perspective } = lens;
  const shape = scene.shapes[index];
  const at = 3 * index;
  for (let j = rect[1]; j < rect[3]; j++) {
    startRow(rect[0], j);
    const end = j * width + rect[2];
    for (let k = j * width + rect[0]; k < end; k++) {
      enter(shape, ray, sizes, at);
      const t = ray[6];
      if (t < depth[k] && t > nearM) {
        depth[k] = t;
        hits[k] = index;
      }
      if (perspective) {
        ray[3] += step[3];
        ray[4] += step[4];
        ray[5] += step[5];
      } else {
        ray[0] += step[0];
        ray[1] += step[1];
        ray[2] += step[2];
      }
    }
  }
}

/** Find what every pixel of `lens` sees of `scene`. */
export function findVisible(lens: Lens, scene: Scene, buffers: Buffers): void {
  buffers.depth.fill(Infinity);
  buffers.hits.fill(-1);
  for (let index = 0; index < scene.count; index++) {
    if (scene.visible[index] === 0) continue;
    coverOf(lens, scene, index, rect);
    localize(lens, scene, index);
    drawPrimitive(lens, scene, index, buffers);
  }
}
