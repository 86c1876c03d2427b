/** @file Scripted experts that look into the simulator: the ceiling of each task, and with noise the data collectors. */

import { fail } from "../../core/errors.ts";
import { float32 } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { ArmEnv, ArmView } from "./arm-env.ts";
import { actionScale } from "./control.ts";
import { reachFor } from "./kinematics.ts";
import type { Vec3 } from "../raycaster/scene.ts";
import { taskSpecs } from "./scenario.ts";

/** Acts on one environment by looking into its simulator. */
export interface ArmExpert {
  /** Action float32 [A] for the present state; without `rng` no noise is added. */
  act(rng?: Rng): NdArray<"float32">;
}

/** How an expert is disturbed. */
export interface ExpertOptions {
  /** Standard deviation of Gaussian noise on every number of an action; default 0. */
  readonly noise?: number;
  /** Chance per step of beginning a lapse, during which uniform random actions are taken; default 0. */
  readonly lapseRate?: number;
  /** Steps of a lapse; default 8. */
  readonly lapseSteps?: number;
  /** A place in m that it takes for the goal; the scenario's goal unless given. */
  readonly goal?: Vec3;
}

/** What an expert wants: a way of the tip in m, and the gripper open (1) or closed (-1). */
interface Wish {
  x: number;
  y: number;
  z: number;
  grip: number;
}

function towards(view: ArmView, target: ArrayLike<number>, grip: number): Wish {
  const { tip } = view.body;
  return { x: target[0] - tip[0], y: target[1] - tip[1], z: target[2] - tip[2], grip };
}

/** Distance between the middles of tip and puck when they touch. */
const touchM = 0.045 + 0.015;

/** From here on the closed gripper comes down beside the puck, not on it. */
const clearM = touchM + 0.018;

/**
 * Push along the line from puck to goal from behind; where the tip is not behind, walk round the puck on a circle.
 * Memoryless: the wish depends on the present places only.
 */
function push(view: ArmView): Wish {
  const { tip, object } = view.body;
  const { goal } = view.scenario;
  const wayX = goal[0] - object[0];
  const wayY = goal[1] - object[1];
  const way = Math.hypot(wayX, wayY);
  const height = 0.025;
  if (way < 0.008) return towards(view, [tip[0], tip[1], height], -1);
  const [ux, uy] = [wayX / way, wayY / way];
  const behind = (tip[0] - object[0]) * -ux + (tip[1] - object[1]) * -uy;
  const aside = (tip[0] - object[0]) * -uy + (tip[1] - object[1]) * ux;
  const [distance, high] = [Math.hypot(behind, aside), tip[2] - height > 0.02];
  if (behind > 0.6 * touchM && Math.abs(aside) < 0.016 && !(high && distance < clearM)) {
    // Contact turns the puck away from the tip's side: steer the tip across the line, against its own offset.
    const step = Math.min(way, 0.03) + (behind - touchM);
    return towards(
      view,
      [tip[0] + ux * step + uy * aside * 1.2, tip[1] + uy * step - ux * aside * 1.2, height],
      -1,
    );
  }
  return walkAround(view, Math.atan2(-uy, -ux), height);
}

/** Go to the point behind the puck at angle `wantedRad`, round the puck rather than through it. */
function walkAround(view: ArmView, wantedRad: number, height: number): Wish {
  const { tip, object } = view.body;
  const radius = touchM + 0.025;
  const [fromX, fromY] = [tip[0] - object[0], tip[1] - object[1]];
  const now = Math.atan2(fromY, fromX);
  const turn = Math.atan2(Math.sin(wantedRad - now), Math.cos(wantedRad - now));
  const distance = Math.hypot(fromX, fromY);
  const step = Math.min(Math.max(turn, -0.45), 0.45);
  const outwards = distance < touchM + 0.002 && Math.abs(turn) > 0.3 ? 0 : step;
  const angle = now + outwards;
  const lifted = tip[2] - height > 0.02 && distance < clearM ? tip[2] : height;
  return towards(
    view,
    [object[0] + radius * Math.cos(angle), object[1] + radius * Math.sin(angle), lifted],
    -1,
  );
}

const hoverM = 0.1;

/** Up first where the goal lies aside, then over, then to it. */
function carry(view: ArmView): Wish {
  const { tip, object } = view.body;
  const { goal } = view.scenario;
  const wayX = goal[0] - object[0];
  const wayY = goal[1] - object[1];
  const aside = Math.hypot(wayX, wayY);
  const height = aside > 0.03 ? Math.max(goal[2], 0.06) : goal[2];
  const share = object[2] < 0.045 && aside > 0.03 ? 0.2 : 1;
  return towards(view, [tip[0] + share * wayX, tip[1] + share * wayY, tip[2] + height - object[2]], -1);
}

