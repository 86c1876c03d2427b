/** @file FrameStackObservation: the last k observations as one, oldest first. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { isNdArray } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { ObservationBatch } from "../env.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import type { KeyOption } from "./observation-wrapper.ts";
import { ObservationTransform, partOf } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `FrameStackObservation`. */
export interface FrameStackOptions extends KeyOption {
  /** How many observations, at least 1. */
  readonly stackSize: number;
  /** What stands before an episode's start: its first observation (default) or zeros. */
  readonly paddingType?: "reset" | "zero";
}

function leavesOf(batch: ObservationBatch): NdArray[] {
  return isNdArray(batch)
    ? [batch]
    : Object.values(batch as Record<string, ObservationBatch>).flatMap(leavesOf);
}

/** A batched space whose arrays have a leading axis; the output's single space is the stack of k single elements. */
class FrameStackObservationWrapper extends ObservationTransform {
  readonly stackSize: number;
  readonly #zero: boolean;
  readonly #outputs: readonly NdArray[];

  constructor(env: AnyVectorEnv, space: Space, options: FrameStackOptions) {
    super(env, space.batch(options.stackSize), options.key);
    this.stackSize = options.stackSize;
    this.#zero = options.paddingType === "zero";
    this.#outputs = leavesOf(this.output);
  }

  protected transform(input: ObservationBatch, mask: Uint8Array | undefined, begins: boolean): void {
    leavesOf(input).forEach((leaf, l) => {
      const from = leaf.data as Float64Array;
      const to = this.#outputs[l].data as Float64Array;
      const stride = from.length / this.numEnvs;
      for (let i = 0; i < this.numEnvs; i++) {
        if (mask !== undefined && mask[i] === 0) continue;
        const start = i * stride * this.stackSize;
        const end = start + stride * this.stackSize;
        if (begins) this.#begin(to, start, end);
        else to.copyWithin(start, start + stride, end);
        for (let slot = begins && !this.#zero ? start : end - stride; slot < end; slot += stride) {
          for (let j = 0; j < stride; j++) to[slot + j] = from[i * stride + j];
        }
      }
    });
  }

  #begin(to: Float64Array | BigInt64Array, start: number, end: number): void {
    if (this.#zero) to.fill(0 as never, start, end);
  }
}

function checkStack(space: Space, options: FrameStackOptions): Space {
  if (!Number.isInteger(options.stackSize) || options.stackSize < 1) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such stack",
      expected: "stackSize ≥ 1",
      got: String(options.stackSize),
    });
  }
  const leaf = (part: Space): boolean =>
    part.kind === "Dict" || part.kind === "Tuple"
      ? Object.values((part as Space & { spaces: Record<string, Space> }).spaces).every(leaf)
      : part.shape !== undefined;
  if (leaf(space)) return space;
  return fail({
    code: "NOT_SUPPORTED",
    what: "stacking observations that are no arrays",
    expected: "arrays, or Dicts and Tuples of arrays",
    got: String(space),
  });
}

/**
 * Stack the last `stackSize` observations on a new first axis, newest last: [k, …] instead of […].
 * @source Gymnasium 1.4 `FrameStackObservation`
 */
export function FrameStackObservation<E extends AnyEnv>(
  env: E,
  options: FrameStackOptions,
): Observing<E, NdArray, ObservationBatch> {
  return lift(
    env,
    (inner) =>
      new FrameStackObservationWrapper(inner, checkStack(partOf(inner, options.key), options), options),
  );
}
