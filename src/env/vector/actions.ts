/** @file Reading the action of one sub-environment out of a batch, without allocation for numbers and arrays. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { isNdArray, sizeOf, zeros } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import { copyRows, rowAt } from "../batch.ts";
import type { ObservationBatch } from "../env.ts";

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

function refuseValue(space: Space, row: number, value: unknown): never {
  return fail({
    code: "INVALID_ARGUMENT",
    what: `action ${String(value)} of sub-environment ${row} does not belong to the action space`,
    expected: String(space),
    fix: "pass one of its elements, e.g. env.actionSpace.sample()",
  });
}

/** Write a batch of numbers or arrays into memory of the space's dtype, whole numbers only where it holds such. */
function writeNumbers(space: Space, target: NdArray, actions: unknown): void {
  const data = Array.isArray(actions) ? (actions as readonly number[]) : (actions as NdArray).data;
  if (data?.length !== target.data.length) refuse(`an array [${target.shape.join(", ")}]`, actions);
  const [to, whole] = [target.data as Float64Array, !target.dtype.startsWith("float")];
  const rows = target.shape[0];
  const wide = target.data instanceof BigInt64Array || target.data instanceof BigUint64Array;
  for (let j = 0; j < to.length; j++) {
    const value = Number(data[j]);
    if (whole && !Number.isInteger(value)) refuseValue(space, Math.floor((j * rows) / to.length), value);
    if (space.kind === "Discrete" && !space.contains(value)) refuseValue(space, j, value);
    to[j] = (wide ? BigInt(data[j]) : value) as number;
  }
}

/**
 * Write a batch of `space`'s actions into memory of another thread, `target`.
 * @throws INVALID_SHAPE when the batch has not one action per sub-environment, INVALID_ARGUMENT for a fraction where
 * whole numbers belong, or a number outside of a Discrete
 */
export function writeActions(space: Space, target: unknown, actions: unknown): void {
  if (isNdArray(target)) writeNumbers(space, target, actions);
  else copyRows(space, target as ObservationBatch, actions as ObservationBatch);
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