/** Above the cube, down, close, to the goal. Memoryless: whether the cube is held is seen from the fingers. */
function pickAndPlace(view: ArmView): Wish {
  const { tip, object, openingM } = view.body;
  const aside = Math.hypot(tip[0] - object[0], tip[1] - object[1]);
  const above = tip[2] - object[2];
  const width = 2 * (taskSpecs["pick-place"].object?.radiusM ?? 0);
  const held = openingM < width + 0.006 && aside < 0.035 && Math.abs(above) < 0.035;
  if (held) return carry(view);
  if (aside < 0.012 && Math.abs(above) < 0.008) return { x: 0, y: 0, z: 0, grip: -1 };
  if (aside > 0.012 && above < hoverM - 0.03 && openingM < width + 0.02 && aside < 0.1) {
    return towards(view, [tip[0], tip[1], object[2] + hoverM], 1);
  }
  if (aside > 0.012)
    return towards(view, [object[0], object[1], object[2] + (aside > 0.03 ? hoverM : above)], 1);
  return towards(view, object, 1);
}

function wishOf(view: ArmView): Wish {
  if (view.task === "reach") return towards(view, view.scenario.goal, -1);
  return view.task === "push" ? push(view) : pickAndPlace(view);
}

function bounded(value: number): number {
  return Math.min(Math.max(value, -1), 1);
}

/** The wish as joint turns, all shortened alike so that the tip stays on its way. */
function asJoints(view: ArmView, wish: Wish): number[] {
  const { body } = view;
  const { qpos } = body.world.state;
  const angles = Float64Array.from(qpos.subarray(0, 7));
  const length = Math.hypot(wish.x, wish.y, wish.z);
  const share = length > actionScale.tipM ? actionScale.tipM / length : 1;
  const { tip } = body;
  const target = [tip[0] + share * wish.x, tip[1] + share * wish.y, tip[2] + share * wish.z];
  reachFor(body.world, body.tipId, { target, iterations: 4 }, angles);
  const turns = Array.from(angles, (angle, k) => (angle - body.targets.angles[k]) / actionScale.jointRad);
  const largest = Math.max(1, ...turns.map(Math.abs));
  return [...turns.map((turn) => turn / largest), wish.grip];
}

/** Ways are asked of the servo targets, which run ahead of the arm; so the arm comes to rest where it is wanted. */
function asAction(view: ArmView): number[] {
  const wish = wishOf(view);
  if (view.control === "joint") return asJoints(view, wish);
  const { tip, targets } = view.body;
  const way = [wish.x, wish.y, wish.z].map((x, c) => (x + tip[c] - targets.tip[c]) / actionScale.tipM);
  return view.control === "planar" ? way.slice(0, 2).map(bounded) : [...way.map(bounded), wish.grip];
}

/** The arm inside whatever `make` put around it. */
function armIn(env: object): Pick<ArmEnv, "view"> {
  let inner = env;
  while (!("view" in inner) && "unwrapped" in inner) inner = inner.unwrapped as object;
  if ("view" in inner) return inner as ArmEnv;
  return fail({
    code: "NOT_SUPPORTED",
    what: `no scripted arm expert knows ${env.constructor.name}`,
    expected: "ArmReach-v0, ArmPush-v0 or ArmPickPlace-v0",
  });
}

/**
 * The scripted expert of an arm environment, wrapped or not. Without an `rng` it uses no randomness.
 * @throws NOT_SUPPORTED for another kind of environment
 */
export function makeArmExpert(env: object, options: ExpertOptions = {}): ArmExpert {
  const { noise = 0, lapseRate = 0, lapseSteps = 8, goal } = options;
  const arm = armIn(env);
  let lapse = 0;
  return {
    act(rng) {
      const { view } = arm;
      const action = asAction(goal === undefined ? view : { ...view, scenario: { ...view.scenario, goal } });
      if (rng === undefined) return float32(action);
      if (lapse > 0) lapse--;
      else if (lapseRate > 0 && rng.random() < lapseRate) lapse = lapseSteps;
      const disturbed = (value: number): number =>
        lapse > 0 ? rng.uniform(-1, 1) : bounded(value + noise * rng.standardNormal());
      return float32(action.map(disturbed));
    },
  };
}
