/** @file StickyAction: with some probability the last action is repeated instead of the given one. */

import { fail } from "../../core/errors.ts";
import type { RngState } from "../../core/rng.ts";
import { copyRows, emptyLike } from "../batch.ts";
import type { ObservationBatch, ResetBatch, VectorResetOptions } from "../env.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import { RowGenerators } from "./row-generators.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Options of `StickyAction`. */
export interface StickyActionOptions {
  /** In [0, 1). */
  readonly repeatActionProbability: number;
  /** Steps for which an action sticks, or a range to draw from, default 1. */
  readonly repeatActionDuration?: number | readonly [least: number, most: number];
}

interface Memory {
  readonly last: ObservationBatch | undefined;
  readonly remaining: Int32Array;
  readonly began: Uint8Array;
  readonly rngs: RngState[];
}

class StickyActionWrapper extends VectorWrapper {
  readonly #probability: number;
  readonly #duration: readonly [number, number];
  readonly #generators: RowGenerators;
  /** Steps for which the last action goes on sticking. */
  readonly #remaining: Int32Array;
  /** 1 where the episode has no last action yet. */
  readonly #began: Uint8Array;
  readonly #fresh: Uint8Array;
  #last: ObservationBatch | undefined;

  constructor(env: AnyVectorEnv, probability: number, duration: readonly [number, number]) {
    super(env);
    this.#probability = probability;
    this.#duration = duration;
    this.#generators = new RowGenerators(env.numEnvs, 0x57c);
    this.#remaining = new Int32Array(env.numEnvs);
    this.#began = new Uint8Array(env.numEnvs).fill(1);
    this.#fresh = new Uint8Array(env.numEnvs);
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    this.#generators.follow(options);
    for (let i = 0; i < this.numEnvs; i++) {
      if (options?.mask?.data[i] === 0) continue;
      this.#remaining[i] = 0;
      this.#began[i] = 1;
    }
    return batch;
  }

  protected override beforeStep(actions: unknown, mask: Mask | undefined): unknown {
    const space = this.singleActionSpace;
    const given = actions as ObservationBatch;
    this.#last ??= emptyLike(space, given);
    for (let i = 0; i < this.numEnvs; i++) {
      const chosen = mask === undefined || mask.data[i] !== 0;
      this.#fresh[i] = chosen && !this.#sticks(i) ? 1 : 0;
      if (chosen) this.#began[i] = 0;
    }
    copyRows(space, this.#last, given, this.#fresh);
    return this.#last;
  }

  #sticks(i: number): boolean {
    if (this.#remaining[i] > 0) {
      this.#remaining[i] -= 1;
      return true;
    }
    const rng = this.#generators.at(i);
    if (this.#began[i] === 1 || rng.uniform() >= this.#probability) return false;
    const [least, most] = this.#duration;
    this.#remaining[i] = rng.integers(least, most + 1) - 1;
    return true;
  }

  protected override memory(): Memory {
    const { state: rngs } = this.#generators;
    return { last: this.#last, remaining: this.#remaining, began: this.#began, rngs };
  }

  protected override recall(memory: unknown): void {
    const { last, remaining, began, rngs } = memory as Memory;
    this.#last = last;
    this.#remaining.set(remaining);
    this.#began.set(began);
    this.#generators.state = rngs;
  }
}

/**
 * Repeat the last action with a probability, drawn per row and step from a generator that `reset({ seed })` seeds.
 *
 * The stream is the wrapper's own (Gymnasium draws from the environment's, which changes its episodes).
 * @throws INVALID_ARGUMENT for a probability outside [0, 1) or a duration below 1
 * @source Gymnasium 1.4 `StickyAction`; Machado et al. 2018
 */
export function StickyAction<E extends AnyEnv>(env: E, options: StickyActionOptions): Same<E> {
  const { repeatActionProbability: probability, repeatActionDuration: given = 1 } = options;
  const duration = typeof given === "number" ? ([given, given] as const) : given;
  if (!(probability >= 0 && probability < 1) || !(duration[0] >= 1 && duration[0] <= duration[1])) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such sticky actions",
      expected: "a probability in [0, 1) and a duration of at least 1 step",
      got: `probability ${probability}, duration ${duration.join(" to ")}`,
    });
  }
  return lift(env, (inner) => new StickyActionWrapper(inner, probability, duration));
}
