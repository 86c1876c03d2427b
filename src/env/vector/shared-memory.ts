/** @file All that a vector env over worker threads shares with them, and the parent's views of it. */

import type { NdArray } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { ObservationBatch, StepBatch } from "../env.ts";
import { noInfos } from "../infos.ts";
import { allocateShared, rowsOf, sharedArray } from "./shared-batch.ts";
import type { SharedMemory } from "./worker-protocol.ts";

/** Shared memory and the arrays of the parent over it. */
export interface ParentMemory {
  readonly memory: SharedMemory;
  readonly batch: StepBatch;
  readonly actions: ObservationBatch;
  readonly mask: NdArray<"bool">;
}

/** Shared memory for `numEnvs` rows. @throws NOT_SUPPORTED for spaces that hold more than arrays */
export function allocateMemory(observationSpace: Space, actionSpace: Space, numEnvs: number): ParentMemory {
  const observations = allocateShared(observationSpace, numEnvs);
  const actions = allocateShared(actionSpace, numEnvs);
  const flags = () => sharedArray("bool", [numEnvs]);
  const memory: SharedMemory = {
    observations: observations.arrays,
    actions: actions.arrays,
    rewards: sharedArray("float64", [numEnvs]),
    terminations: flags(),
    truncations: flags(),
    valid: flags(),
    mask: flags(),
  };
  const batch: StepBatch = {
    observations: observations.batch,
    infos: noInfos,
    rewards: rowsOf(memory.rewards),
    terminations: rowsOf(memory.terminations),
    truncations: rowsOf(memory.truncations),
    valid: rowsOf(memory.valid),
  };
  return { memory, batch, actions: actions.batch, mask: rowsOf(memory.mask) };
}
