/** @file The number that tells a task from the others where one model learns several: the last of the `state`. */

import { float32 } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { Dict } from "../../core/spaces/dict.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { Env } from "../../env/env.ts";
import { ObservationWrapper } from "../../env/wrappers/base.ts";
import type { Pixels } from "../loop/recording.ts";

/** An arm whose `state` ends with its task's number, from 0. */
export class DomainState extends ObservationWrapper<unknown, unknown> {
  override readonly observationSpace: Space;
  readonly #domain: number;

  /** @param env its observations are {frame, state} @param domain which of how many tasks */
  constructor(env: Env, { index, count }: { index: number; count: number }) {
    super(env);
    this.#domain = index;
    const { frame, state } = (env.observationSpace as Dict).spaces;
    const { low, high, shape } = state as Box<"float32">;
    const wider = new Box(
      float32([...low.data, 0]),
      float32([...high.data, count - 1]),
      [shape[0] + 1],
      "float32",
    );
    this.observationSpace = new Dict({ frame, state: wider });
  }

  observation(observation: unknown): Pixels {
    const { frame, state } = observation as Pixels;
    return { frame, state: float32([...state.data, this.#domain]) };
  }
}
