/** @file Cameras: where a picture's rays begin and go, and which pixels a primitive can cover. */

import { fail } from "../../core/errors.ts";
import type { Scene, Vec3 } from "./scene.ts";

/** A camera. Pixel rows run downwards. */
export interface Camera {
  readonly position: Vec3;
  readonly target: Vec3;
  /** What points up in the picture; default z. Must not be parallel to the view. */
  readonly up?: Vec3;
  /** Vertical angle of view in rad, or the height in m that an orthographic picture shows. */
  readonly view: { readonly verticalFovRad: number } | { readonly orthographicHeightM: number };
  /** Nothing nearer is seen; default 0.01. */
  readonly nearM?: number;
}

/** A camera over a grid of pixels: all that the ray loops need. */
export interface Lens {
  readonly width: number;
  readonly height: number;
  readonly nearM: number;
  readonly perspective: boolean;
  /**
   * 24 numbers. Ray of pixel centre (i, j): origin = [0…2] + i·[3…5] + j·[6…8], direction = [9…11] + i·[12…14] +
   * j·[15…17]. The direction's part along the view is 1, so that a ray's parameter is the depth in m.
   */
  readonly rays: Float64Array;
  /** Axes right, up and forward, [9], and the position, [3]. */
  readonly axes: Float64Array;
  /** Size of a pixel in m, at depth 1 m or everywhere. */
  readonly pixel: number;
}

/** An empty lens; `aim` fills it. */
export type MutableLens = { -readonly [K in keyof Lens]: Lens[K] };

/** A lens over `width` × `height` pixels that looks nowhere yet. */
export function makeLens(width: number, height: number): MutableLens {
  return {
    width,
    height,
    nearM: 0.01,
    perspective: true,
    rays: new Float64Array(18),
    axes: new Float64Array(12),
    pixel: 0,
  };
}

function normalize(axes: Float64Array, at: number): void {
  const length = Math.hypot(axes[at], axes[at + 1], axes[at + 2]);
  for (let c = 0; c < 3; c++) axes[at + c] /= length;
}

function cross(axes: Float64Array, a: number, b: number, out: number): void {
  for (let c = 0; c < 3; c++) {
    const d = (c + 1) % 3;
    const e = (c + 2) % 3;
    axes[out + c] = axes[a + d] * axes[b + e] - axes[a + e] * axes[b + d];
  }
}

const zAxis: Vec3 = [0, 0, 1];

function orient(axes: Float64Array, camera: Camera): void {
  const { position, target, up = zAxis } = camera;
  for (let c = 0; c < 3; c++) {
    axes[6 + c] = target[c] - position[c];
    axes[3 + c] = up[c];
    axes[9 + c] = position[c];
  }
  normalize(axes, 6);
  cross(axes, 6, 3, 0);
  normalize(axes, 0);
  cross(axes, 0, 6, 3);
  if (Number.isFinite(axes[0] + axes[3] + axes[6])) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "this camera looks nowhere",
    expected: "a target away from the position, and an up that is not parallel to the view",
    got: `position [${position.join(", ")}], target [${target.join(", ")}], up [${up.join(", ")}]`,
  });
}

/** Point `lens` as `camera` says. @throws INVALID_ARGUMENT for a camera without a direction */
export function aim(lens: MutableLens, camera: Camera): void {
  const { rays, axes, width, height } = lens;
  orient(axes, camera);
  const perspective = "verticalFovRad" in camera.view;
  const span =
    "verticalFovRad" in camera.view
      ? 2 * Math.tan(camera.view.verticalFovRad / 2)
      : camera.view.orthographicHeightM;
  const pixel = span / height;
  lens.perspective = perspective;
  lens.pixel = pixel;
  lens.nearM = camera.nearM ?? 0.01;
  rays.fill(0);
  const moving = perspective ? 9 : 0;
  for (let c = 0; c < 3; c++) {
    rays[c] = axes[9 + c];
    rays[9 + c] = axes[6 + c];
    rays[moving + c] += pixel * ((0.5 - width / 2) * axes[c] - (0.5 - height / 2) * axes[3 + c]);
    rays[moving + 3 + c] = pixel * axes[c];
    rays[moving + 6 + c] = -pixel * axes[3 + c];
  }
}

/** Half extent of the box around a bounded primitive along one of its own axes, in m. */
export function boundHalf(scene: Scene, index: number, axis: number): number {
  const size = scene.sizes;
  const shape = scene.shapes[index];
  if (shape === 1) return size[3 * index + axis];
  if (shape === 2 || axis < 2) return size[3 * index];
  return shape === 3 ? size[3 * index] + size[3 * index + 1] : size[3 * index + 1];
}

const corner = new Float64Array(3);

/** Corner `k` of the box around a primitive, along the camera's axes, into `corner`. */
function cornerInView(lens: Lens, scene: Scene, index: number, k: number): void {
  const { axes } = lens;
  corner.fill(0);
  for (let c = 0; c < 3; c++) {
    let world = scene.positions[3 * index + c] - axes[9 + c];
    for (let axis = 0; axis < 3; axis++) {
      const half = boundHalf(scene, index, axis);
      world += scene.rotations[9 * index + 3 * c + axis] * (((k >> axis) & 1) === 0 ? -half : half);
    }
    for (let axis = 0; axis < 3; axis++) corner[axis] += world * axes[3 * axis + c];
  }
}

/**
 * Pixels whose centres a primitive can cover, as left, top, right, bottom (right and bottom excluded) into `rect`; empty
 * when it is out of sight.
 */
export function coverOf(lens: Lens, scene: Scene, index: number, rect: Int32Array): void {
  const { width, height, pixel, nearM } = lens;
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  let behind = scene.shapes[index] === 0 ? 1 : 0;
  for (let k = 0; k < 8 && scene.shapes[index] !== 0; k++) {
    cornerInView(lens, scene, index, k);
    if (corner[2] < nearM) {
      behind++;
      continue;
    }
    const scale = 1 / (lens.perspective ? corner[2] * pixel : pixel);
    const x = corner[0] * scale + width / 2;
    const y = height / 2 - corner[1] * scale;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  const everywhere = behind > 0 && behind < 8;
  rect[0] = everywhere ? 0 : Math.min(Math.max(Math.floor(left - 0.5), 0), width);
  rect[1] = everywhere ? 0 : Math.min(Math.max(Math.floor(top - 0.5), 0), height);
  rect[2] = everywhere ? width : Math.min(Math.max(Math.ceil(right + 0.5), 0), width);
  rect[3] = everywhere ? height : Math.min(Math.max(Math.ceil(bottom + 0.5), 0), height);
}
