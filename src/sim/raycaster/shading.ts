/** @file The colour of what a pixel sees: texture, ambient light, lights with shadows, highlights. */

import type { Lens } from "./camera.ts";
import { describeSurface, wrapSurface } from "./intersect.ts";
import { aimAtLight, blocked, openness } from "./occlusion.ts";
import type { Sampling } from "./occlusion.ts";
import type { CompiledLight, Scene } from "./scene.ts";
import { inShadow } from "./shadow-map.ts";
import type { ShadowMap } from "./shadow-map.ts";
import { srgbBytes, srgbSteps } from "./srgb.ts";
import type { Buffers } from "./visibility.ts";

/** What is drawn and how. */
export interface Shading {
  readonly lens: Lens;
  readonly scene: Scene;
  readonly sampling: Sampling;
  /** One per light; undefined where rays must be sent (points, penumbras). */
  readonly maps: readonly (ShadowMap | undefined)[];
}

// One place for all numbers of a pixel: [0…2] point, [3…5] towards the light, [6] its distance, [7] number of the pixel,
// [8…10] normal (these eleven are `occlusion.ts`'s ray), [11…13] gaze, [14…16] albedo, [17…19] u, v, footprint,
// [20…22] light that leaves the point. Numbers passed as arguments would be boxed.
const s = new Float64Array(23);
const albedo = s.subarray(14, 17);
const place = s.subarray(17, 20);
/** Point [0…2], normal [3…5] and u, v [6…7] in the primitive's frame. */
const local = new Float64Array(8);

/** The direction of the ray through pixel (i, j), of length 1 along the view. */
function look(rays: Float64Array, i: number, j: number): void {
  s[11] = rays[9] + i * rays[12] + j * rays[15];
  s[12] = rays[10] + i * rays[13] + j * rays[16];
  s[13] = rays[11] + i * rays[14] + j * rays[17];
}

/** The point that pixel (i, j) sees at `depth[k]`, in the world and in the frame of primitive `index`. */
function locate(shading: Shading, pixel: Int32Array, depth: Float32Array): void {
  const { rays } = shading.lens;
  const { rotations: r, positions, shapes, sizes } = shading.scene;
  const index = pixel[0];
  const i = pixel[1];
  const j = pixel[2];
  look(rays, i, j);
  const t = depth[pixel[3]];
  s[0] = rays[0] + i * rays[3] + j * rays[6] + t * s[11];
  s[1] = rays[1] + i * rays[4] + j * rays[7] + t * s[12];
  s[2] = rays[2] + i * rays[5] + j * rays[8] + t * s[13];
  const x = s[0] - positions[3 * index];
  const y = s[1] - positions[3 * index + 1];
  const z = s[2] - positions[3 * index + 2];
  const at = 9 * index;
  local[0] = r[at] * x + r[at + 3] * y + r[at + 6] * z;
  local[1] = r[at + 1] * x + r[at + 4] * y + r[at + 7] * z;
  local[2] = r[at + 2] * x + r[at + 5] * y + r[at + 8] * z;
  describeSurface(shapes[index], local, sizes, 3 * index);
  s[8] = r[at] * local[3] + r[at + 1] * local[4] + r[at + 2] * local[5];
  s[9] = r[at + 3] * local[3] + r[at + 4] * local[4] + r[at + 5] * local[5];
  s[10] = r[at + 6] * local[3] + r[at + 7] * local[4] + r[at + 8] * local[5];
}

/** Make the gaze a unit vector. */
function normalizeGaze(): void {
  const scale = 1 / Math.sqrt(s[11] * s[11] + s[12] * s[12] + s[13] * s[13]);
  s[11] *= scale;
  s[12] *= scale;
  s[13] *= scale;
}

/** Colour the albedo by the primitive's texture, filtered over the pixel's footprint. */
function applyTexture({ lens, scene }: Shading, pixel: Int32Array, depth: Float32Array): void {
  const index = pixel[0];
  const texture = scene.textures[index];
  if (texture === undefined) return;
  wrapSurface(scene.shapes[index], local, scene.sizes, 3 * index);
  const facing = -(s[8] * s[11] + s[9] * s[12] + s[10] * s[13]);
  place[0] = local[6];
  place[1] = local[7];
  place[2] =
    (lens.pixel * (lens.perspective ? depth[pixel[3]] : 1)) / Math.sqrt(facing > 0.01 ? facing : 0.01);
  texture(place, albedo);
}

