/** @file Where a ray enters each shape, in the shape's own frame. */

/**
 * A ray: origin [0…2], direction [3…5] (of any length), and in [6] where it enters the shape, in directions; infinite
 * when it does not or began inside.
 */
export type Ray = Float64Array;

/** A plane z = 0 seen from above, of half extents `sizes[at]` and `sizes[at + 1]`, 0 meaning infinite. */
function enterPlane(ray: Ray, sizes: Float64Array, at: number): void {
  const t = -ray[2] / ray[5];
  const x = Math.abs(ray[0] + t * ray[3]);
  const y = Math.abs(ray[1] + t * ray[4]);
  const inside = (x <= sizes[at] || sizes[at] === 0) && (y <= sizes[at + 1] || sizes[at + 1] === 0);
  ray[6] = ray[2] > 0 && t > 0 && inside ? t : Infinity;
}

/** In place of a direction's zero, so that no infinity meets another one. */
const almostZero = 1e-30;

/** The slab test. @source Kay and Kajiya 1986 */
function enterBox(ray: Ray, sizes: Float64Array, at: number): void {
  const ix = 1 / (ray[3] || almostZero);
  const iy = 1 / (ray[4] || almostZero);
  const iz = 1 / (ray[5] || almostZero);
  const hx = Math.abs(ix) * sizes[at];
  const hy = Math.abs(iy) * sizes[at + 1];
  const hz = Math.abs(iz) * sizes[at + 2];
  const cx = -ray[0] * ix;
  const cy = -ray[1] * iy;
  const cz = -ray[2] * iz;
  const enter = Math.max(cx - hx, cy - hy, cz - hz);
  ray[6] = enter > 0 && enter <= Math.min(cx + hx, cy + hy, cz + hz) ? enter : Infinity;
}

function enterSphere(ray: Ray, sizes: Float64Array, at: number): void {
  enterBall(ray, sizes[at], 0);
}

/** A ball of `radius` whose centre stands at height `z`. */
function enterBall(ray: Ray, radius: number, z: number): void {
  const oz = ray[2] - z;
  const a = ray[3] * ray[3] + ray[4] * ray[4] + ray[5] * ray[5];
  const b = ray[0] * ray[3] + ray[1] * ray[4] + oz * ray[5];
  const h = b * b - a * (ray[0] * ray[0] + ray[1] * ray[1] + oz * oz - radius * radius);
  const t = (-b - Math.sqrt(h)) / a;
  ray[6] = t > 0 ? t : Infinity;
}

/** The side of the infinite cylinder around z; then the ball at the end that the ray meets beyond it. */
function enterCapsule(ray: Ray, sizes: Float64Array, at: number): void {
  const radius = sizes[at];
  const half = sizes[at + 1];
  const a = ray[3] * ray[3] + ray[4] * ray[4];
  const b = ray[0] * ray[3] + ray[1] * ray[4];
  const c = ray[0] * ray[0] + ray[1] * ray[1] - radius * radius;
  const h = b * b - a * c;
  if (h < 0) {
    ray[6] = Infinity;
    return;
  }
  const t = (-b - Math.sqrt(h)) / a;
  const z = ray[2] + t * ray[5];
  if (z <= half && z >= -half) ray[6] = t > 0 ? t : Infinity;
  else if (a > 0) enterBall(ray, radius, z > 0 ? half : -half);
  else enterBall(ray, radius, ray[5] < 0 ? half : -half);
}

/** The side, or one of the two discs. */
function enterCylinder(ray: Ray, sizes: Float64Array, at: number): void {
  const radius = sizes[at];
  const half = sizes[at + 1];
  const a = ray[3] * ray[3] + ray[4] * ray[4];
  const b = ray[0] * ray[3] + ray[1] * ray[4];
  const c = ray[0] * ray[0] + ray[1] * ray[1] - radius * radius;
  const h = b * b - a * c;
  const side = a > 0 ? (-b - Math.sqrt(h)) / a : c > 0 ? Infinity : -Infinity;
  const cap = (-Math.sign(ray[5]) * half - ray[2]) / ray[5];
  const x = ray[0] + cap * ray[3];
  const y = ray[1] + cap * ray[4];
  if (cap > 0 && x * x + y * y <= radius * radius) ray[6] = cap;
  else if (side > 0 && Math.abs(ray[2] + side * ray[5]) <= half) ray[6] = side;
  else ray[6] = Infinity;
}

/** Write where `ray` enters a shape into `ray[6]`; `sizes[at …]` as a `Primitive` has them. */
export function enter(shape: number, ray: Ray, sizes: Float64Array, at: number): void {
  switch (shape) {
    case 0:
      return enterPlane(ray, sizes, at);
    case 1:
      return enterBox(ray, sizes, at);
    case 2:
      return enterSphere(ray, sizes, at);
    case 3:
      return enterCapsule(ray, sizes, at);
    default:
      return enterCylinder(ray, sizes, at);
  }
}

/**
 * The outward normal [3…5] of the surface at a point [0…2] on it, both in the shape's own frame. Surface coordinates u, v
 * in m go to [6…7] where they are simply the point's; `wrapSurface` writes the round shapes'.
 */
export function describeSurface(shape: number, point: Float64Array, sizes: Float64Array, at: number): void {
  const x = point[0];
  const y = point[1];
  const z = point[2];
  point[6] = x;
  point[7] = y;
  if (shape === 1) return describeBox(point, sizes, at);
  if (shape === 0) return setNormal(point, 0, 0, 1);
  if (shape === 2) return setNormal(point, x, y, z);
  const half = sizes[at + 1];
  const beyond = z > half ? z - half : z < -half ? z + half : 0;
  if (shape === 3) return setNormal(point, x, y, beyond);
  const side = Math.abs(sizes[at] - Math.sqrt(x * x + y * y));
  const cap = Math.abs(half - Math.abs(z));
  setNormal(point, cap < side ? 0 : x, cap < side ? 0 : y, cap < side ? z : 0);
}

/** Write u = arc length around z and v = height of a point on a round shape's side; caps and flat shapes stay as they are. */
export function wrapSurface(shape: number, point: Float64Array, sizes: Float64Array, at: number): void {
  if (shape < 2 || (shape === 4 && Math.abs(point[5]) > 0.5)) return;
  point[6] = Math.atan2(point[1], point[0]) * sizes[at];
  point[7] = point[2];
}

/** Write a normal, scaled to length 1. */
function setNormal(point: Float64Array, x: number, y: number, z: number): void {
  const scale = 1 / Math.sqrt(x * x + y * y + z * z);
  point[3] = x * scale;
  point[4] = y * scale;
  point[5] = z * scale;
}

/** The face whose plane the point is nearest to; u and v are its two axes in order. */
function describeBox(point: Float64Array, sizes: Float64Array, at: number): void {
  const gapX = Math.abs(Math.abs(point[0]) - sizes[at]);
  const gapY = Math.abs(Math.abs(point[1]) - sizes[at + 1]);
  const gapZ = Math.abs(Math.abs(point[2]) - sizes[at + 2]);
  const axis = gapZ <= gapX && gapZ <= gapY ? 2 : gapX <= gapY ? 0 : 1;
  point[3] = point[4] = point[5] = 0;
  point[3 + axis] = point[axis] < 0 ? -1 : 1;
  point[6] = point[axis === 0 ? 1 : 0];
  point[7] = point[axis === 2 ? 1 : 2];
}
