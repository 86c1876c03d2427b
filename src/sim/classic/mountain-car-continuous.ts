/**
 * @file MountainCarContinuous: drive an underpowered car out of a valley with a continuous force.
 *
 * Observation: Box float32 [2] = [position in [-1.2, 0.6], velocity ±0.07]. Action: Box(-1, 1) float32 [1].
 * Reward: -0.1 action² (unclipped), and 100 at the goal. Start: position in [-0.6, -0.4] (reset options `low`, `high`).
 * Terminated: position ≥ 0.45 with velocity ≥ `goalVelocity`. Truncated by `make` after 999 steps. Frames 400 × 600.
 * @source Gymnasium 1.4 `classic_control/continuous_mountain_car.py`
 */

import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import { Box } from "../../core/spaces/box.ts";
import type { Canvas } from "../raster.ts";
import { boundOptions, ClassicEnv, onlyNumber } from "./classic-env.ts";
import { drawMountainCar } from "./drawing.ts";
import type { MountainCarOptions } from "./mountain-car.ts";
import { mountainCarObservationSpace, valley } from "./mountain-car.ts";

const goalPosition = 0.45;
const power = 0.0015;
const single = Math.fround;

/** See this file's head; `state` is [position, velocity]. */
export class MountainCarContinuousEnv extends ClassicEnv<NdArray<"float32">> {
  readonly metadata = { renderModes: ["rgb_array"], renderFps: 30 };
  readonly observationSpace = mountainCarObservationSpace();
  readonly actionSpace = new Box(-1, 1, [1], "float32");
  protected readonly frameSize = [400, 600] as const;
  readonly #goalVelocity: number;
  /** The state has float32 precision from the first step on; a reset leaves it in float64. */
  #narrow = false;

  constructor(options: MountainCarOptions = {}) {
    super(2, 2, options);
    this.#goalVelocity = options.goalVelocity ?? 0;
  }

  protected start(rng: Rng, options: Record<string, unknown> | undefined): void {
    const { low, high } = boundOptions(options, -0.6, -0.4);
    this.state[0] = rng.uniform(low, high);
    this.state[1] = 0;
    this.#narrow = false;
  }

  /**
   * The reference keeps its state in float32 and lets NumPy 2 decide the precision of every operation: float32 where
   * float32 meets float32 or a plain number (a clipped force is one), float64 where a float64 operand takes part.
   */
  protected advance(action: NdArray<"float32" | "float64">): void {
    const { state } = this;
    const { minPosition, maxPosition, maxSpeed } = valley;
    const given = onlyNumber(action);
    const force = Math.min(Math.max(given, -1), 1);
    const clipped = force !== given;
    const slope = 0.0025 * Math.cos(this.#narrow ? single(3 * state[0]) : 3 * state[0]);
    const wideForce = action.dtype !== "float32" || clipped;
    const push = wideForce ? force * power - slope : single(single(force * single(power)) - single(slope));
    const narrowSpeed = this.#narrow && (action.dtype === "float32" || clipped);
    let velocity = narrowSpeed ? single(state[1] + single(push)) : state[1] + push;
    const limit = narrowSpeed ? single(maxSpeed) : maxSpeed;
    const limited = Math.abs(velocity) > limit;
    if (limited) velocity = velocity > 0 ? maxSpeed : -maxSpeed;

    const narrow = narrowSpeed || (this.#narrow && limited);
    const round = (value: number) => (narrow ? single(value) : value);
    let position = round(state[0] + round(velocity));
    position = Math.min(Math.max(position, round(minPosition)), round(maxPosition));
    if (position === round(minPosition) && velocity < 0) velocity = 0;
    this.terminated = position >= round(goalPosition) && velocity >= this.#goalVelocity;
    this.reward = (this.terminated ? 100 : 0) - given * given * 0.1;
    state[0] = single(position);
    state[1] = single(velocity);
    this.#narrow = true;
  }

  protected observe(out: Float32Array): void {
    out[0] = this.state[0];
    out[1] = this.state[1];
  }

  protected draw(canvas: Canvas): void {
    drawMountainCar(canvas, this.state[0], goalPosition);
  }

  protected override extraState(): unknown {
    return this.#narrow;
  }

  protected override loadExtraState(narrow: unknown): void {
    this.#narrow = narrow === true;
  }
}

/** Build MountainCarContinuous. */
export function makeMountainCarContinuous(options: MountainCarOptions = {}): MountainCarContinuousEnv {
  return new MountainCarContinuousEnv(options);
}
