/** @file Reading the action of one sub-environment out of a batch, without allocation for numbers and arrays. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { isNdArray, sizeOf, zeros } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import { rowAt } from "../batch.ts";

function refuse(expected: string, actions: unknown): never {
  const got = isNdArray(actions) ? `${actions.dtype} [${actions.shape.join(", ")}]` : typeof actions;
  return fail({
    code: "INVALID_SHAPE",
    what: "the batch of actions does not fit",
    expected,
    got,
    fix: "pass one action per sub-environment, e.g. env.actionSpace.sample()",
  });
}

function numberReader(numEnvs: number): (actions: unknown, i: number) => unknown {
  return (actions, i) => {
    const data = Array.isArray(actions) ? (actions as readonly number[]) : (actions as NdArray).data;
    if (data?.length !== numEnvs) refuse(`${numEnvs} numbers`, actions);
    const action = data[i];
    return typeof action === "number" ? action : Number(action);
  };
}

/** Rows are copied into arrays of this reader, one per sub-environment: the caller's stay the caller's. */
function arrayReader(space: Space, numEnvs: number): (actions: unknown, i: number) => unknown {
  const stride = sizeOf(space.shape!);
  const rows = Array.from({ length: numEnvs }, () => zeros(space.dtype!, space.shape!));
  return (actions, i) => {
    const batch = actions as NdArray;
    if (!isNdArray(batch) || batch.data.length !== stride * numEnvs) {
      refuse(`an array [${[numEnvs, ...space.shape!].join(", ")}]`, actions);
    }
    if (batch.dtype !== rows[i].dtype) rows[i] = zeros(batch.dtype, space.shape!);
    const target = rows[i].data;
    for (let j = 0; j < stride; j++) target[j] = batch.data[i * stride + j];
    return rows[i];
  };
}

/**
 * A function that takes action `i` out of a batch of `space`'s actions: a number for Discrete, an array for Box,
 * MultiDiscrete and MultiBinary (the reader's own, overwritten by the next call), else what the batch holds.
 * @throws INVALID_SHAPE (the returned function) when the batch has not one action per sub-environment
 */
export function actionReader(space: Space, numEnvs: number): (actions: unknown, i: number) => unknown {
  if (space.kind === "Discrete") return numberReader(numEnvs);
  if (space.shape !== undefined && space.dtype !== undefined) return arrayReader(space, numEnvs);
  return (actions, i) => rowAt(space, actions as NdArray, i);
}
