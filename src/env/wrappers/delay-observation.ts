/** @file DelayObservation: the agent sees what was d steps ago, as over a slow link. */

import { fail } from "../../core/errors.ts";
import type { Space } from "../../core/spaces/space.ts";
import { Box } from "../../core/spaces/box.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { cloneBatch, copyOneRow, copyRows, emptyLike } from "../batch.ts";
import type { ObservationBatch } from "../env.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import { ObservationTransform } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `DelayObservation`. */
export interface DelayObservationOptions {
  /** Steps, at least 0. */
  readonly delay: number;
}

/** The element of a batch's space nearest to zero, in every row. */
function fillZero(space: Space, batch: ObservationBatch): void {
  if (space instanceof Box) {
    const { low, high } = space as Box<NdArray["dtype"]>;
    const data = (batch as NdArray).data as Float64Array;
    for (let k = 0; k < data.length; k++) {
      const j = k % low.data.length;
      const [least, most] = [low.data[j] as number, high.data[j] as number];
      data[k] = least > 0 ? least : most < 0 ? most : 0;
    }
    return;
  }
  const { spaces, start } = space as Space & { spaces?: Record<string, Space>; start?: number | NdArray };
  if (spaces !== undefined) {
    for (const key in spaces) fillZero(spaces[key], (batch as Record<string, ObservationBatch>)[key]);
  } else if (typeof start === "number") ((batch as NdArray).data as Float64Array).fill(start);
}

class DelayObservationWrapper extends ObservationTransform {
  /** The last d + 1 observations, as a ring per row. */
  readonly #ring: ObservationBatch[];
  /** Observations since the row's episode began. */
  readonly #seen: Int32Array;
  readonly #zero: ObservationBatch;

  constructor(env: AnyVectorEnv, delay: number) {
    super(env, env.singleObservationSpace, undefined);
    this.#ring = Array.from({ length: delay + 1 }, () => emptyLike(this.part, this.output));
    this.#zero = emptyLike(this.part, this.output);
    fillZero(this.part, this.#zero);
    this.#seen = new Int32Array(env.numEnvs);
  }

  protected transform(input: ObservationBatch, mask: Uint8Array | undefined, begins: boolean): void {
    const length = this.#ring.length;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask[i] === 0) continue;
      if (begins) this.#seen[i] = 0;
      const slot = this.#seen[i] % length;
      this.#seen[i] += 1;
      copyOneRow(this.part, this.#ring[slot], input, i);
      const old = this.#seen[i] < length ? this.#zero : this.#ring[this.#seen[i] % length];
      copyOneRow(this.part, this.output, old, i);
    }
  }

  protected override memory(): unknown {
    return {
      base: super.memory(),
      ring: this.#ring.map((batch) => cloneBatch(this.part, batch)),
      seen: this.#seen,
    };
  }

  protected override recall(memory: unknown): void {
    const { base, ring, seen } = memory as { base: unknown; ring: ObservationBatch[]; seen: Int32Array };
    super.recall(base);
    ring.forEach((batch, slot) => copyRows(this.part, this.#ring[slot], batch));
    this.#seen.set(seen);
  }
}

/**
 * Show the observation of `delay` steps ago; before that many steps, the space's element nearest to zero.
 * @throws INVALID_ARGUMENT unless delay is a whole number ≥ 0 @source Gymnasium 1.4 `DelayObservation`
 */
export function DelayObservation<E extends AnyEnv>(env: E, options: DelayObservationOptions): Same<E> {
  if (!Number.isInteger(options.delay) || options.delay < 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such delay",
      expected: "a whole number of steps ≥ 0",
      got: String(options.delay),
    });
  }
  return lift(env, (inner) => new DelayObservationWrapper(inner, options.delay));
}
