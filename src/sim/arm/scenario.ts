/** @file Scenarios: everything that is drawn for one episode, as a pure function of its id; and the disjoint pools of ids. */

import { fail, unknownName } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import type { Vec3 } from "../raycaster/scene.ts";
import type { ObjectShape } from "./model.ts";

/** The three tasks. */
export type ArmTask = "reach" | "push" | "pick-place";

/** The three disjoint pools of scenarios. */
export type Split = "train" | "validation" | "test";

/** First id and number of ids of each pool. */
export const scenarioPools: Readonly<Record<Split, { readonly first: number; readonly count: number }>> = {
  train: { first: 0, count: 1_000_000 },
  validation: { first: 1_000_000, count: 10_000 },
  test: { first: 2_000_000, count: 10_000 },
};

/** Where the gripper's tip may be sent, in m: x ahead of the base, y to its left, z above the table. */
export const workspace = { low: [0.34, -0.26, 0.02], high: [0.7, 0.26, 0.45] } as const;

/** An object that leaves this rectangle (x, y) or falls below the table cannot be fetched back. */
export const tableReach = { low: [0.26, -0.36], high: [0.78, 0.36] } as const;

/** What a task is made of. */
export interface TaskSpec {
  readonly object: ObjectShape | undefined;
  /** Height that `control: "planar"` keeps the tip at, in m; undefined where a plane does not suffice. */
  readonly planarHeightM: number | undefined;
  /** Success: what is to be moved lies within this distance of the goal. */
  readonly thresholdM: number;
}

/** The tasks' fixed parts. */
export const taskSpecs: Readonly<Record<ArmTask, TaskSpec>> = {
  reach: { object: undefined, planarHeightM: 0.06, thresholdM: 0.03 },
  push: {
    object: { kind: "puck", radiusM: 0.045, halfHeightM: 0.025, massKg: 0.15 },
    planarHeightM: 0.025,
    thresholdM: 0.04,
  },
  "pick-place": {
    object: { kind: "cube", radiusM: 0.026, halfHeightM: 0.026, massKg: 0.1 },
    planarHeightM: undefined,
    thresholdM: 0.04,
  },
};

/** How the physics of an episode differ from the model's; all 1 without randomization. */
export interface Dynamics {
  readonly mass: number;
  readonly friction: number;
  readonly jointDamping: number;
  readonly servoStrength: number;
}

/** One episode's draw. */
export interface Scenario {
  readonly id: number;
  /** Where the tip begins. */
  readonly tip: Vec3;
  /** Where the object begins; the goal itself where there is none. */
  readonly object: Vec3;
  readonly objectYawRad: number;
  readonly goal: Vec3;
  readonly dynamics: Dynamics;
  /** Seed of the looks. */
  readonly looks: number;
}

/** What a scenario depends on besides its id. */
export interface ScenarioOptions {
  readonly task: ArmTask;
  /** Goals and tip in the plane of `control: "planar"`. */
  readonly planar: boolean;
  readonly randomDynamics: boolean;
}

const plain: Dynamics = { mass: 1, friction: 1, jointDamping: 1, servoStrength: 1 };

function drawDynamics(rng: Rng): Dynamics {
  const around = (spread: number): number => Math.exp(rng.uniform(-spread, spread));
  return {
    mass: around(0.7),
    friction: around(0.35),
    jointDamping: around(0.7),
    servoStrength: around(0.4),
  };
}

const table = { x: [0.42, 0.64], y: [-0.18, 0.18] } as const;

function onTable(rng: Rng, heightM: number): Vec3 {
  return [rng.uniform(...table.x), rng.uniform(...table.y), heightM];
}

function drawGoal(rng: Rng, options: ScenarioOptions, heightM: number): Vec3 {
  const [x, y] = onTable(rng, 0);
  const { task, planar } = options;
  const airborne = rng.random();
  const height = rng.uniform(0.05, 0.3);
  if (task === "push" || planar) return [x, y, heightM];
  if (task === "reach") return [x, y, height];
  return [x, y, airborne < 0.5 ? heightM : heightM + height * 0.7];
}

/** Least distance between where an object begins and where it is to go, in m. */
const leastWayM = 0.1;

/** The episode of an id; equal ids and options give equal episodes. */
export function makeScenario(id: number, options: ScenarioOptions): Scenario {
  const rng = Rng.fromSeed(id);
  const spec = taskSpecs[options.task];
  const heightM = spec.object?.halfHeightM ?? spec.planarHeightM ?? 0;
  const tipHeight = rng.uniform(0.14, 0.26);
  const [x, y] = onTable(rng, 0);
  const dynamics = drawDynamics(rng);
  const looks = rng.integers(2 ** 31 - 1);
  const objectYawRad = rng.uniform(-0.25, 0.25);
  const object = onTable(rng, heightM);
  let goal = drawGoal(rng, options, heightM);
  while (Math.hypot(goal[0] - object[0], goal[1] - object[1]) < leastWayM) {
    goal = drawGoal(rng, options, heightM);
  }
  const planarTip = options.planar ? clearOf(object, spec, [x, y, spec.planarHeightM ?? 0]) : undefined;
  return {
    id,
    tip: planarTip ?? [x, y, tipHeight],
    object: spec.object === undefined ? goal : object,
    objectYawRad,
    goal,
    dynamics: options.randomDynamics ? dynamics : plain,
    looks,
  };
}

/** The tip moved out of the object, towards the base or away from it, so that an episode does not begin in a collision. */
function clearOf(object: Vec3, spec: TaskSpec, tip: Vec3): Vec3 {
  const gap = Math.hypot(tip[0] - object[0], tip[1] - object[1]);
  const free = (spec.object?.radiusM ?? 0) + 0.05;
  if (spec.object === undefined || gap > free) return tip;
  return [object[0] > 0.53 ? object[0] - free : object[0] + free, tip[1], tip[2]];
}

/** Does an id belong to a pool? */
export function inPool(split: Split, id: number): boolean {
  const { first, count } = scenarioPools[split];
  return Number.isInteger(id) && id >= first && id < first + count;
}

/** The scenario that a reset's options pin. @throws UNKNOWN_NAME for another option, INVALID_ARGUMENT for another pool's id */
export function pinnedId(split: Split, options: Readonly<Record<string, unknown>> = {}): number | undefined {
  const other = Object.keys(options).find((name) => name !== "scenario");
  if (other !== undefined) throw unknownName("reset option", other, ["scenario"]);
  const wanted = options["scenario"];
  if (wanted === undefined) return undefined;
  if (typeof wanted === "number" && inPool(split, wanted)) return wanted;
  const { first, count } = scenarioPools[split];
  return fail({
    code: "INVALID_ARGUMENT",
    what: `scenario ${JSON.stringify(wanted)} is not in the "${split}" pool`,
    expected: `a whole number from ${first} to ${first + count - 1}`,
    fix: `make the environment with another split: ${Object.keys(scenarioPools).join(", ")}`,
  });
}

/** @throws UNKNOWN_NAME for a split that is none */
export function checkSplit(split: string): Split {
  if (Object.hasOwn(scenarioPools, split)) return split as Split;
  throw unknownName("split", split, Object.keys(scenarioPools));
}
