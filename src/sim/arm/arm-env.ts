/** @file `ArmReach-v0`, `ArmPush-v0`, `ArmPickPlace-v0`: a seven-joint arm with a gripper over a table, as an `Env`. */

import { fail, unknownName } from "../../core/errors.ts";
import { float32, zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import type { RngState } from "../../core/rng.ts";
import { Box } from "../../core/spaces/box.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { Env, EnvMetadata, Frame, Info, Snapshot, StepResult } from "../../env/env.ts";
import { makeRaycaster } from "../raycaster/raycaster.ts";
import type { Raycaster, RaycasterOptions } from "../raycaster/raycaster.ts";
import { ArmBody } from "./body.ts";
import type { SavedBody } from "./body.ts";
import { actionSizes, checkControl, clipped } from "./control.ts";
import type { ControlKind } from "./control.ts";
import { armCamera, dressScene, makeArmScene, poseScene } from "./looks.ts";
import type { ArmScene, CameraName } from "./looks.ts";
import { loadMujoco } from "./mujoco.ts";
import type { Mujoco } from "./mujoco.ts";
import { computeReward, rewardOf } from "./reward.ts";
import type { RewardInfo, RewardKind } from "./reward.ts";
import { checkSplit, makeScenario, pinnedId, scenarioPools, tableReach, taskSpecs } from "./scenario.ts";
import type { ArmTask, Scenario, Split } from "./scenario.ts";
import { frameSide, observationSpace, sizes } from "./spaces.ts";
import type { ArmObservation, ObservationForm } from "./spaces.ts";

/** Options of an arm environment. */
export interface ArmOptions {
  /** Default "dict". */
  readonly observation?: ObservationForm;
  /** Default "ee". */
  readonly control?: ControlKind;
  /** Default "dense". */
  readonly reward?: RewardKind;
  /** Terminate an episode when its goal is reached; needs a reward that is never positive. Default false. */
  readonly endsOnSuccess?: boolean;
  /** Pool of scenarios: disjoint for training, validation and test. Default "train". */
  readonly split?: Split;
  /** Camera of frames and renders; default "front". */
  readonly camera?: CameraName;
  /** "random": colours, lights and camera differ by scenario. Default "plain". */
  readonly looks?: "plain" | "random";
  /** "random": masses, friction, damping and servo strength differ by scenario. Default "plain". */
  readonly dynamics?: "plain" | "random";
}

/** What scripted experts and tests may look at. */
export interface ArmView {
  readonly task: ArmTask;
  readonly control: ControlKind;
  readonly body: ArmBody;
  readonly scenario: Scenario;
}

interface SavedArm {
  readonly scenario: number;
  readonly body: SavedBody;
  readonly rng: RngState;
}

function choice<T extends string>(kind: string, value: T | undefined, known: readonly T[]): T {
  const chosen = value ?? known[0];
  if (known.includes(chosen)) return chosen;
  throw unknownName(kind, chosen, known);
}

function resolve(task: ArmTask, options: ArmOptions): Required<ArmOptions> {
  const control = checkControl(options.control ?? "ee");
  if (control === "planar" && taskSpecs[task].planarHeightM === undefined) {
    fail({
      code: "NOT_SUPPORTED",
      what: `control "planar" of the ${task} task, whose object must be lifted`,
      fix: 'use control "ee" or "joint"',
    });
  }
  const reward = choice("reward", options.reward, ["dense", "cost", "sparse", "distance"]);
  const { endsOnSuccess = false } = options;
  if (endsOnSuccess && reward === "dense") {
    fail({
      code: "INVALID_ARGUMENT",
      what: "episodes that end on success would earn less than those that do not",
      got: 'endsOnSuccess with reward "dense", which is never negative',
      fix: 'use reward "cost", "sparse" or "distance"',
    });
  }
  return {
    control,
    observation: choice("observation", options.observation, ["dict", "frame", "state", "goal"]),
    reward,
    endsOnSuccess,
    split: checkSplit(options.split ?? "train"),
    camera: choice("camera", options.camera, ["front", "top", "wrist"]),
    looks: choice("looks", options.looks, ["plain", "random"]),
    dynamics: choice("dynamics", options.dynamics, ["plain", "random"]),
  };
}

/** Ids under which the tasks are registered. */
export const armIds: Readonly<Record<ArmTask, string>> = {
  reach: "ArmReach-v0",
  push: "ArmPush-v0",
  "pick-place": "ArmPickPlace-v0",
};

/** One arm over its table; the spec sheets stand in docs/arm.md. Build it with `makeArm`. */
export class ArmEnv implements Env<ArmObservation, NdArray<"float32">> {
  readonly observationSpace: Space<ArmObservation>;
  readonly actionSpace: Space<NdArray<"float32">>;
  readonly metadata: EnvMetadata = { renderModes: ["rgb_array"], renderFps: 10 };
  readonly renderMode = "rgb_array";
  readonly task: ArmTask;
  readonly options: Required<ArmOptions>;
  readonly #body: ArmBody;
  readonly #arm: ArmScene;
  readonly #raycaster: Raycaster = makeRaycaster({ width: frameSide, height: frameSide });
  #pictures: Raycaster | undefined;
  #rng = Rng.fromSeed();
  #scenario: Scenario | undefined;
  #bound: StepResult<ArmObservation> | undefined;
  #closed = false;

  constructor(mujoco: Mujoco, task: ArmTask, options: ArmOptions = {}) {
    this.task = task;
    this.options = resolve(task, options);
    const hasObject = taskSpecs[task].object !== undefined;
    this.observationSpace = observationSpace(this.options.observation, hasObject) as Space<ArmObservation>;
    this.actionSpace = new Box(-1, 1, [actionSizes[this.options.control]], "float32");
    this.#body = new ArmBody(mujoco, task);
    this.#arm = makeArmScene(this.#body.world, task, this.options.control === "planar");
  }

  /** The simulated truth; an episode must be running. */
  get view(): ArmView {
    return { task: this.task, control: this.options.control, body: this.#body, scenario: this.#running() };
  }

  /** Begin an episode; `options.scenario` pins its id, which must be of the environment's split. */
  reset(options: { seed?: number; options?: Record<string, unknown> } = {}): {
    observation: ArmObservation;
    info: Info;
  } {
    this.#assertOpen();
    if (options.seed !== undefined) this.#rng = Rng.fromSeed(options.seed);
    const { first, count } = scenarioPools[this.options.split];
    const drawn = first + this.#rng.integers(count);
    this.#adopt(pinnedId(this.options.split, options.options) ?? drawn);
    this.#body.place(this.#running());
    return { observation: this.#observe(), info: this.#info() };
  }

  /** @throws INVALID_SHAPE, NOT_FINITE for an action that is none; RESET_NEEDED before the first reset */
  step(action: NdArray<"float32">): StepResult<ArmObservation> {
    this.#assertOpen();
    this.#running();
    const { control, reward: kind, endsOnSuccess } = this.options;
    const values = clipped(action.data, control);
    this.#body.move(values, { control, gripper: this.task === "pick-place" });
    const info = this.#info();
    const reward = rewardOf(this.task, kind, info.distanceM, info.reachM);
    const terminated = (kind === "dense" && info.lost) || (endsOnSuccess && info.success);
    const observation = this.#observe();
    if (this.#bound === undefined) return { observation, reward, terminated, truncated: false, info };
    return Object.assign(this.#bound, { reward, terminated, truncated: false, info });
  }

  bind(observation: ArmObservation): void {
    this.#bound = { observation, reward: 0, terminated: false, truncated: false, info: {} };
  }

  /**
   * Gymnasium-Robotics' `compute_reward` for this environment's task and reward: achieved and desired places [3] or
   * [N, 3], `info.reachM` one or N numbers. Pure.
   */
  computeReward(achieved: NdArray, desired: NdArray, info?: RewardInfo): number | NdArray<"float64"> {
    return computeReward({ task: this.task, kind: this.options.reward }, achieved, desired, info);
  }

  /** A 256×256 picture. */
  render(): Frame {
    this.#pictures ??= makeRaycaster({ width: 256, height: 256, antialias: 2 });
    return this.#draw(this.#pictures);
  }

  /** A picture of any size and care, by any camera. */
  picture(options: RaycasterOptions, camera: CameraName = this.options.camera): Frame {
    return this.#draw(makeRaycaster(options), camera);
  }

  /** Depth in m and segmentation, 64×64, of the present frame: float32 and int32 [64, 64]. */
  sense(): { depth: NdArray<"float32">; segmentation: NdArray<"int32"> } {
    this.#running();
    poseScene(this.#arm, this.#body.world, this.#running().goal);
    const { depth, segmentation } = this.#raycaster.render(
      this.#arm.scene,
      this.#camera(this.options.camera),
    );
    return {
      depth: { ...depth, data: depth.data.slice() },
      segmentation: { ...segmentation, data: segmentation.data.slice() },
    };
  }

  snapshot(): Snapshot {
    const state: SavedArm = { scenario: this.#running().id, body: this.#body.save(), rng: this.#rng.state };
    return { kind: armIds[this.task], state };
  }

  /** @throws INVALID_ARGUMENT for another environment's snapshot */
  restore(snapshot: Snapshot): void {
    if (snapshot.kind !== armIds[this.task]) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "snapshot of another environment",
        expected: armIds[this.task],
        got: snapshot.kind,
      });
    }
    const state = snapshot.state as SavedArm;
    this.#rng = Rng.fromState(state.rng);
    this.#adopt(state.scenario);
    this.#body.load(state.body, this.#running().dynamics);
    if (this.#bound !== undefined) this.#observe();
  }

  /** Frees MuJoCo's memory. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#body.world.close();
  }

  /** Make the scenario of `id` the present one: its draw, its looks. */
  #adopt(id: number): void {
    const { control, dynamics, looks } = this.options;
    const { task } = this;
    this.#scenario = makeScenario(id, {
      task,
      planar: control === "planar",
      randomDynamics: dynamics === "random",
    });
    if (looks === "random") dressScene(this.#arm, this.#scenario.looks);
  }

  #camera(name: CameraName): ReturnType<typeof armCamera> {
    return armCamera(name, this.#arm, this.#body.world, this.#body.tipId);
  }

  #draw(raycaster: Raycaster, camera: CameraName = this.options.camera): Frame {
    poseScene(this.#arm, this.#body.world, this.#running().goal);
    const { rgb } = raycaster.render(this.#arm.scene, this.#camera(camera));
    return { ...rgb, data: rgb.data.slice() };
  }

  #drawFrame(frame: NdArray<"uint8">): void {
    poseScene(this.#arm, this.#body.world, this.#running().goal);
    this.#raycaster.render(this.#arm.scene, this.#camera(this.options.camera), {
      data: frame.data,
      offset: 0,
    });
  }

  #info(): { success: boolean; distanceM: number; reachM: number; lost: boolean; scenarioId: number } {
    const { tip, object } = this.#body;
    const { goal, id } = this.#running();
    const distanceM = distance(object, goal);
    const { low, high } = tableReach;
    const lost = object[2] < -0.05 || [0, 1].some((c) => object[c] < low[c] || object[c] > high[c]);
    return {
      success: distanceM < taskSpecs[this.task].thresholdM,
      distanceM,
      reachM: distance(tip, this.task === "reach" ? goal : object),
      lost: lost && this.task !== "reach",
      scenarioId: id,
    };
  }

  /** Write the observation into the bound memory, or into a new one. */
  #observe(): ArmObservation {
    const out = this.#bound?.observation ?? emptyObservation(this.options.observation, this.task);
    const body = this.#body;
    if ("dtype" in out) {
      if (out.dtype === "uint8") this.#drawFrame(out);
      else writeState(body, this.#running(), out.data);
    } else if ("frame" in out) {
      this.#drawFrame(out.frame);
      body.sense(out.state.data, 0);
    } else {
      body.sense(out.observation.data, 0);
      if (out.observation.data.length > sizes.own) body.senseObject(out.observation.data, sizes.own);
      out.achieved_goal.data.set(body.object);
      out.desired_goal.data.set(this.#running().goal);
    }
    return out;
  }

  #running(): Scenario {
    if (this.#scenario !== undefined) return this.#scenario;
    return fail({
      code: "RESET_NEEDED",
      what: "no episode has begun",
      fix: "call env.reset({ seed }) first",
    });
  }

  #assertOpen(): void {
    if (!this.#closed) return;
    fail({ code: "ENV_CLOSED", what: `${armIds[this.task]} is closed`, fix: "make a new environment" });
  }
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** Everything: own sensors, the object's, the goal. */
function writeState(body: ArmBody, scenario: Scenario, out: Float32Array): void {
  body.sense(out, 0);
  if (out.length > sizes.own + sizes.goal) body.senseObject(out, sizes.own);
  out.set(scenario.goal, out.length - sizes.goal);
}

function emptyObservation(form: ObservationForm, task: ArmTask): ArmObservation {
  const object = taskSpecs[task].object === undefined ? 0 : sizes.object;
  const frame = (): NdArray<"uint8"> => zeros("uint8", [frameSide, frameSide, 3]);
  if (form === "frame") return frame();
  if (form === "dict") return { frame: frame(), state: zeros("float32", [sizes.own]) };
  if (form === "state") return zeros("float32", [sizes.own + object + sizes.goal]);
  return {
    observation: zeros("float32", [sizes.own + object]),
    achieved_goal: float32([0, 0, 0]),
    desired_goal: float32([0, 0, 0]),
  };
}

/** One arm environment; loads MuJoCo where it has not been loaded. @throws UNKNOWN_NAME for an option that is none */
export async function makeArm(task: ArmTask, options: ArmOptions = {}): Promise<ArmEnv> {
  return new ArmEnv(await loadMujoco(), task, options);
}
