/** @file One arm in MuJoCo: placed as a scenario says, moved by commands, read out; no rewards, no pictures. */

import { fail } from "../../core/errors.ts";
import { command, makeTargets } from "./control.ts";
import type { ArmTargets, ControlOptions } from "./control.ts";
import { reachFor } from "./kinematics.ts";
import { homeRad, modelXml, timestepSeconds } from "./model.ts";
import { MujocoWorld } from "./mujoco.ts";
import type { ModelViews, Mujoco } from "./mujoco.ts";
import { taskSpecs } from "./scenario.ts";
import type { ArmTask, Dynamics, Scenario } from "./scenario.ts";

/** Seconds between two actions. */
export const controlSeconds = 0.1;

const substeps = Math.round(controlSeconds / timestepSeconds);

/** Places of the object's position, quaternion and velocity in qpos and qvel: after seven joints and two fingers. */
const objectAt = 9;

/** An arm's physics and targets, as plain data. */
export interface SavedBody {
  readonly qpos: Float64Array;
  readonly qvel: Float64Array;
  readonly ctrl: Float64Array;
  readonly warmstart: Float64Array;
  readonly time: number;
  readonly targets: ArmTargets;
  readonly tipVelocity: Float64Array;
}

/** A body, its servo targets, and what its sensors say. */
export class ArmBody {
  readonly world: MujocoWorld;
  readonly tipId: number;
  readonly targets: ArmTargets = makeTargets();
  /** m/s, mean over the last step; float64 [3] */
  readonly tipVelocity = new Float64Array(3);
  readonly #hasObject: boolean;
  readonly #objectBody: number;
  readonly #nominal: ModelViews;
  #dynamics: Dynamics | undefined;

