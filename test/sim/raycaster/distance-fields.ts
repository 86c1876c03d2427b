/** @file An independent oracle: the shapes as signed distance fields, and what sphere tracing says of a ray. */

import type { Primitive, Vec3 } from "../../../src/sim/raycaster/scene.ts";

const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** Signed distance from a world point to a primitive. */
export function distanceTo(primitive: Primitive, point: readonly number[]): number {
  const { shape, size, position = [0, 0, 0], rotation = identity } = primitive;
  const from = point.map((x, c) => x - position[c]);
  const [x, y, z] = [0, 1, 2].map(
    (c) => rotation[c] * from[0] + rotation[3 + c] * from[1] + rotation[6 + c] * from[2],
  );
  const around = Math.hypot(x, y);
  switch (shape) {
    case "plane":
      return z;
    case "sphere":
      return Math.hypot(x, y, z) - size[0];
    case "capsule":
      return Math.hypot(x, y, z - Math.min(Math.max(z, -size[1]), size[1])) - size[0];
    case "cylinder":
      return outside([around - size[0], Math.abs(z) - size[1]]);
    case "box":
      return outside([Math.abs(x) - size[0], Math.abs(y) - size[1], Math.abs(z) - size[2]]);
  }
}

function outside(gaps: readonly number[]): number {
  return Math.min(Math.max(...gaps), 0) + Math.hypot(...gaps.map((gap) => Math.max(gap, 0)));
}

/** The first primitive that a ray meets and where, found in small steps; index -1: none within `farM`. */
export function march(
  primitives: readonly Primitive[],
  origin: Vec3,
  direction: Vec3,
  farM: number,
): { index: number; t: number } {
  let t = 0;
  for (let i = 0; i < 2000 && t < farM; i++) {
    const point = origin.map((x, c) => x + t * direction[c]);
    const distances = primitives.map((primitive) => distanceTo(primitive, point));
    const nearest = Math.min(...distances);
    if (nearest < 1e-7) return { index: distances.indexOf(nearest), t };
    t += nearest;
  }
  return { index: -1, t };
}

/** Outward unit normal at a point of the surface: the gradient of the distance. */
export function normalAt(primitive: Primitive, point: readonly number[]): number[] {
  const h = 1e-5;
  const gradient = [0, 1, 2].map((c) => {
    const [above, below] = [point.slice(), point.slice()];
    above[c] += h;
    below[c] -= h;
    return (distanceTo(primitive, above) - distanceTo(primitive, below)) / (2 * h);
  });
  const length = Math.hypot(...gradient);
  return gradient.map((x) => x / length);
}
