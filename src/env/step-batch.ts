/** @file Copies of step results that share no memory with the environment. */

import type { Space } from "../core/spaces/space.ts";
import { cloneArray, cloneBatch, copyRows, emptyLike } from "./batch.ts";
import type { ObservationBatch, StepBatch } from "./env.ts";
import { cloneInfos } from "./infos.ts";

/**
 * A copy of a step's result, `space` being the single observation space. In `finalObservations`, rows outside
 * `finalMask` (which are undefined) become zero.
 */
export function cloneStep<O>(space: Space, batch: StepBatch<O>): StepBatch<O> {
  const copied: StepBatch<O> = {
    observations: cloneBatch(space, batch.observations),
    rewards: cloneArray(batch.rewards),
    terminations: cloneArray(batch.terminations),
    truncations: cloneArray(batch.truncations),
    infos: cloneInfos(batch.infos),
    valid: cloneArray(batch.valid),
  };
  if (batch.finalMask === undefined || batch.finalObservations === undefined) return copied;
  copied.finalObservations = emptyLike(space, batch.finalObservations);
  const [to, from] = [copied.finalObservations, batch.finalObservations] as ObservationBatch[];
  copyRows(space, to, from, batch.finalMask.data);
  copied.finalMask = cloneArray(batch.finalMask);
  copied.finalInfos = cloneInfos(batch.finalInfos ?? {});
  return copied;
}
