/** @file FilterObservation: some entries of a Dict observation. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Dict } from "../../core/spaces/dict.ts";
import type { ObservationBatch, ResetBatch, StepBatch } from "../env.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import { partOf } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

type Entries = Readonly<Record<string, ObservationBatch>>;

class FilterObservationWrapper extends VectorWrapper {
  readonly #keys: readonly string[];

  constructor(env: AnyVectorEnv, keys: readonly string[]) {
    super(env, { observation: new Dict(keys.map((key) => [key, partOf(env, key)] as const)) });
    this.#keys = keys;
  }

  #pick(observations: ObservationBatch): ObservationBatch {
    return Object.fromEntries(this.#keys.map((key) => [key, (observations as Entries)[key]]));
  }

  protected override afterReset(batch: ResetBatch): ResetBatch {
    return { observations: this.#pick(batch.observations), infos: batch.infos };
  }

  protected override afterStep(batch: StepBatch): StepBatch {
    const out = this.relay(batch);
    out.observations = this.#pick(batch.observations);
    return out;
  }
}

/**
 * Keep the entries of a Dict observation that are named.
 * @throws INVALID_ARGUMENT for no names or an unknown one @source Gymnasium 1.4 `FilterObservation`
 */
export function FilterObservation<E extends AnyEnv>(
  env: E,
  options: { readonly filterKeys: readonly string[] },
): Observing<E, Readonly<Record<string, NdArray>>> {
  if (options.filterKeys.length === 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "a filter that keeps nothing",
      expected: "at least one name in filterKeys",
    });
  }
  return lift(env, (inner) => new FilterObservationWrapper(inner, options.filterKeys));
}
