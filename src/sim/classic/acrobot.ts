/**
 * @file Acrobot: swing the free end of a two-link arm above a line by torque at the middle joint.
 *
 * Observation: Box float32 [6] = [cos θ1, sin θ1, cos θ2, sin θ2, θ̇1 (±4π rad/s), θ̇2 (±9π rad/s)]. Action: Discrete(3):
 * torque -1, 0, 1 N·m. Reward: -1 per step, 0 on reaching the line. Start: all four uniform in ±0.1 (reset options
 * `low`, `high`). Terminated: -cos θ1 - cos(θ1 + θ2) > 1. Truncated by `make` after 500 steps. Frames 500 × 500, 15 Hz.
 * @source Gymnasium 1.4 `classic_control/acrobot.py`; Sutton 1996
 */

import type { Rng } from "../../core/rng.ts";
import { Box } from "../../core/spaces/box.ts";
import { Discrete } from "../../core/spaces/discrete.ts";
import type { Canvas } from "../raster.ts";
import type { ClassicOptions } from "./classic-env.ts";
import { boundOptions, ClassicEnv, refuseAction } from "./classic-env.ts";
import { drawAcrobot } from "./drawing.ts";

/** Keyword arguments of Acrobot. */
export interface AcrobotOptions extends ClassicOptions {
  /** Dynamics of Sutton and Barto's book (default) or of the paper, which lacks a term. */
  readonly bookOrNips?: "book" | "nips";
}

const maxSpeed1 = 4 * Math.PI;
const maxSpeed2 = 9 * Math.PI;
const stepSeconds = 0.2;
const gravity = 9.8;

function wrap(angle: number): number {
  let wrapped = angle;
  while (wrapped > Math.PI) wrapped -= 2 * Math.PI;
  while (wrapped < -Math.PI) wrapped += 2 * Math.PI;
  return wrapped;
}

const clip = (value: number, limit: number) => Math.min(Math.max(value, -limit), limit);

/** Time derivative of [θ1, θ2, θ̇1, θ̇2]; links of 1 m and 1 kg, centres at 0.5 m, inertia 1 kg·m². */
function derivative(s: Float64Array, torque: number, book: boolean, out: Float64Array): void {
  const cos2 = Math.cos(s[1]);
  const sin2 = Math.sin(s[1]);
  const d1 = 0.25 + (1.25 + cos2) + 1 + 1;
  const d2 = 0.25 + 0.5 * cos2 + 1;
  const phi2 = 0.5 * gravity * Math.cos(s[0] + s[1] - Math.PI / 2);
  const coupling = -0.5 * (s[3] * s[3]) * sin2 - s[3] * s[2] * sin2;
  const phi1 = coupling + 1.5 * gravity * Math.cos(s[0] - Math.PI / 2) + phi2;
  const driven = torque + (d2 / d1) * phi1;
  const numerator = book ? driven - 0.5 * (s[2] * s[2]) * sin2 - phi2 : driven - phi2;
  const acceleration2 = numerator / (1.25 - (d2 * d2) / d1);
  out[0] = s[2];
  out[1] = s[3];
  out[2] = -(d2 * acceleration2 + phi1) / d1;
  out[3] = acceleration2;
}

/** See this file's head; `state` is [θ1 rad, θ2 rad, θ̇1 rad/s, θ̇2 rad/s], 0 hanging down. */
export class AcrobotEnv extends ClassicEnv<number> {
  readonly metadata = { renderModes: ["rgb_array"], renderFps: 15 };
  readonly observationSpace = new Box(
    Float32Array.of(-1, -1, -1, -1, -maxSpeed1, -maxSpeed2),
    Float32Array.of(1, 1, 1, 1, maxSpeed1, maxSpeed2),
    [6],
    "float32",
  );
  readonly actionSpace = new Discrete(3);
  protected readonly frameSize = [500, 500] as const;
  readonly #book: boolean;
  readonly #slopes = [0, 1, 2, 3].map(() => new Float64Array(4));
  readonly #probe = new Float64Array(4);

  constructor(options: AcrobotOptions = {}) {
    super(4, 6, options);
    this.#book = options.bookOrNips !== "nips";
  }

  protected start(rng: Rng, options: Record<string, unknown> | undefined): void {
    const { low, high } = boundOptions(options, -0.1, 0.1);
    for (let i = 0; i < 4; i++) this.state[i] = Math.fround(rng.uniform(low, high));
  }

  protected advance(action: number): void {
    if (action !== 0 && action !== 1 && action !== 2) refuseAction(action, this.actionSpace);
    const { state } = this;
    this.#integrate(action - 1);
    state[0] = wrap(state[0]);
    state[1] = wrap(state[1]);
    state[2] = clip(state[2], maxSpeed1);
    state[3] = clip(state[3], maxSpeed2);
    this.terminated = -Math.cos(state[0]) - Math.cos(state[1] + state[0]) > 1;
    this.reward = this.terminated ? 0 : -1;
  }

  /** One fourth-order Runge-Kutta step. */
  #integrate(torque: number): void {
    const { state } = this;
    const probe = this.#probe;
    const [k1, k2, k3, k4] = this.#slopes;
    const half = stepSeconds / 2;
    derivative(state, torque, this.#book, k1);
    for (let i = 0; i < 4; i++) probe[i] = state[i] + half * k1[i];
    derivative(probe, torque, this.#book, k2);
    for (let i = 0; i < 4; i++) probe[i] = state[i] + half * k2[i];
    derivative(probe, torque, this.#book, k3);
    for (let i = 0; i < 4; i++) probe[i] = state[i] + stepSeconds * k3[i];
    derivative(probe, torque, this.#book, k4);
    for (let i = 0; i < 4; i++) state[i] += (stepSeconds / 6) * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
  }

  protected observe(out: Float32Array): void {
    const { state } = this;
    out[0] = Math.cos(state[0]);
    out[1] = Math.sin(state[0]);
    out[2] = Math.cos(state[1]);
    out[3] = Math.sin(state[1]);
    out[4] = state[2];
    out[5] = state[3];
  }

  protected draw(canvas: Canvas): void {
    drawAcrobot(canvas, this.state[0], this.state[1]);
  }
}

/** Build Acrobot. */
export function makeAcrobot(options: AcrobotOptions = {}): AcrobotEnv {
  return new AcrobotEnv(options);
}
