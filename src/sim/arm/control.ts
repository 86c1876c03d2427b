/** @file From actions in [-1, 1] to servo targets: gripper moves through inverse kinematics, or joint moves. */

import { fail, unknownName } from "../../core/errors.ts";
import { reachFor } from "./kinematics.ts";
import { fingerTravelM, homeRad, jointLimitsRad } from "./model.ts";
import type { MujocoWorld } from "./mujoco.ts";
import { workspace } from "./scenario.ts";

/** `ee`: the tip's way in x, y, z and the gripper; `planar`: in x and y at a fixed height, closed; `joint`: 7 joints and the gripper. */
export type ControlKind = "ee" | "planar" | "joint";

/** Numbers of an action by kind. */
export const actionSizes: Readonly<Record<ControlKind, number>> = { ee: 4, planar: 2, joint: 8 };

/** What one action of 1 means: a way of the tip in m, a turn of a joint in rad. */
export const actionScale = { tipM: 0.03, jointRad: 0.08 } as const;

/** Targets run at most this far ahead of the arm, so that pushing against something does not wind them up. */
const leash = { tipM: 0.06, jointRad: 0.25 };

/** Servo targets of one arm: all that it remembers between steps. */
export interface ArmTargets {
  /** float64 [3], m */
  readonly tip: Float64Array;
  /** float64 [7], rad */
  readonly angles: Float64Array;
  /** Opening of each finger in m. */
  finger: number;
}

/** Targets at rest. */
export function makeTargets(): ArmTargets {
  return { tip: new Float64Array(3), angles: Float64Array.from(homeRad), finger: 0 };
}

/** @throws UNKNOWN_NAME for a control that is none */
export function checkControl(control: string): ControlKind {
  if (Object.hasOwn(actionSizes, control)) return control as ControlKind;
  throw unknownName("control", control, Object.keys(actionSizes));
}

/** Actions clipped to [-1, 1] in a copy. @throws INVALID_SHAPE, NOT_FINITE */
export function clipped(action: ArrayLike<number>, control: ControlKind): Float64Array {
  const size = actionSizes[control];
  if (action.length !== size) {
    fail({
      code: "INVALID_SHAPE",
      what: `an action of "${control}" control has another length`,
      expected: `${size} numbers in [-1, 1]`,
      got: `${action.length}`,
    });
  }
  return Float64Array.from(action, (value, i) => {
    if (!Number.isNaN(value)) return Math.min(Math.max(value, -1), 1);
    return fail({
      code: "NOT_FINITE",
      what: `number ${i} of the action is not a number`,
      fix: "look for a NaN in the policy's output",
    });
  });
}

function bounded(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** The tip that a world shows, as a view. */
export function tipOf(world: MujocoWorld, tipId: number): Float64Array {
  return world.state.sitePositions.subarray(3 * tipId, 3 * tipId + 3);
}

function moveTip(world: MujocoWorld, tipId: number, way: ArrayLike<number>, targets: ArmTargets): void {
  const tip = tipOf(world, tipId);
  for (let c = 0; c < way.length; c++) {
    const wanted = targets.tip[c] + way[c] * actionScale.tipM;
    const near = bounded(wanted, tip[c] - leash.tipM, tip[c] + leash.tipM);
    targets.tip[c] = bounded(near, workspace.low[c], workspace.high[c]);
  }
  reachFor(world, tipId, { target: targets.tip, iterations: 2 }, targets.angles);
}

function turnJoints(world: MujocoWorld, turns: ArrayLike<number>, targets: ArmTargets): void {
  const { qpos } = world.state;
  for (let k = 0; k < 7; k++) {
    const wanted = targets.angles[k] + turns[k] * actionScale.jointRad;
    const near = bounded(wanted, qpos[k] - leash.jointRad, qpos[k] + leash.jointRad);
    targets.angles[k] = bounded(near, jointLimitsRad[k][0], jointLimitsRad[k][1]);
  }
}

/** How an environment's actions are meant. */
export interface ControlOptions {
  readonly control: ControlKind;
  /** False where the task holds the gripper closed, whatever the action says. */
  readonly gripper: boolean;
}

/** Turn one action into servo commands of the world. */
export function command(
  world: MujocoWorld,
  tipId: number,
  { control, gripper }: ControlOptions,
  move: { readonly action: Float64Array; readonly targets: ArmTargets },
): void {
  const { action, targets } = move;
  if (control === "joint") turnJoints(world, action, targets);
  else moveTip(world, tipId, action.subarray(0, control === "ee" ? 3 : 2), targets);
  const grip = control === "planar" ? -1 : action[action.length - 1];
  targets.finger = gripper ? ((grip + 1) / 2) * fingerTravelM : 0;
  const { ctrl } = world.state;
  ctrl.set(targets.angles);
  ctrl[7] = ctrl[8] = targets.finger;
}
