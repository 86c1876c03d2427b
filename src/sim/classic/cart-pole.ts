/**
 * @file CartPole: balance a pole on a cart by pushing the cart left or right; the single environment.
 *
 * Observation: Box float32 [4] = [cart position m (±4.8), cart velocity m/s, pole angle rad (±0.418), pole velocity rad/s].
 * Action: Discrete(2): 0 pushes left, 1 right, with 10 N. Reward: 1 per step (`suttonBartoReward`: 0, and -1 at the end).
 * Start: all four uniform in ±0.05 (reset options `low`, `high`). Terminated: |position| > 2.4 or |angle| > 12°.
 * Truncated by `make` after 500 steps (v1) or 200 (v0). Frames 400 × 600, 50 Hz.
 * @source Gymnasium 1.4 `classic_control/cartpole.py`; Barto, Sutton, Anderson 1983
 */

import { Box } from "../../core/spaces/box.ts";
import { Discrete } from "../../core/spaces/discrete.ts";
import type { Rng } from "../../core/rng.ts";
import type { Canvas } from "../raster.ts";
import type { ClassicOptions } from "./classic-env.ts";
import { boundOptions, ClassicEnv, refuseAction } from "./classic-env.ts";
import { drawCartPole } from "./drawing.ts";

/** Keyword arguments of CartPole. */
export interface CartPoleOptions extends ClassicOptions {
  /** 0 per step and -1 at the end, instead of 1 per step. */
  readonly suttonBartoReward?: boolean;
}

/** Physical constants, SI units. */
export const cartPole = {
  gravity: 9.8,
  totalMass: 0.1 + 1.0,
  poleMass: 0.1,
  /** Half the pole's length. */
  length: 0.5,
  poleMassLength: 0.1 * 0.5,
  forceMag: 10,
  tau: 0.02,
  thetaLimit: (12 * 2 * Math.PI) / 360,
  xLimit: 2.4,
} as const;

/** The bounds of CartPole's observation. */
export function cartPoleObservationSpace() {
  const high = [cartPole.xLimit * 2, Infinity, cartPole.thetaLimit * 2, Infinity];
  return new Box(
    Float32Array.from(high, (h) => -h),
    Float32Array.from(high),
    [4],
    "float32",
  );
}

/** See this file's head. */
export class CartPoleEnv extends ClassicEnv<number> {
  readonly metadata = { renderModes: ["rgb_array"], renderFps: 50 };
  readonly observationSpace = cartPoleObservationSpace();
  readonly actionSpace = new Discrete(2);
  protected readonly frameSize = [400, 600] as const;
  readonly #runningReward: number;
  readonly #endReward: number;
  #ended = false;

  constructor(options: CartPoleOptions = {}) {
    super(4, 4, options);
    this.#runningReward = options.suttonBartoReward === true ? 0 : 1;
    this.#endReward = options.suttonBartoReward === true ? -1 : 1;
  }

  protected start(rng: Rng, options: Record<string, unknown> | undefined): void {
    const { low, high } = boundOptions(options, -0.05, 0.05);
    for (let i = 0; i < 4; i++) this.state[i] = rng.uniform(low, high);
    this.#ended = false;
  }

  protected advance(action: number): void {
    if (action !== 0 && action !== 1) refuseAction(action, this.actionSpace);
    const { state } = this;
    const xDot = state[1];
    const theta = state[2];
    const thetaDot = state[3];
    const force = action === 1 ? cartPole.forceMag : -cartPole.forceMag;
    const cos = Math.cos(theta);
    const sin = Math.sin(theta);
    const temp = (force + cartPole.poleMassLength * (thetaDot * thetaDot) * sin) / cartPole.totalMass;
    const thetaAcc =
      (cartPole.gravity * sin - cos * temp) /
      (cartPole.length * (4 / 3 - (cartPole.poleMass * (cos * cos)) / cartPole.totalMass));
    const xAcc = temp - (cartPole.poleMassLength * thetaAcc * cos) / cartPole.totalMass;
    state[0] += cartPole.tau * xDot;
    state[1] = xDot + cartPole.tau * xAcc;
    state[2] = theta + cartPole.tau * thetaDot;
    state[3] = thetaDot + cartPole.tau * thetaAcc;
    this.terminated = Math.abs(state[0]) > cartPole.xLimit || Math.abs(state[2]) > cartPole.thetaLimit;
    if (!this.terminated) this.reward = this.#runningReward;
    else this.reward = this.#ended ? Math.min(this.#endReward, 0) : this.#endReward;
    this.#ended ||= this.terminated;
  }

  protected observe(out: Float32Array): void {
    const { state } = this;
    out[0] = state[0];
    out[1] = state[1];
    out[2] = state[2];
    out[3] = state[3];
  }

  protected draw(canvas: Canvas): void {
    drawCartPole(canvas, this.state[0], this.state[2]);
  }

  protected override extraState(): unknown {
    return this.#ended;
  }

  protected override loadExtraState(ended: unknown): void {
    this.#ended = ended === true;
  }
}

/** Build CartPole. */
export function makeCartPole(options: CartPoleOptions = {}): CartPoleEnv {
  return new CartPoleEnv(options);
}
