/** @file Whether something stands between a point and a light, or near above a point. */

import { enter } from "./intersect.ts";
import type { CompiledLight, Scene } from "./scene.ts";

const local = new Float64Array(7);

/** Does primitive `index` stop the ray (origin [0…2], direction [3…5], as far as [6] directions)? */
export function stops(scene: Scene, index: number, ray: Float64Array): boolean {
  const { rotations: r, positions } = scene;
  const at = 9 * index;
  const ox = ray[0] - positions[3 * index];
  const oy = ray[1] - positions[3 * index + 1];
  const oz = ray[2] - positions[3 * index + 2];
  const dx = ray[3];
  const dy = ray[4];
  const dz = ray[5];
  local[0] = r[at] * ox + r[at + 3] * oy + r[at + 6] * oz;
  local[1] = r[at + 1] * ox + r[at + 4] * oy + r[at + 7] * oz;
  local[2] = r[at + 2] * ox + r[at + 5] * oy + r[at + 8] * oz;
  local[3] = r[at] * dx + r[at + 3] * dy + r[at + 6] * dz;
  local[4] = r[at + 1] * dx + r[at + 4] * dy + r[at + 7] * dz;
  local[5] = r[at + 2] * dx + r[at + 5] * dy + r[at + 8] * dz;
  enter(scene.shapes[index], local, scene.sizes, 3 * index);
  return local[6] < ray[6];
}

/**
 * Is the ray (origin [0…2], unit direction [3…5], as far as [6] m) stopped by a primitive that casts shadows? The one
 * that it starts from, `self`, is left out: convex solids do not shade their own lit side.
 */
export function blocked(scene: Scene, ray: Float64Array, self: number): boolean {
  const { positions, radii, castsShadow, visible, count } = scene;
  for (let index = 0; index < count; index++) {
    if (castsShadow[index] === 0 || index === self || visible[index] === 0) continue;
    const x = positions[3 * index] - ray[0];
    const y = positions[3 * index + 1] - ray[1];
    const z = positions[3 * index + 2] - ray[2];
    const along = x * ray[3] + y * ray[4] + z * ray[5];
    const radius = radii[index];
    if (along < -radius || along - radius > ray[6]) continue;
    if (x * x + y * y + z * z - along * along > radius * radius) continue;
    if (stops(scene, index, ray)) return true;
  }
  return false;
}

/** Two unit vectors across the unit vector [6…8]. @source Duff et al. 2017, "Building an orthonormal basis, revisited" */
export function completeBasis(axes: Float64Array): void {
  const x = axes[6];
  const y = axes[7];
  const z = axes[8];
  const sign = z >= 0 ? 1 : -1;
  const a = -1 / (sign + z);
  const b = x * y * a;
  axes[0] = 1 + sign * x * x * a;
  axes[1] = sign * b;
  axes[2] = -sign * x;
  axes[3] = b;
  axes[4] = sign + y * y * a;
  axes[5] = -y;
}

const golden = Math.PI * (3 - Math.sqrt(5));

/**
 * Point `ray` (its origin is set) at a light, sample `k` of `count` over its disc; the turn, in golden angles, varies
 * from pixel to pixel. Writes the unit direction and the distance.
 */
export function aimAtLight(ray: Float64Array, light: CompiledLight, k: number, count: number): void {
  const { vector } = light;
  if (light.point) {
    const x = vector[0] - ray[0];
    const y = vector[1] - ray[1];
    const z = vector[2] - ray[2];
    const distance = Math.sqrt(x * x + y * y + z * z);
    const scale = 1 / distance;
    ray[3] = x * scale;
    ray[4] = y * scale;
    ray[5] = z * scale;
    ray[6] = distance;
  } else {
    ray[3] = vector[0];
    ray[4] = vector[1];
    ray[5] = vector[2];
    ray[6] = Infinity;
  }
  if (count > 1) spread(ray, light.softness * Math.sqrt((k + 0.5) / count), k);
}

const basis = new Float64Array(9);

/** Tilt the unit direction of `ray` by tangent `tilt` towards angle number `turn`. */
function spread(ray: Float64Array, tilt: number, turn: number): void {
  const angle = golden * (turn + 7.13 * ray[7]);
  const a = Math.cos(angle) * tilt;
  const b = Math.sin(angle) * tilt;
  const scale = 1 / Math.sqrt(1 + tilt * tilt);
  for (let c = 0; c < 3; c++) basis[6 + c] = ray[3 + c];
  completeBasis(basis);
  for (let c = 0; c < 3; c++) ray[3 + c] = (basis[6 + c] + a * basis[c] + b * basis[3 + c]) * scale;
}

/**
 * Share of the sky that a point sees: `count` rays of length `reachM` around the normal, cosine-weighted. `ray` holds the
 * origin in [0…2], the normal in [8…10] and the pixel's number in [7].
 */
export function openness(scene: Scene, ray: Float64Array, self: number, sampling: Sampling): number {
  const { ambientSamples, reachM } = sampling;
  let open = 0;
  for (let k = 0; k < ambientSamples; k++) {
    const share = (k + 0.5) / ambientSamples;
    for (let c = 0; c < 3; c++) ray[3 + c] = ray[8 + c];
    ray[6] = reachM;
    spread(ray, Math.sqrt(share / (1 - share)), k);
    if (!blocked(scene, ray, self)) open++;
  }
  return open / ambientSamples;
}

/** How many rays are spent on a point. */
export interface Sampling {
  /** Per light; 1: hard shadows, 0: none. */
  readonly shadowSamples: number;
  /** Rays for the ambient light; 0: it is never occluded. */
  readonly ambientSamples: number;
  /** How near an occluder must be to take ambient light away, in m. */
  readonly reachM: number;
}
