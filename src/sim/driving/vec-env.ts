/** @file `DrivingVecEnv`: a driving task behind the `VectorEnv` primitive, natively batched, without allocation per step. */

import { fail } from "../../core/errors.ts";
import { copyOf, zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import type { RngState } from "../../core/rng.ts";
import type { Space } from "../../core/spaces/space.ts";
import type {
  EnvMetadata,
  Frame,
  InfoBatch,
  ResetBatch,
  Snapshot,
  StepBatch,
  VectorEnv,
  VectorResetOptions,
} from "../../env/env.ts";
import { frameBytes, frameSide } from "./bird-view.ts";
import type { CarState } from "./car.ts";
import { actionSpace, observationSpace } from "./spaces.ts";
import type { ObservationForm } from "./spaces.ts";
import type { DrivingFacts, DrivingWorld, Outcome } from "./world.ts";

/** Observations of a driving env: frames uint8 [N, 64, 64, 3]; with state float32 [N, 3] in the dict form. */
export type DrivingObservation =
  | NdArray<"uint8">
  | { readonly frame: NdArray<"uint8">; readonly state: NdArray<"float32"> };

/** How the harness runs a world. */
export interface HarnessOptions {
  readonly numEnvs: number;
  readonly observation: ObservationForm;
  /** Steps until an episode is truncated; -1: never. */
  readonly maxEpisodeSteps: number;
}

interface HarnessState {
  readonly rngs: readonly RngState[];
  readonly worlds: readonly unknown[];
  readonly elapsed: readonly number[];
  readonly phase: readonly number[];
  readonly frame: NdArray<"uint8">;
  readonly facts: Readonly<Record<string, NdArray>>;
}

/** Side of a picture in pixels. */
const pictureSide = 256;
const running = 1;
const ended = 2;

/**
 * A driving task behind `VectorEnv`'s primitive (masked step, masked reset, no autoreset).
 *
 * Returned arrays belong to the environment and are overwritten by the next `step` or `reset`. Actions are float32
 * [N, 2] = [steer, accel], clipped to [-1, 1].
 * @throws RESET_NEEDED when a stepped row has not been reset since its episode ended; NOT_FINITE for a NaN action
 */
export class DrivingVecEnv<W extends DrivingWorld = DrivingWorld> implements VectorEnv<DrivingObservation> {
  readonly numEnvs: number;
  readonly singleObservationSpace: Space;
  readonly singleActionSpace: Space;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  readonly metadata: EnvMetadata = { renderModes: ["rgb_array"], renderFps: 10, autoreset: "disabled" };
  /** The simulated task: the privileged view that scripted drivers use. */
  readonly world: W;
  readonly maxEpisodeSteps: number;

  readonly #rngs: Rng[];
  readonly #elapsed: Int32Array;
  readonly #phase: Uint8Array;
  readonly #frame: NdArray<"uint8">;
  readonly #state: NdArray<"float32">;
  readonly #columns: FactColumns;
  readonly #step: StepBatch<DrivingObservation>;
  readonly #reset: ResetBatch<DrivingObservation>;
  readonly #stepped: Promise<StepBatch<DrivingObservation>>;
  readonly #wasReset: Promise<ResetBatch<DrivingObservation>>;
  readonly #outcome: Outcome = { reward: 0, terminated: false };
  readonly #action = { steer: 0, accel: 0 };
  readonly #facts: DrivingFacts;
  #closed = false;

  constructor(world: W, options: HarnessOptions) {
    const { numEnvs } = options;
    this.world = world;
    this.numEnvs = numEnvs;
    this.maxEpisodeSteps = options.maxEpisodeSteps === -1 ? Infinity : options.maxEpisodeSteps;
    this.singleObservationSpace = observationSpace(options.observation, world.spec, []);
    this.singleActionSpace = actionSpace([]);
    this.observationSpace = observationSpace(options.observation, world.spec, [numEnvs]);
    this.actionSpace = actionSpace([numEnvs]);
    this.#rngs = Array.from({ length: numEnvs }, () => Rng.fromSeed());
    this.#elapsed = new Int32Array(numEnvs);
    this.#phase = new Uint8Array(numEnvs);
    this.#frame = zeros("uint8", [numEnvs, frameSide, frameSide, 3]);
    this.#state = zeros("float32", [numEnvs, 3]);
    this.#facts = emptyFacts();
    this.#columns = makeColumns(numEnvs, world.sceneName);
    const observations =
      options.observation === "frame" ? this.#frame : { frame: this.#frame, state: this.#state };
    this.#reset = { observations, infos: this.#columns.infos };
    this.#step = {
      observations,
      rewards: zeros("float64", [numEnvs]),
      terminations: zeros("bool", [numEnvs]),
      truncations: zeros("bool", [numEnvs]),
      infos: this.#columns.infos,
      valid: zeros("bool", [numEnvs]),
    };
    this.#stepped = Promise.resolve(this.#step);
    this.#wasReset = Promise.resolve(this.#reset);
  }

  /** The ego cars, one per row: read-only truth for scripted drivers and tests. */
  get cars(): readonly Readonly<CarState>[] {
    return this.world.cars;
  }

  /**
   * Begin episodes. Seed `s` seeds row i with `s + i`. `options.track` (DriveTrack) or `options.episode` (DriveTraffic)
   * pins the scene: one id for all rows, or one per row.
   */
  resetSync(options: VectorResetOptions = {}): ResetBatch<DrivingObservation> {
    this.#assertOpen();
    const seeds = options.seed;
    if (Array.isArray(seeds) && seeds.length !== this.numEnvs)
      wrongCount("seeds", seeds.length, this.numEnvs);
    const scenes = options.options?.[this.world.sceneName];
    for (let row = 0; row < this.numEnvs; row++) {
      const chosen = options.mask === undefined || options.mask.data[row] !== 0;
      this.#columns.mask.data[row] = chosen ? 1 : 0;
      if (!chosen) continue;
      const seed = typeof seeds === "number" ? seeds + row : seeds?.[row];
      if (seed !== undefined) this.#rngs[row] = Rng.fromSeed(seed);
      this.world.reset(row, this.#rngs[row], sceneOf(scenes, row));
      this.#elapsed[row] = 0;
      this.#phase[row] = running;
      this.#observe(row);
    }
    return this.#reset;
  }

  /** Step the rows in `mask` (all when absent); the others keep their observation and report nothing. */
  stepSync(actions: NdArray, mask?: NdArray<"bool">): StepBatch<DrivingObservation> {
    this.#assertOpen();
    if (actions.data.length !== 2 * this.numEnvs)
      wrongCount("action values", actions.data.length, 2 * this.numEnvs);
    const { rewards, terminations, truncations, valid } = this.#step;
    for (let row = 0; row < this.numEnvs; row++) {
      const chosen = mask === undefined || mask.data[row] !== 0;
      this.#columns.mask.data[row] = valid.data[row] = chosen ? 1 : 0;
      rewards.data[row] = terminations.data[row] = truncations.data[row] = 0;
      if (!chosen) continue;
      if (this.#phase[row] !== running) resetNeeded(row);
      this.#action.steer = clipAction(actions.data[2 * row] as number, row);
      this.#action.accel = clipAction(actions.data[2 * row + 1] as number, row);
      this.world.step(row, this.#action, this.#outcome);
      this.#elapsed[row]++;
      rewards.data[row] = this.#outcome.reward;
      terminations.data[row] = this.#outcome.terminated ? 1 : 0;
      truncations.data[row] = this.#elapsed[row] >= this.maxEpisodeSteps ? 1 : 0;
      if (this.#outcome.terminated || truncations.data[row] !== 0) this.#phase[row] = ended;
      this.#observe(row);
    }
    return this.#step;
  }

  reset(options: VectorResetOptions = {}): Promise<ResetBatch<DrivingObservation>> {
    this.resetSync(options);
    return this.#wasReset;
  }

  step(actions: NdArray, mask?: NdArray<"bool">): Promise<StepBatch<DrivingObservation>> {
    this.stepSync(actions, mask);
    return this.#stepped;
  }

  /** A 256×256 picture of every row. */
  render(): Promise<readonly Frame[]> {
    return Promise.resolve(this.renderSync());
  }

  renderSync(): readonly Frame[] {
    return Array.from({ length: this.numEnvs }, (_, row) => this.world.picture(row, pictureSide));
  }

  snapshot(): Snapshot {
    const facts: Record<string, NdArray> = {};
    for (const name in this.#columns.values) facts[name] = copyOf(this.#columns.values[name]);
    const rowIds = Array.from({ length: this.numEnvs }, (_, row) => row);
    const state: HarnessState = {
      rngs: this.#rngs.map((rng) => rng.state),
      worlds: rowIds.map((row) => this.world.saveRow(row)),
      elapsed: [...this.#elapsed],
      phase: [...this.#phase],
      frame: copyOf(this.#frame),
      facts,
    };
    return { kind: this.world.id, state };
  }

  /** Take back a snapshot of the same environment and batch size. @throws INVALID_ARGUMENT for another one's */
  restore(snapshot: Snapshot): void {
    const state = snapshot.state as HarnessState;
    if (snapshot.kind !== this.world.id || state.rngs.length !== this.numEnvs) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "this snapshot was taken from another environment",
        expected: `${this.world.id} with ${this.numEnvs} sub-environments`,
        got: `${snapshot.kind}`,
        fix: "restore into an environment made with the same id and numEnvs",
      });
    }
    for (let row = 0; row < this.numEnvs; row++) {
      this.#rngs[row] = Rng.fromState(state.rngs[row]);
      this.world.loadRow(row, state.worlds[row]);
      this.#writeState(row);
    }
    this.#elapsed.set(state.elapsed);
    this.#phase.set(state.phase);
    this.#frame.data.set(state.frame.data);
    for (const name in state.facts) this.#columns.values[name].data.set(state.facts[name].data as never);
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  #observe(row: number): void {
    this.world.draw(row, this.#frame.data, row * frameBytes);
    this.#writeState(row);
    this.world.describe(row, this.#facts);
    writeFacts(this.#columns, row, this.#facts);
  }

  #writeState(row: number): void {
    const car = this.world.cars[row];
    this.#state.data[3 * row] = car.speedMps;
    this.#state.data[3 * row + 1] = car.yawRateRadps;
    this.#state.data[3 * row + 2] = car.steeringRad;
  }

  #assertOpen(): void {
    if (this.#closed)
      fail({ code: "ENV_CLOSED", what: `${this.world.id} is closed`, fix: "make a new environment" });
  }
}

interface FactColumns {
  readonly mask: NdArray<"bool">;
  readonly sceneColumn: string;
  readonly values: Readonly<Record<string, NdArray>>;
  readonly infos: InfoBatch;
}

function emptyFacts(): DrivingFacts {
  return {
    progressM: 0,
    lateralErrorM: 0,
    headingErrorRad: 0,
    timeToCollisionS: 0,
    speedMps: 0,
    crashed: false,
    sceneId: 0,
  };
}

function makeColumns(numEnvs: number, sceneName: string): FactColumns {
  const mask = zeros("bool", [numEnvs]);
  const values: Record<string, NdArray> = {
    progressM: zeros("float32", [numEnvs]),
    lateralErrorM: zeros("float32", [numEnvs]),
    headingErrorRad: zeros("float32", [numEnvs]),
    timeToCollisionS: zeros("float32", [numEnvs]),
    speedMps: zeros("float32", [numEnvs]),
    crashed: zeros("bool", [numEnvs]),
    [`${sceneName}Id`]: zeros("int32", [numEnvs]),
  };
  const infos = Object.fromEntries(
    Object.entries(values).map(([name, column]) => [name, { values: column, mask }]),
  );
  return { mask, sceneColumn: `${sceneName}Id`, values, infos };
}

function writeFacts(columns: FactColumns, row: number, facts: DrivingFacts): void {
  const { values } = columns;
  values.progressM.data[row] = facts.progressM;
  values.lateralErrorM.data[row] = facts.lateralErrorM;
  values.headingErrorRad.data[row] = facts.headingErrorRad;
  values.timeToCollisionS.data[row] = facts.timeToCollisionS;
  values.speedMps.data[row] = facts.speedMps;
  values.crashed.data[row] = facts.crashed ? 1 : 0;
  values[columns.sceneColumn].data[row] = facts.sceneId;
}

function sceneOf(scenes: unknown, row: number): number | undefined {
  const scene: unknown = Array.isArray(scenes) ? scenes[row] : scenes;
  if (scene === undefined || typeof scene === "number") return scene;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "a scene is pinned by its id",
    expected: "a number, or an array with one number per sub-environment",
    got: typeof scene,
  });
}

function clipAction(value: number, row: number): number {
  if (!(value >= -1)) {
    if (value < -1) return -1;
    fail({
      code: "NOT_FINITE",
      what: `the action of sub-environment ${row} is not a number`,
      fix: "look for a NaN in the policy's output",
    });
  }
  return value > 1 ? 1 : value;
}

function resetNeeded(row: number): never {
  return fail({
    code: "RESET_NEEDED",
    what: `sub-environment ${row} was stepped without a running episode`,
    fix: "reset it first, or wrap the environment in an autoreset mode",
  });
}

function wrongCount(what: string, got: number, expected: number): never {
  return fail({
    code: "INVALID_SHAPE",
    what: `wrong number of ${what}`,
    expected: `${expected}`,
    got: `${got}`,
  });
}
