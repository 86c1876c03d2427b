/** @file DiscretizeAction and DiscretizeObservation: boxes cut into equal bins. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Box } from "../../core/spaces/box.ts";
import { Discrete } from "../../core/spaces/discrete.ts";
import { MultiDiscrete } from "../../core/spaces/multi-discrete.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { ObservationBatch } from "../env.ts";
import { actionBoxOf, ActionTransform } from "./action-wrapper.ts";
import type { Acting, AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import type { KeyOption } from "./observation-wrapper.ts";
import { boxOf, ObservationTransform, partOf } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of both wrappers. */
export interface DiscretizeOptions {
  /** Bins per number, or one count for all. */
  readonly bins: number | readonly number[];
  /** One whole number per element (MultiDiscrete) instead of one for all combinations (Discrete). */
  readonly multidiscrete?: boolean;
}

type AnyBox = Box<NdArray["dtype"]>;

/** Equal bins of every element of a bounded box. */
class Bins {
  readonly counts: readonly number[];
  readonly low: readonly number[];
  readonly width: readonly number[];

  constructor(box: AnyBox, bins: number | readonly number[], wrapper: string) {
    const size = box.flatdim();
    this.counts = typeof bins === "number" ? Array.from({ length: size }, () => bins) : bins;
    this.low = Array.from(box.low.data as ArrayLike<number>, Number);
    const high = Array.from(box.high.data as ArrayLike<number>, Number);
    this.width = high.map((top, j) => (top - this.low[j]) / this.counts[j]);
    const whole =
      this.counts.length === size && this.counts.every((count) => Number.isInteger(count) && count > 0);
    if (whole && box.shape.length === 1 && this.width.every((width) => Number.isFinite(width))) return;
    fail({
      code: "INVALID_ARGUMENT",
      what: `${wrapper} cannot cut this space`,
      expected: `a bounded Box of one axis and ${size} positive bin counts`,
      got: `${String(box)}, bins ${this.counts.join(", ")}`,
    });
  }

  space(multi: boolean): Space {
    return multi
      ? new MultiDiscrete(this.counts)
      : new Discrete(this.counts.reduce((product, count) => product * count, 1));
  }
}

class DiscretizeActionWrapper extends ActionTransform {
  readonly #bins: Bins;
  readonly #multi: boolean;

  constructor(env: AnyVectorEnv, options: DiscretizeOptions) {
    const bins = new Bins(actionBoxOf(env, "DiscretizeAction"), options.bins, "DiscretizeAction");
    super(env, bins.space(options.multidiscrete === true));
    this.#bins = bins;
    this.#multi = options.multidiscrete === true;
  }

  protected row(input: Float64Array, output: Float64Array, i: number): void {
    const { counts, low, width } = this.#bins;
    const size = counts.length;
    let rest = this.#multi ? 0 : Number(input[i]);
    for (let j = size - 1; j >= 0; j--) {
      const bin = this.#multi ? Number(input[i * size + j]) : rest % counts[j];
      rest = Math.floor(rest / counts[j]);
      output[i * size + j] = low[j] + (bin + 0.5) * width[j];
    }
  }
}

/** Choose actions by number; each stands for the middle of a bin of the Box. @source Gymnasium 1.4 `DiscretizeAction` */
export function DiscretizeAction<E extends AnyEnv>(
  env: E,
  options: DiscretizeOptions,
): Acting<E, number | NdArray, NdArray> {
  return lift(env, (inner) => new DiscretizeActionWrapper(inner, options));
}

class DiscretizeObservationWrapper extends ObservationTransform {
  readonly #bins: Bins;
  readonly #multi: boolean;

  constructor(env: AnyVectorEnv, options: DiscretizeOptions & KeyOption) {
    const bins = new Bins(
      boxOf(partOf(env, options.key), "DiscretizeObservation"),
      options.bins,
      "DiscretizeObservation",
    );
    super(env, bins.space(options.multidiscrete === true), options.key);
    this.#bins = bins;
    this.#multi = options.multidiscrete === true;
  }

  protected transform(input: ObservationBatch, mask: Uint8Array | undefined): void {
    const from = (input as NdArray).data;
    const to = (this.output as NdArray).data as Int32Array;
    const { counts, low, width } = this.#bins;
    const size = counts.length;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask[i] === 0) continue;
      let index = 0;
      for (let j = 0; j < size; j++) {
        const position = Math.floor((Number(from[i * size + j]) - low[j]) / width[j]);
        const bin = Math.min(Math.max(position, 0), counts[j] - 1);
        index = index * counts[j] + bin;
        if (this.#multi) to[i * size + j] = bin;
      }
      if (!this.#multi) to[i] = index;
    }
  }
}

/** Show in which bin every number of the observation lies. @source Gymnasium 1.4 `DiscretizeObservation` */
export function DiscretizeObservation<E extends AnyEnv>(
  env: E,
  options: DiscretizeOptions & KeyOption,
): Observing<E, number | NdArray, NdArray> {
  return lift(env, (inner) => new DiscretizeObservationWrapper(inner, options));
}
