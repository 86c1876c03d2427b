/** @file Inverse kinematics: joint angles that bring the gripper to a place, pointing down; damped least squares. */

import { homeRad, jointLimitsRad } from "./model.ts";
import type { MujocoWorld } from "./mujoco.ts";

const joints = 7;
const damping = 1e-4;
/** How strongly the redundant joint is drawn to the resting pose, per iteration. */
const homePull = 0.05;

/** Columns [6, 7] of the Jacobian, linear part first. */
const jacobian = new Float64Array(6 * joints);
const error = new Float64Array(6);
/** J·Jᵀ + damping, factorized in place. */
const square = new Float64Array(36);
const pull = new Float64Array(joints);

/** The gripper's axes when it points down with its fingers apart along y, row-major. */
const down = [1, 0, 0, 0, -1, 0, 0, 0, -1];

function fillError(
  site: { position: Float64Array; rotation: Float64Array },
  target: ArrayLike<number>,
): void {
  const { position, rotation: r } = site;
  for (let c = 0; c < 3; c++) {
    error[c] = target[c] - position[c];
    error[3 + c] = 0;
  }
  // Half the sum of cross products of each present axis with the wanted one: the small rotation between the frames.
  for (let axis = 0; axis < 3; axis++) {
    for (let c = 0; c < 3; c++) {
      const d = (c + 1) % 3;
      const e = (c + 2) % 3;
      error[3 + c] += 0.5 * (r[3 * d + axis] * down[3 * e + axis] - r[3 * e + axis] * down[3 * d + axis]);
    }
  }
}

/** Is every part of the error below a micrometre or microradian? */
function closeEnough(): boolean {
  for (let i = 0; i < 6; i++) if (Math.abs(error[i]) > 1e-6) return false;
  return true;
}

function fillJacobian(world: MujocoWorld, position: Float64Array): void {
  const { jointAnchors, jointAxes } = world.ghost;
  for (let joint = 0; joint < joints; joint++) {
    for (let c = 0; c < 3; c++) {
      const d = (c + 1) % 3;
      const e = (c + 2) % 3;
      const armD = position[d] - jointAnchors[3 * joint + d];
      const armE = position[e] - jointAnchors[3 * joint + e];
      jacobian[c * joints + joint] = jointAxes[3 * joint + d] * armE - jointAxes[3 * joint + e] * armD;
      jacobian[(3 + c) * joints + joint] = jointAxes[3 * joint + c];
    }
  }
}

/** Factorize J·Jᵀ + damping = L·Lᵀ into `square`'s lower half. */
function factorize(): void {
  for (let i = 0; i < 6; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? damping : 0;
      for (let k = 0; k < joints; k++) sum += jacobian[i * joints + k] * jacobian[j * joints + k];
      for (let k = 0; k < j; k++) sum -= square[6 * i + k] * square[6 * j + k];
      square[6 * i + j] = i === j ? Math.sqrt(sum) : sum / square[6 * j + j];
    }
  }
}

/** Replace `error` by the solution of L·Lᵀ·x = error. */
function solve(): void {
  for (let i = 0; i < 6; i++) {
    for (let k = 0; k < i; k++) error[i] -= square[6 * i + k] * error[k];
    error[i] /= square[7 * i];
  }
  for (let i = 5; i >= 0; i--) {
    for (let k = i + 1; k < 6; k++) error[i] -= square[6 * k + i] * error[k];
    error[i] /= square[7 * i];
  }
}

/** One step towards the target: the least change of the joints, plus what pulls home without moving the gripper. */
function improve(angles: Float64Array): void {
  for (let k = 0; k < joints; k++) pull[k] = homePull * (homeRad[k] - angles[k]);
  for (let i = 0; i < 6; i++) {
    for (let k = 0; k < joints; k++) error[i] -= jacobian[i * joints + k] * pull[k];
  }
  factorize();
  solve();
  for (let k = 0; k < joints; k++) {
    let change = pull[k];
    for (let i = 0; i < 6; i++) change += jacobian[i * joints + k] * error[i];
    const [low, high] = jointLimitsRad[k];
    angles[k] = Math.min(Math.max(angles[k] + change, low), high);
  }
}

/**
 * Improve joint `angles` (float64 [7], rad, in place) so that site `siteId` comes to `target` (m), pointing down. Each
 * iteration converges quadratically; two follow a target that moves by centimetres, thirty find any reachable one, and
 * more than two stop once they have.
 */
export function reachFor(
  world: MujocoWorld,
  siteId: number,
  goal: { readonly target: ArrayLike<number>; readonly iterations: number },
  angles: Float64Array,
): void {
  for (let i = 0; i < goal.iterations; i++) {
    world.ghost.qpos.set(angles);
    world.poseGhost();
    const { sitePositions, siteRotations } = world.ghost;
    const position = sitePositions.subarray(3 * siteId, 3 * siteId + 3);
    const rotation = siteRotations.subarray(9 * siteId, 9 * siteId + 9);
    fillError({ position, rotation }, goal.target);
    if (goal.iterations > 2 && closeEnough()) return;
    fillJacobian(world, position);
    improve(angles);
  }
}
