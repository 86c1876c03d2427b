/** @file TransformObservation, TransformAction, TransformReward: a function of the caller's, row by row. */

import type { NdArray } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import { copyRow, rowAt } from "../batch.ts";
import type { ObservationBatch, StepBatch } from "../env.ts";
import { actionReader } from "../vector/actions.ts";
import type { Acting, AnyEnv, Observing, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import type { KeyOption } from "./observation-wrapper.ts";
import { ObservationTransform, partOf } from "./observation-wrapper.ts";
import { RewardTransform } from "./reward-wrapper.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

class TransformObservationWrapper extends ObservationTransform {
  readonly #map: (observation: never) => unknown;
  readonly #from: Space;

  constructor(env: AnyVectorEnv, map: (observation: never) => unknown, options: TransformObservationOptions) {
    const from = partOf(env, options.key);
    super(env, options.space ?? from, options.key);
    this.#map = map;
    this.#from = from;
  }

  protected transform(input: ObservationBatch, mask: Uint8Array | undefined): void {
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask[i] === 0) continue;
      copyRow(this.part, this.output, this.#map(rowAt(this.#from, input, i) as never), i);
    }
  }
}

/** Options of `TransformObservation`. */
export interface TransformObservationOptions extends KeyOption {
  /** Space of what the function gives back; absent: that of its argument. */
  readonly space?: Space;
}

/** Map every observation by `map`; its argument is a view that it must not keep. @source Gymnasium 1.4 `TransformObservation` */
export function TransformObservation<E extends AnyEnv, I = NdArray, O = unknown>(
  env: E,
  map: (observation: I) => O,
  options: TransformObservationOptions = {},
): Observing<E, O, ObservationBatch> {
  return lift(env, (inner) => new TransformObservationWrapper(inner, map, options));
}

class TransformActionWrapper extends VectorWrapper {
  readonly #map: (action: never) => unknown;
  readonly #inner: ObservationBatch;
  readonly #actionAt: (actions: unknown, i: number) => unknown;

  constructor(env: AnyVectorEnv, map: (action: never) => unknown, space: Space) {
    super(env, { action: space });
    this.#map = map;
    this.#inner = env.singleActionSpace.createEmpty(env.numEnvs) as ObservationBatch;
    this.#actionAt = actionReader(space, env.numEnvs);
  }

  protected override beforeStep(actions: unknown, mask: Mask | undefined): unknown {
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask.data[i] === 0) continue;
      copyRow(this.env.singleActionSpace, this.#inner, this.#map(this.#actionAt(actions, i) as never), i);
    }
    return this.#inner;
  }
}

/** Map every action by `map`; `space` is the space of its argument. @source Gymnasium 1.4 `TransformAction` */
export function TransformAction<E extends AnyEnv, A>(
  env: E,
  map: (action: A) => unknown,
  space: Space<A>,
): Acting<E, A, unknown> {
  return lift(env, (inner) => new TransformActionWrapper(inner, map, space));
}

class TransformRewardWrapper extends RewardTransform {
  readonly #map: (reward: number) => number;

  constructor(env: AnyVectorEnv, map: (reward: number) => number) {
    super(env);
    this.#map = map;
  }

  protected rewards(batch: StepBatch, mask: Uint8Array | undefined, out: Float64Array): void {
    for (let i = 0; i < out.length; i++)
      if (mask === undefined || mask[i] !== 0) out[i] = this.#map(batch.rewards.data[i]);
  }
}

/** Map every reward by `map`. @source Gymnasium 1.4 `TransformReward` */
export function TransformReward<E extends AnyEnv>(env: E, map: (reward: number) => number): Same<E> {
  return lift(env, (inner) => new TransformRewardWrapper(inner, map));
}
