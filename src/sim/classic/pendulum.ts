/**
 * @file Pendulum: swing a pendulum up and hold it there with a limited torque.
 *
 * Observation: Box float32 [3] = [cos θ, sin θ, θ̇ rad/s (±8)], θ = 0 upright. Action: Box(-2, 2) float32 [1], torque N·m.
 * Reward: -(θ² + 0.1 θ̇² + 0.001 torque²) before the step, θ wrapped to ±π. Start: θ in ±π, θ̇ in ±1 (reset options
 * `x_init`, `y_init`: the bounds). Never terminated; truncated by `make` after 200 steps. Frames 500 × 500, 30 Hz.
 * @source Gymnasium 1.4 `classic_control/pendulum.py`
 */

import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import { Box } from "../../core/spaces/box.ts";
import type { Canvas } from "../raster.ts";
import type { ClassicOptions } from "./classic-env.ts";
import { ClassicEnv, numberOption, onlyNumber } from "./classic-env.ts";
import { drawPendulum } from "./drawing.ts";

/** Keyword arguments of Pendulum. */
export interface PendulumOptions extends ClassicOptions {
  /** Acceleration of gravity in m/s², default 10. */
  readonly g?: number;
}

const maxSpeed = 8;
const maxTorque = 2;
const stepSeconds = 0.05;

function wrapAngle(angle: number): number {
  const turn = 2 * Math.PI;
  const rest = (angle + Math.PI) % turn;
  return (rest < 0 ? rest + turn : rest) - Math.PI;
}

/** See this file's head; `state` is [θ rad, θ̇ rad/s]. */
export class PendulumEnv extends ClassicEnv<NdArray<"float32">> {
  readonly metadata = { renderModes: ["rgb_array"], renderFps: 30 };
  readonly observationSpace = new Box(
    Float32Array.of(-1, -1, -maxSpeed),
    Float32Array.of(1, 1, maxSpeed),
    [3],
    "float32",
  );
  readonly actionSpace = new Box(-maxTorque, maxTorque, [1], "float32");
  protected readonly frameSize = [500, 500] as const;
  readonly #gravity: number;
  #torque = 0;

  constructor(options: PendulumOptions = {}) {
    super(2, 3, options);
    this.#gravity = options.g ?? 10;
  }

  protected start(rng: Rng, options: Record<string, unknown> | undefined): void {
    const theta = numberOption(options, "x_init", Math.PI);
    const speed = numberOption(options, "y_init", 1);
    this.state[0] = rng.uniform(-theta, theta);
    this.state[1] = rng.uniform(-speed, speed);
    this.#torque = 0;
  }

  /** A float32 action is computed with in float32 until it meets the state, as NumPy 2 does. */
  protected advance(action: NdArray<"float32" | "float64">): void {
    const { state } = this;
    const theta = state[0];
    const speed = state[1];
    const torque = Math.min(Math.max(onlyNumber(action), -maxTorque), maxTorque);
    const single = action.dtype === "float32";
    const effort = single
      ? Math.fround(Math.fround(0.001) * Math.fround(torque * torque))
      : 0.001 * (torque * torque);
    const push = single ? Math.fround(3 * torque) : 3 * torque;
    const angle = wrapAngle(theta);
    const cost = angle * angle + 0.1 * (speed * speed) + effort;
    const moved = speed + (((3 * this.#gravity) / 2) * Math.sin(theta) + push) * stepSeconds;
    state[1] = Math.min(Math.max(moved, -maxSpeed), maxSpeed);
    state[0] = theta + state[1] * stepSeconds;
    this.reward = -cost;
    this.#torque = torque;
  }

  protected observe(out: Float32Array): void {
    out[0] = Math.cos(this.state[0]);
    out[1] = Math.sin(this.state[0]);
    out[2] = this.state[1];
  }

  protected draw(canvas: Canvas): void {
    drawPendulum(canvas, this.state[0], this.#torque / maxTorque);
  }

  protected override extraState(): unknown {
    return this.#torque;
  }

  protected override loadExtraState(torque: unknown): void {
    this.#torque = Number(torque);
  }
}

/** Build Pendulum. */
export function makePendulum(options: PendulumOptions = {}): PendulumEnv {
  return new PendulumEnv(options);
}
