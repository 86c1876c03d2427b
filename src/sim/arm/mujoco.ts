/** @file The door to MuJoCo: its WASM module, loaded once, and one simulated world whose memory is freed on close. */

import loadModule from "@mujoco/mujoco";
import type { MainModule, MjData, MjModel } from "@mujoco/mujoco";
import { fail } from "../../core/errors.ts";

/** MuJoCo, loaded. */
export type Mujoco = MainModule;

let loading: Promise<Mujoco> | undefined;

/** Load MuJoCo's WASM module; once per thread. */
export function loadMujoco(): Promise<Mujoco> {
  loading ??= loadModule();
  return loading;
}

/** Arrays inside the module's memory, row-major. */
export interface WorldViews {
  readonly qpos: Float64Array;
  readonly qvel: Float64Array;
  readonly ctrl: Float64Array;
  readonly warmstart: Float64Array;
  readonly geomPositions: Float64Array;
  readonly geomRotations: Float64Array;
  readonly sitePositions: Float64Array;
  readonly siteRotations: Float64Array;
  readonly jointAnchors: Float64Array;
  readonly jointAxes: Float64Array;
}

/** Model parameters that may be changed between episodes, inside the module's memory. */
export interface ModelViews {
  readonly bodyMass: Float64Array;
  readonly bodyInertia: Float64Array;
  readonly geomFriction: Float64Array;
  readonly dofDamping: Float64Array;
  readonly gain: Float64Array;
  readonly bias: Float64Array;
}

/** Shapes of a model's geoms, read once. */
export interface GeomTable {
  readonly names: readonly string[];
  readonly types: Int32Array;
  /** [count, 3] */
  readonly sizes: Float64Array;
  /** [count, 4], 0–1. */
  readonly colors: Float32Array;
}

/**
 * A compiled model with its state and, for inverse kinematics, a second state that may be moved about.
 *
 * The module's memory grows as worlds are made, and growing detaches every view into it: views are taken again then.
 */
export class MujocoWorld {
  readonly model: MjModel;
  readonly #mujoco: Mujoco;
  readonly #data: MjData;
  readonly #ghost: MjData;
  #views: WorldViews | undefined;
  #ghostViews: WorldViews | undefined;
  #closed = false;

  /** @throws INVALID_ARGUMENT with MuJoCo's own words for a model that it refuses */
  constructor(mujoco: Mujoco, xml: string) {
    this.#mujoco = mujoco;
    this.model = compile(mujoco, xml);
    this.#data = new mujoco.MjData(this.model);
    this.#ghost = new mujoco.MjData(this.model);
  }

  /** The state. */
  get state(): WorldViews {
    if (this.#views === undefined || this.#views.qpos.length === 0) this.#views = viewsOf(this.#data);
    return this.#views;
  }

  /** The state for trying poses out. */
  get ghost(): WorldViews {
    if (this.#ghostViews === undefined || this.#ghostViews.qpos.length === 0) {
      this.#ghostViews = viewsOf(this.#ghost);
    }
    return this.#ghostViews;
  }

  get parameters(): ModelViews {
    const { model } = this;
    return {
      bodyMass: model.body_mass as Float64Array,
      bodyInertia: model.body_inertia as Float64Array,
      geomFriction: model.geom_friction as Float64Array,
      dofDamping: model.dof_damping as Float64Array,
      gain: model.actuator_gainprm as Float64Array,
      bias: model.actuator_biasprm as Float64Array,
    };
  }

  get time(): number {
    return this.#data.time;
  }

  set time(seconds: number) {
    this.#data.time = seconds;
  }

  /** Number of an element. @throws UNKNOWN_NAME when the model has none of that name */
  idOf(kind: "body" | "geom" | "joint" | "site", name: string): number {
    const { mjtObj } = this.#mujoco;
    const kinds = {
      body: mjtObj.mjOBJ_BODY.value,
      geom: mjtObj.mjOBJ_GEOM.value,
      joint: mjtObj.mjOBJ_JOINT.value,
      site: mjtObj.mjOBJ_SITE.value,
    };
    const id = this.#mujoco.mj_name2id(this.model, kinds[kind], name);
    if (id >= 0) return id;
    return fail({ code: "UNKNOWN_NAME", what: `this model has no ${kind} "${name}"` });
  }

  geoms(): GeomTable {
    const { model } = this;
    const kind = this.#mujoco.mjtObj.mjOBJ_GEOM.value;
    return {
      names: Array.from({ length: model.ngeom }, (_, id) => this.#mujoco.mj_id2name(model, kind, id) ?? ""),
      types: Int32Array.from(model.geom_type as Int32Array),
      sizes: Float64Array.from(model.geom_size as Float64Array),
      colors: Float32Array.from(model.geom_rgba as Float32Array),
    };
  }

  /** Back to the model's initial state. */
  clear(): void {
    this.#mujoco.mj_resetData(this.model, this.#data);
  }

  /** Bring everything that derives from masses up to date after `parameters` were changed. */
  refreshConstants(): void {
    this.#mujoco.mj_setConst(this.model, this.#ghost);
  }

  /** Advance by `count` of the model's timesteps; poses are then those of the new state. */
  step(count: number): void {
    for (let i = 0; i < count; i++) this.#mujoco.mj_step(this.model, this.#data);
    this.#mujoco.mj_kinematics(this.model, this.#data);
  }

  /** Compute poses from `state.qpos`. */
  pose(): void {
    this.#mujoco.mj_kinematics(this.model, this.#data);
  }

  /** Compute poses from `ghost.qpos`. */
  poseGhost(): void {
    this.#mujoco.mj_kinematics(this.model, this.#ghost);
  }

  /** Free the C++ objects. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#views = this.#ghostViews = undefined;
    this.#ghost.delete();
    this.#data.delete();
    this.model.delete();
  }
}

function compile(mujoco: Mujoco, xml: string): MjModel {
  try {
    return mujoco.MjModel.from_xml_string(xml);
  } catch (error) {
    return fail({
      code: "INVALID_ARGUMENT",
      what: "MuJoCo refuses the model",
      got: error instanceof Error ? error.message.trim() : String(error),
    });
  }
}

function viewsOf(data: MjData): WorldViews {
  return {
    qpos: data.qpos as Float64Array,
    qvel: data.qvel as Float64Array,
    ctrl: data.ctrl as Float64Array,
    warmstart: data.qacc_warmstart as Float64Array,
    geomPositions: data.geom_xpos as Float64Array,
    geomRotations: data.geom_xmat as Float64Array,
    sitePositions: data.site_xpos as Float64Array,
    siteRotations: data.site_xmat as Float64Array,
    jointAnchors: data.xanchor as Float64Array,
    jointAxes: data.xaxis as Float64Array,
  };
}