/** Add what arrives from the direction [3…5], `share` of it, to the light that leaves. */
function addLight(scene: Scene, lamp: CompiledLight, index: number, share: number): void {
  const { color } = lamp;
  const lambert = s[8] * s[3] + s[9] * s[4] + s[10] * s[5];
  const fall = lamp.point ? share / (s[6] * s[6]) : share;
  const specular = scene.finishes[3 * index];
  const x = s[3] - s[11];
  const y = s[4] - s[12];
  const z = s[5] - s[13];
  const half = s[8] * x + s[9] * y + s[10] * z;
  let shine = half > 0 && specular > 0 ? (half * half) / (x * x + y * y + z * z) : 0;
  if (shine > 0.5) for (let k = scene.finishes[3 * index + 1]; k > 1; k--) shine *= shine;
  else shine = 0;
  shine *= specular;
  s[20] += fall * color[0] * (lambert * s[14] + shine);
  s[21] += fall * color[1] * (lambert * s[15] + shine);
  s[22] += fall * color[2] * (lambert * s[16] + shine);
}

/** Share of light `number` that reaches the point, whose ray already points to the light's middle. */
function openShare({ scene, maps, sampling }: Shading, number: number, index: number): number {
  const lamp = scene.lights[number];
  const rays = lamp.castsShadow ? sampling.shadowSamples : 0;
  if (rays === 0) return 1;
  const map = maps[number];
  if (map !== undefined) return inShadow(map, scene, s, index) ? 0 : 1;
  let open = 0;
  for (let k = 0; k < rays; k++) {
    aimAtLight(s, lamp, k, rays);
    if (!blocked(scene, s, index)) open++;
  }
  aimAtLight(s, lamp, 0, 1);
  return open / rays;
}

/** The light that leaves the point towards the camera, from a surface of the present albedo. */
function gather(shading: Shading, index: number): void {
  const { scene, sampling } = shading;
  const { surroundings: around, lights } = scene;
  const open = sampling.ambientSamples > 0 ? openness(scene, s, index, sampling) : 1;
  const up = (0.5 + 0.5 * s[10]) * open;
  const down = (0.5 - 0.5 * s[10]) * open;
  const emission = scene.finishes[3 * index + 2];
  s[20] = s[14] * (around[0] * up + around[3] * down + emission);
  s[21] = s[15] * (around[1] * up + around[4] * down + emission);
  s[22] = s[16] * (around[2] * up + around[5] * down + emission);
  for (let number = 0; number < lights.length; number++) {
    aimAtLight(s, lights[number], 0, 1);
    if (s[8] * s[3] + s[9] * s[4] + s[10] * s[5] <= 0) continue;
    const share = openShare(shading, number, index);
    if (share > 0) addLight(scene, lights[number], index, share);
  }
}

function shadeSurface(shading: Shading, pixel: Int32Array, depth: Float32Array): void {
  const { colors } = shading.scene;
  const index = pixel[0];
  locate(shading, pixel, depth);
  normalizeGaze();
  s[7] = pixel[3];
  s[14] = colors[3 * index];
  s[15] = colors[3 * index + 1];
  s[16] = colors[3 * index + 2];
  applyTexture(shading, pixel, depth);
  gather(shading, index);
}

function shadeSky({ lens, scene }: Shading, pixel: Int32Array): void {
  const { surroundings: around } = scene;
  look(lens.rays, pixel[1], pixel[2]);
  normalizeGaze();
  const share = Math.sqrt(s[13] > 0 ? s[13] : 0);
  s[20] = around[6] + (around[9] - around[6]) * share;
  s[21] = around[7] + (around[10] - around[7]) * share;
  s[22] = around[8] + (around[11] - around[8]) * share;
}

/** A picture's memory: uint8 [height, width, 3] from `offset` on. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly offset: number;
}

const pixel = new Int32Array(4);

/** Colour every pixel of the lens, given what it sees. */
export function shade(shading: Shading, buffers: Buffers, out: Pixels): void {
  const { width, height } = shading.lens;
  const { data, offset } = out;
  const { depth, hits } = buffers;
  const bytes = srgbBytes;
  const scale = srgbSteps;
  for (let j = 0, k = 0; j < height; j++) {
    for (let i = 0; i < width; i++, k++) {
      pixel[0] = hits[k];
      pixel[1] = i;
      pixel[2] = j;
      pixel[3] = k;
      if (hits[k] < 0) shadeSky(shading, pixel);
      else shadeSurface(shading, pixel, depth);
      const at = offset + 3 * k;
      data[at] = bytes[((s[20] < 1 ? s[20] : 1) * scale + 0.5) | 0];
      data[at + 1] = bytes[((s[21] < 1 ? s[21] : 1) * scale + 0.5) | 0];
      data[at + 2] = bytes[((s[22] < 1 ? s[22] : 1) * scale + 0.5) | 0];
    }
  }
}
