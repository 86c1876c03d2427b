/**
 * @file Rotations as robots' action vectors write them: Euler angles, quaternions, and the six numbers of a matrix' first two
 * columns; all by way of the matrix. And poses: the step from one to the next, seen from the first.
 */

/** Row-major 3 × 3. */
export type Matrix3 = readonly [number, number, number, number, number, number, number, number, number];

/** w, x, y, z; of length 1. */
export type Quaternion = readonly [w: number, x: number, y: number, z: number];

/** Radians: about x, then about the fixed y, then about the fixed z (R = Rz · Ry · Rx). */
export type EulerXyz = readonly [rollRad: number, pitchRad: number, yawRad: number];

/** The first two columns of the matrix, one after the other. @source Zhou et al. 2019, On the Continuity of Rotation Representations, §4.2 */
export type SixNumbers = readonly [number, number, number, number, number, number];

/** A place and a direction. */
export interface Pose {
  readonly position: readonly [number, number, number];
  readonly rotation: Matrix3;
}

/** a · b. */
export function multiply(a: Matrix3, b: Matrix3): Matrix3 {
  const at = (row: number, column: number): number =>
    a[3 * row] * b[column] + a[3 * row + 1] * b[3 + column] + a[3 * row + 2] * b[6 + column];
  return [at(0, 0), at(0, 1), at(0, 2), at(1, 0), at(1, 1), at(1, 2), at(2, 0), at(2, 1), at(2, 2)];
}

/** The transpose: of a rotation, its inverse. */
export function transpose([a, b, c, d, e, f, g, h, i]: Matrix3): Matrix3 {
  return [a, d, g, b, e, h, c, f, i];
}

/** Euler angles to a matrix. */
export function matrixOfEuler([roll, pitch, yaw]: EulerXyz): Matrix3 {
  const [cr, sr, cp, sp] = [Math.cos(roll), Math.sin(roll), Math.cos(pitch), Math.sin(pitch)];
  const [cy, sy] = [Math.cos(yaw), Math.sin(yaw)];
  return [
    cy * cp,
    cy * sp * sr - sy * cr,
    cy * sp * cr + sy * sr,
    sy * cp,
    sy * sp * sr + cy * cr,
    sy * sp * cr - cy * sr,
    -sp,
    cp * sr,
    cp * cr,
  ];
}

/** A matrix to Euler angles, pitch in [−π/2, π/2]; at ±π/2, where only yaw ∓ roll is known, roll is 0. */
export function eulerOfMatrix(m: Matrix3): EulerXyz {
  const level = Math.hypot(m[0], m[3]);
  const pitch = Math.atan2(-m[6], level);
  if (level < 1e-9) return [0, pitch, Math.atan2(-m[1], m[4])];
  return [Math.atan2(m[7], m[8]), pitch, Math.atan2(m[3], m[0])];
}

/** A quaternion of any length above 0 to a matrix. */
export function matrixOfQuaternion(q: Quaternion): Matrix3 {
  const length = Math.hypot(...q);
  const [w, x, y, z] = q.map((value) => value / length);
  return [
    1 - 2 * (y * y + z * z),
    2 * (x * y - w * z),
    2 * (x * z + w * y),
    2 * (x * y + w * z),
    1 - 2 * (x * x + z * z),
    2 * (y * z - w * x),
    2 * (x * z - w * y),
    2 * (y * z + w * x),
    1 - 2 * (x * x + y * y),
  ];
}

/**
 * A matrix to the quaternion with w ≥ 0; by its largest component, so that no half turn loses digits.
 * @source Shepperd 1978, Quaternion from Rotation Matrix
 */
export function quaternionOfMatrix(m: Matrix3): Quaternion {
  const trace = m[0] + m[4] + m[8];
  const squares = [trace, m[0], m[4], m[8]].map((value) => 1 + 2 * value - trace);
  const largest = squares.indexOf(Math.max(...squares));
  const candidates: Quaternion[] = [
    [1 + trace, m[7] - m[5], m[2] - m[6], m[3] - m[1]],
    [m[7] - m[5], squares[1], m[1] + m[3], m[2] + m[6]],
    [m[2] - m[6], m[1] + m[3], squares[2], m[5] + m[7]],
    [m[3] - m[1], m[2] + m[6], m[5] + m[7], squares[3]],
  ];
  const raw = candidates[largest];
  const length = Math.hypot(...raw) * (raw[0] < 0 ? -1 : 1);
  const [w, x, y, z] = raw.map((value) => value / length);
  return [w, x, y, z];
}

/** A matrix to its first two columns. */
export function sixOfMatrix(m: Matrix3): SixNumbers {
  return [m[0], m[3], m[6], m[1], m[4], m[7]];
}

/** Any two independent columns to the rotation nearest in Gram-Schmidt's sense: a network's output needs no constraint. */
export function matrixOfSix([a, b, c, d, e, f]: SixNumbers): Matrix3 {
  const length = Math.hypot(a, b, c);
  const [x1, y1, z1] = [a / length, b / length, c / length];
  const along = x1 * d + y1 * e + z1 * f;
  const [u, v, w] = [d - along * x1, e - along * y1, f - along * z1];
  const other = Math.hypot(u, v, w);
  const [x2, y2, z2] = [u / other, v / other, w / other];
  return [x1, x2, y1 * z2 - z1 * y2, y1, y2, z1 * x2 - x1 * z2, z1, z2, x1 * y2 - y1 * x2];
}

function turn(m: Matrix3, [x, y, z]: Pose["position"]): [number, number, number] {
  return [m[0] * x + m[1] * y + m[2] * z, m[3] * x + m[4] * y + m[5] * z, m[6] * x + m[7] * y + m[8] * z];
}

/** The step from pose `a` to pose `b`, seen from `a`: what a delta action says. */
export function poseDelta(a: Pose, b: Pose): Pose {
  const back = transpose(a.rotation);
  const [x, y, z] = b.position.map((value, i) => value - a.position[i]);
  return { position: turn(back, [x, y, z]), rotation: multiply(back, b.rotation) };
}

/** Inverse of `poseDelta`: where a step from `a` leads. */
export function applyDelta(a: Pose, delta: Pose): Pose {
  const moved = turn(a.rotation, delta.position);
  const [x, y, z] = moved.map((value, i) => value + a.position[i]);
  return { position: [x, y, z], rotation: multiply(a.rotation, delta.rotation) };
}