  constructor(mujoco: Mujoco, task: ArmTask) {
    const { object } = taskSpecs[task];
    this.world = new MujocoWorld(mujoco, modelXml(object));
    this.tipId = this.world.idOf("site", "tip");
    this.#hasObject = object !== undefined;
    this.#objectBody = this.#hasObject ? this.world.idOf("body", "object") : -1;
    const { parameters } = this.world;
    this.#nominal = {
      bodyMass: parameters.bodyMass.slice(),
      bodyInertia: parameters.bodyInertia.slice(),
      geomFriction: parameters.geomFriction.slice(),
      dofDamping: parameters.dofDamping.slice(),
      gain: parameters.gain.slice(),
      bias: parameters.bias.slice(),
    };
  }

  /** The gripper's tip in m, as a view. */
  get tip(): Float64Array {
    return this.world.state.sitePositions.subarray(3 * this.tipId, 3 * this.tipId + 3);
  }

  /** The object's middle in m, as a view; the tip where the task has none. */
  get object(): Float64Array {
    return this.#hasObject ? this.world.state.qpos.subarray(objectAt, objectAt + 3) : this.tip;
  }

  /** How far the fingers are apart, in m. */
  get openingM(): number {
    const { qpos } = this.world.state;
    return qpos[7] + qpos[8];
  }

  /** Begin a scenario. */
  place(scenario: Scenario): void {
    const { world, targets } = this;
    this.adopt(scenario.dynamics);
    world.clear();
    targets.angles.set(homeRad);
    targets.tip.set(scenario.tip);
    targets.finger = 0;
    this.tipVelocity.fill(0);
    reachFor(world, this.tipId, { target: targets.tip, iterations: 30 }, targets.angles);
    const { qpos, ctrl } = world.state;
    qpos.set(targets.angles);
    ctrl.set(targets.angles);
    if (this.#hasObject) {
      const half = scenario.objectYawRad / 2;
      qpos.set([...scenario.object, Math.cos(half), 0, 0, Math.sin(half)], objectAt);
    }
    world.pose();
  }

  /** Physics that differ from the model's by `dynamics`. */
  adopt(dynamics: Dynamics): void {
    if (this.#dynamics === dynamics) return;
    const { parameters } = this.world;
    const nominal = this.#nominal;
    const body = this.#objectBody;
    const scale = (out: Float64Array, from: Float64Array, factor: number): void => {
      for (let i = 0; i < out.length; i++) out[i] = from[i] * factor;
    };
    if (body >= 0) {
      parameters.bodyMass[body] = nominal.bodyMass[body] * dynamics.mass;
      for (let i = 3 * body; i < 3 * body + 3; i++) {
        parameters.bodyInertia[i] = nominal.bodyInertia[i] * dynamics.mass;
      }
    }
    scale(parameters.geomFriction, nominal.geomFriction, dynamics.friction);
    scale(parameters.dofDamping, nominal.dofDamping, dynamics.jointDamping);
    scale(parameters.gain, nominal.gain, dynamics.servoStrength);
    scale(parameters.bias, nominal.bias, dynamics.servoStrength);
    this.world.refreshConstants();
    this.#dynamics = dynamics;
  }

  /** One control step. @throws NOT_FINITE when the physics diverge */
  move(action: Float64Array, options: ControlOptions): void {
    const { world, targets, tipVelocity } = this;
    command(world, this.tipId, options, { action, targets });
    tipVelocity.set(this.tip);
    world.step(substeps);
    const { tip } = this;
    for (let c = 0; c < 3; c++) tipVelocity[c] = (tip[c] - tipVelocity[c]) / controlSeconds;
    if (Number.isFinite(tip[0] + tip[1] + tip[2] + this.object[0])) return;
    fail({
      code: "NOT_FINITE",
      what: "the arm's physics diverged",
      got: `action [${action.join(", ")}] at ${world.time.toFixed(2)} s`,
      fix: "reset; if it happens again, report the scenario and the actions that led to it",
    });
  }

  /** Write tip, tip velocity, opening, joint angles and joint velocities: 21 numbers from `at` on. */
  sense(out: Float32Array, at: number): void {
    const { qpos, qvel } = this.world.state;
    out.set(this.tip, at);
    out.set(this.tipVelocity, at + 3);
    out[at + 6] = this.openingM;
    out.set(qpos.subarray(0, 7), at + 7);
    out.set(qvel.subarray(0, 7), at + 14);
  }

  /** Write the object's place, heading (cosine and sine), velocity and way from the tip: 11 numbers from `at` on. */
  senseObject(out: Float32Array, at: number): void {
    const { qpos, qvel } = this.world.state;
    const [w, x, y, z] = qpos.subarray(objectAt + 3, objectAt + 7);
    const yaw = Math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z));
    const { tip, object } = this;
    out.set(object, at);
    out[at + 3] = Math.cos(yaw);
    out[at + 4] = Math.sin(yaw);
    out.set(qvel.subarray(objectAt, objectAt + 3), at + 5);
    for (let c = 0; c < 3; c++) out[at + 8 + c] = object[c] - tip[c];
  }

  save(): SavedBody {
    const { qpos, qvel, ctrl, warmstart } = this.world.state;
    return {
      qpos: qpos.slice(),
      qvel: qvel.slice(),
      ctrl: ctrl.slice(),
      warmstart: warmstart.slice(),
      time: this.world.time,
      targets: { ...this.targets, tip: this.targets.tip.slice(), angles: this.targets.angles.slice() },
      tipVelocity: this.tipVelocity.slice(),
    };
  }

  load(saved: SavedBody, dynamics: Dynamics): void {
    this.adopt(dynamics);
    const { qpos, qvel, ctrl, warmstart } = this.world.state;
    qpos.set(saved.qpos);
    qvel.set(saved.qvel);
    ctrl.set(saved.ctrl);
    warmstart.set(saved.warmstart);
    this.world.time = saved.time;
    this.targets.tip.set(saved.targets.tip);
    this.targets.angles.set(saved.targets.angles);
    this.targets.finger = saved.targets.finger;
    this.tipVelocity.set(saved.tipVelocity);
    this.world.pose();
  }
}
