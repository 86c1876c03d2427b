/** @file FlattenObservation: observations as one flat array each. */

import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { fail } from "../../core/errors.ts";
import { rowAt } from "../batch.ts";
import type { ObservationBatch } from "../env.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import { ObservationTransform } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

class FlattenObservationWrapper extends ObservationTransform {
  readonly #length: number;

  constructor(env: AnyVectorEnv) {
    const flat = env.singleObservationSpace.flatSpace();
    if (!(flat instanceof Box)) {
      fail({
        code: "NOT_SUPPORTED",
        what: "flattening observations that have no flat form of fixed length",
        expected: "a space without Graph and Sequence",
        got: String(env.singleObservationSpace),
      });
    }
    super(env, flat as Box<NdArray["dtype"]>, undefined);
    this.#length = env.singleObservationSpace.flatdim();
  }

  protected transform(input: ObservationBatch, mask: Uint8Array | undefined): void {
    const space = this.env.singleObservationSpace;
    const { data } = this.output as NdArray;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask === undefined || mask[i] !== 0)
        space.writeFlat(rowAt(space, input, i), data, i * this.#length);
    }
  }
}

/** Flatten observations: arrays ravelled, whole numbers one-hot, containers joined. @source Gymnasium 1.4 `FlattenObservation` */
export function FlattenObservation<E extends AnyEnv>(env: E): Observing<E, NdArray> {
  return lift(env, (inner) => new FlattenObservationWrapper(inner));
}
