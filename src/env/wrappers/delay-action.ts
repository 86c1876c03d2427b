/** @file DelayAction: actions take effect d steps late, as through a slow actuator. */

import { fail } from "../../core/errors.ts";
import { copyOneRow, emptyLike } from "../batch.ts";
import type { ObservationBatch, ResetBatch, VectorResetOptions } from "../env.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Options of `DelayAction`. */
export interface DelayActionOptions {
  /** Steps, at least 0. */
  readonly delay: number;
}

interface Memory {
  readonly ring: ObservationBatch[] | undefined;
  readonly taken: Int32Array;
}

class DelayActionWrapper extends VectorWrapper {
  readonly #length: number;
  readonly #taken: Int32Array;
  #ring: ObservationBatch[] | undefined;
  #inner: ObservationBatch | undefined;

  constructor(env: AnyVectorEnv, delay: number) {
    super(env);
    this.#length = delay + 1;
    this.#taken = new Int32Array(env.numEnvs);
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    for (let i = 0; i < this.numEnvs; i++) if (options?.mask?.data[i] !== 0) this.#taken[i] = 0;
    return batch;
  }

  protected override beforeStep(actions: unknown, mask: Mask | undefined): unknown {
    const space = this.singleActionSpace;
    const given = actions as ObservationBatch;
    this.#ring ??= Array.from({ length: this.#length }, () => emptyLike(space, given));
    this.#inner ??= emptyLike(space, given);
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask.data[i] === 0) continue;
      const t = this.#taken[i];
      copyOneRow(space, this.#ring[t % this.#length], given, i);
      // Until the first action arrives, it is the one that holds.
      copyOneRow(space, this.#inner, this.#ring[t < this.#length - 1 ? 0 : (t + 1) % this.#length], i);
      this.#taken[i] += 1;
    }
    return this.#inner;
  }

  protected override memory(): Memory {
    return { ring: this.#ring, taken: this.#taken };
  }

  protected override recall(memory: unknown): void {
    const { ring, taken } = memory as Memory;
    this.#ring = ring;
    this.#taken.set(taken);
  }
}

/**
 * Let every action take effect `delay` steps late. In an episode's first steps its first action holds.
 * @throws INVALID_ARGUMENT unless delay is a whole number ≥ 0
 */
export function DelayAction<E extends AnyEnv>(env: E, options: DelayActionOptions): Same<E> {
  if (!Number.isInteger(options.delay) || options.delay < 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such delay",
      expected: "a whole number of steps ≥ 0",
      got: String(options.delay),
    });
  }
  return lift(env, (inner) => new DelayActionWrapper(inner, options.delay));
}
