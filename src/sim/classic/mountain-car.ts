/**
 * @file MountainCar: drive an underpowered car out of a valley with three discrete accelerations.
 *
 * Observation: Box float32 [2] = [position in [-1.2, 0.6], velocity ±0.07]. Action: Discrete(3): left, none, right.
 * Reward: -1 per step. Start: position in [-0.6, -0.4] (reset options `low`, `high`), velocity 0. Terminated: position
 * ≥ 0.5 with velocity ≥ `goalVelocity`. Truncated by `make` after 200 steps. Frames 400 × 600, 30 Hz.
 * @source Gymnasium 1.4 `classic_control/mountain_car.py`; Moore 1990
 */

import { Box } from "../../core/spaces/box.ts";
import { Discrete } from "../../core/spaces/discrete.ts";
import type { Rng } from "../../core/rng.ts";
import type { Canvas } from "../raster.ts";
import type { ClassicOptions } from "./classic-env.ts";
import { boundOptions, ClassicEnv, refuseAction } from "./classic-env.ts";
import { drawMountainCar } from "./drawing.ts";

/** Keyword arguments of MountainCar and MountainCarContinuous. */
export interface MountainCarOptions extends ClassicOptions {
  /** Velocity needed at the goal, default 0. */
  readonly goalVelocity?: number;
}

/** Bounds that both mountain cars share. */
export const valley = { minPosition: -1.2, maxPosition: 0.6, maxSpeed: 0.07 } as const;

/** The observation space of both mountain cars. */
export function mountainCarObservationSpace() {
  const low = Float32Array.of(valley.minPosition, -valley.maxSpeed);
  return new Box(low, Float32Array.of(valley.maxPosition, valley.maxSpeed), [2], "float32");
}

const goalPosition = 0.5;

/** See this file's head; `state` is [position, velocity]. */
export class MountainCarEnv extends ClassicEnv<number> {
  readonly metadata = { renderModes: ["rgb_array"], renderFps: 30 };
  readonly observationSpace = mountainCarObservationSpace();
  readonly actionSpace = new Discrete(3);
  protected readonly frameSize = [400, 600] as const;
  readonly #goalVelocity: number;

  constructor(options: MountainCarOptions = {}) {
    super(2, 2, options);
    this.#goalVelocity = options.goalVelocity ?? 0;
    this.reward = -1;
  }

  protected start(rng: Rng, options: Record<string, unknown> | undefined): void {
    const { low, high } = boundOptions(options, -0.6, -0.4);
    this.state[0] = rng.uniform(low, high);
    this.state[1] = 0;
  }

  protected advance(action: number): void {
    if (action !== 0 && action !== 1 && action !== 2) refuseAction(action, this.actionSpace);
    const { state } = this;
    const { minPosition, maxPosition, maxSpeed } = valley;
    const push = (action - 1) * 0.001 + Math.cos(3 * state[0]) * -0.0025;
    let velocity = Math.min(Math.max(state[1] + push, -maxSpeed), maxSpeed);
    const position = Math.min(Math.max(state[0] + velocity, minPosition), maxPosition);
    if (position === minPosition && velocity < 0) velocity = 0;
    state[0] = position;
    state[1] = velocity;
    this.terminated = position >= goalPosition && velocity >= this.#goalVelocity;
  }

  protected observe(out: Float32Array): void {
    out[0] = this.state[0];
    out[1] = this.state[1];
  }

  protected draw(canvas: Canvas): void {
    drawMountainCar(canvas, this.state[0], goalPosition);
  }
}

/** Build MountainCar. */
export function makeMountainCar(options: MountainCarOptions = {}): MountainCarEnv {
  return new MountainCarEnv(options);
}
