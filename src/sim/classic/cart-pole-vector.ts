/**
 * @file CartPole, natively batched: one generator and one float64 [4, N] state for all rows.
 *
 * Spaces, rewards and ends as `cart-pole.ts`; rewards are float32. A reset of k rows draws a [4, k] block from the one
 * generator (all positions first), so the numbers equal Gymnasium's `CartPoleVectorEnv`, not its `SyncVectorEnv`.
 * @source Gymnasium 1.4 `CartPoleVectorEnv`
 */

import { asError, fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { copyOf, zeros } from "../../core/ndarray.ts";
import type { RngState } from "../../core/rng.ts";
import { Rng } from "../../core/rng.ts";
import { Discrete } from "../../core/spaces/discrete.ts";
import type { Frame, ResetBatch, Snapshot, StepBatch, VectorEnv, VectorResetOptions } from "../../env/env.ts";
import { makeCanvas } from "../raster.ts";
import type { CartPoleOptions } from "./cart-pole.ts";
import { cartPole, cartPoleObservationSpace } from "./cart-pole.ts";
import { boundOptions, refuseAction } from "./classic-env.ts";
import { drawCartPole } from "./drawing.ts";

/** Keyword arguments of the batched CartPole. */
export interface CartPoleVectorOptions extends CartPoleOptions {
  readonly numEnvs: number;
  /** Default 500; -1: never. */
  readonly maxEpisodeSteps?: number;
}

type Observations = NdArray<"float32">;
type Mask = NdArray<"bool">;

interface SavedState {
  readonly state: Float64Array;
  readonly elapsed: Int32Array;
  readonly bounds: { low: number; high: number };
  readonly observations: Float32Array;
  readonly rng: RngState | undefined;
}

/** See this file's head. */
export class CartPoleVectorEnv implements VectorEnv<Observations, NdArray> {
  readonly numEnvs: number;
  readonly singleObservationSpace = cartPoleObservationSpace();
  readonly singleActionSpace = new Discrete(2);
  readonly observationSpace;
  readonly actionSpace;
  readonly metadata = { renderModes: ["rgb_array"], renderFps: 50, sharedGenerator: true };
  readonly maxEpisodeSteps: number;
  /** float64 [4, N]: positions, velocities, angles, angular velocities. */
  readonly state: Float64Array;
  readonly #elapsed: Int32Array;
  readonly #suttonBarto: boolean;
  readonly #batch: StepBatch<Observations>;
  readonly #reset: ResetBatch<Observations>;
  readonly #promise: Promise<StepBatch<Observations>>;
  #bounds = { low: -0.05, high: 0.05 };
  #rng: Rng | undefined;
  #closed = false;

  constructor(options: CartPoleVectorOptions) {
    const n = options.numEnvs;
    const flags = () => zeros("bool", [n]);
    this.numEnvs = n;
    this.observationSpace = this.singleObservationSpace.batch(n);
    this.actionSpace = this.singleActionSpace.batch(n);
    const { maxEpisodeSteps = 500 } = options;
    this.maxEpisodeSteps = maxEpisodeSteps === -1 ? Infinity : maxEpisodeSteps;
    this.state = new Float64Array(4 * n);
    this.#elapsed = new Int32Array(n);
    this.#suttonBarto = options.suttonBartoReward === true;
    const observations = zeros("float32", [n, 4]);
    const rewards = zeros("float32", [n]);
    this.#reset = { observations, infos: {} };
    this.#batch = { ...this.#reset, rewards, terminations: flags(), truncations: flags(), valid: flags() };
    this.#promise = Promise.resolve(this.#batch);
  }

  async reset(options?: VectorResetOptions): Promise<ResetBatch<Observations>> {
    return this.resetSync(options);
  }

  resetSync(options: VectorResetOptions = {}): ResetBatch<Observations> {
    this.#checkOpen();
    const { seed, mask } = options;
    if (typeof seed === "object") {
      fail({
        code: "NOT_SUPPORTED",
        what: "a list of seeds for the batched CartPole",
        expected: "one seed: all rows draw from one generator",
        fix: `use mode: "sync", where row i has a generator of its own`,
      });
    }
    if (seed !== undefined || this.#rng === undefined) this.#rng = Rng.fromSeed(seed);
    if (mask === undefined || options.options !== undefined)
      this.#bounds = boundOptions(options.options, -0.05, 0.05);
    this.#draw(this.#rng, mask);
    return this.#reset;
  }

  #draw(rng: Rng, mask: Mask | undefined): void {
    const n = this.numEnvs;
    const { low, high } = this.#bounds;
    for (let k = 0; k < 4; k++) {
      for (let i = 0; i < n; i++) {
        if (mask === undefined || mask.data[i] !== 0) this.state[k * n + i] = rng.uniform(low, high);
      }
    }
    for (let i = 0; i < n; i++) {
      if (mask !== undefined && mask.data[i] === 0) continue;
      this.#elapsed[i] = 0;
      this.#observe(i);
    }
  }

  step(actions: NdArray, mask?: Mask): Promise<StepBatch<Observations>> {
    try {
      this.stepSync(actions, mask);
      return this.#promise;
    } catch (error) {
      return Promise.reject(asError(error));
    }
  }

  stepSync(actions: NdArray, mask?: Mask): StepBatch<Observations> {
    this.#checkOpen();
    if (this.#rng === undefined) fail({ code: "RESET_NEEDED", what: "step() before the first reset()" });
    const n = this.numEnvs;
    if (actions.data.length !== n) {
      fail({
        code: "INVALID_SHAPE",
        what: "actions do not fit",
        expected: `[${n}]`,
        got: `[${actions.shape.join(", ")}]`,
      });
    }
    const { rewards, terminations, truncations, valid } = this.#batch;
    for (let i = 0; i < n; i++) {
      if (mask !== undefined && mask.data[i] === 0) {
        rewards.data[i] = 0;
        terminations.data[i] = truncations.data[i] = valid.data[i] = 0;
        continue;
      }
      const action = Number(actions.data[i]);
      if (action !== 0 && action !== 1) refuseAction(action, this.singleActionSpace);
      const ended = this.#advance(i, action);
      this.#elapsed[i] += 1;
      rewards.data[i] = this.#suttonBarto ? -ended : 1;
      terminations.data[i] = ended;
      truncations.data[i] = ended === 0 && this.#elapsed[i] >= this.maxEpisodeSteps ? 1 : 0;
      valid.data[i] = 1;
    }
    return this.#batch;
  }

  /** Physics of row `i`; 1 when it ended. */
  #advance(i: number, action: number): number {
    const { state, numEnvs: n } = this;
    const xDot = state[n + i];
    const theta = state[2 * n + i];
    const thetaDot = state[3 * n + i];
    const force = action === 1 ? cartPole.forceMag : -cartPole.forceMag;
    const cos = Math.cos(theta);
    const sin = Math.sin(theta);
    const temp = (force + cartPole.poleMassLength * (thetaDot * thetaDot) * sin) / cartPole.totalMass;
    const thetaAcc =
      (cartPole.gravity * sin - cos * temp) /
      (cartPole.length * (4 / 3 - (cartPole.poleMass * (cos * cos)) / cartPole.totalMass));
    const xAcc = temp - (cartPole.poleMassLength * thetaAcc * cos) / cartPole.totalMass;
    state[i] += cartPole.tau * xDot;
    state[n + i] = xDot + cartPole.tau * xAcc;
    state[2 * n + i] = theta + cartPole.tau * thetaDot;
    state[3 * n + i] = thetaDot + cartPole.tau * thetaAcc;
    this.#observe(i);
    return Math.abs(state[i]) > cartPole.xLimit || Math.abs(state[2 * n + i]) > cartPole.thetaLimit ? 1 : 0;
  }

  #observe(i: number): void {
    const { state, numEnvs: n } = this;
    const out = this.#batch.observations.data;
    for (let k = 0; k < 4; k++) out[4 * i + k] = state[k * n + i];
  }

  async render(mask?: Mask): Promise<readonly (Frame | undefined)[]> {
    const canvas = makeCanvas(600, 400);
    return Array.from({ length: this.numEnvs }, (_, i) => {
      if (mask?.data[i] === 0) return undefined;
      drawCartPole(canvas, this.state[i], this.state[2 * this.numEnvs + i]);
      return copyOf({ dtype: "uint8", shape: [400, 600, 3], data: canvas.data });
    });
  }

  snapshot(): Snapshot {
    const saved: SavedState = {
      state: this.state.slice(),
      elapsed: this.#elapsed.slice(),
      bounds: { ...this.#bounds },
      observations: this.#batch.observations.data.slice(),
      rng: this.#rng?.state,
    };
    return { kind: "CartPoleVectorEnv", state: saved };
  }

  restore(snapshot: Snapshot): void {
    const saved = snapshot.state as SavedState;
    if (snapshot.kind !== "CartPoleVectorEnv" || saved.elapsed.length !== this.numEnvs) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "snapshot of another environment",
        expected: `CartPoleVectorEnv of ${this.numEnvs}`,
      });
    }
    this.state.set(saved.state);
    this.#elapsed.set(saved.elapsed);
    this.#bounds = { ...saved.bounds };
    this.#batch.observations.data.set(saved.observations);
    this.#rng = saved.rng === undefined ? undefined : Rng.fromState(saved.rng);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed)
      fail({ code: "ENV_CLOSED", what: "use of a closed environment", fix: "make a new one" });
  }
}

/** Build the batched CartPole. */
export function makeCartPoleVector(options: CartPoleVectorOptions): CartPoleVectorEnv {
  return new CartPoleVectorEnv(options);
}
