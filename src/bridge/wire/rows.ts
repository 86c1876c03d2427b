/** @file Rows of observation batches, in whatever container the space prescribes. */

import { isNdArray, type NdArray, takeRows } from "../../core/ndarray.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { ObservationBatch } from "../../env/env.ts";

type Parts = Readonly<Record<string, Space>>;
type BatchRecord = Record<string, ObservationBatch>;

/** Write row `from[i]` of `source` to row `to[i]` of `target`, for every i. */
export function copyRows(
  space: Space,
  target: ObservationBatch,
  source: ObservationBatch,
  { to, from }: { readonly to: readonly number[]; readonly from: readonly number[] },
): void {
  if (isNdArray(target) && isNdArray(source)) return copyArrayRows(target, source, to, from);
  const parts = partsOf(space);
  const [into, out] = [target as BatchRecord, source as BatchRecord];
  if (parts === undefined) to.forEach((row, i) => (into[row] = out[from[i]]));
  else for (const key of Object.keys(parts)) copyRows(parts[key], into[key], out[key], { to, from });
}

/** A new batch of the given rows. */
export function pickRows(space: Space, batch: ObservationBatch, rows: readonly number[]): ObservationBatch {
  if (isNdArray(batch)) return takeRows(batch, rows);
  const parts = partsOf(space);
  const list = batch as readonly ObservationBatch[];
  if (parts === undefined) return rows.map((row) => list[row]);
  if (space.kind === "Tuple") return list.map((part, i) => pickRows(parts[i], part, rows));
  const entries = Object.entries(batch as BatchRecord);
  return Object.fromEntries(entries.map(([key, part]) => [key, pickRows(parts[key], part, rows)]));
}

function copyArrayRows(
  target: NdArray,
  source: NdArray,
  to: readonly number[],
  from: readonly number[],
): void {
  const stride = target.data.length / target.shape[0];
  to.forEach((row, i) => {
    target.data.set(source.data.subarray(from[i] * stride, (from[i] + 1) * stride) as never, row * stride);
  });
}

/** Parts of a container whose batch is a container of batches. */
function partsOf(space: Space): Parts | undefined {
  if (space.kind !== "Dict" && space.kind !== "Tuple") return undefined;
  return (space as Space & { readonly spaces: Parts }).spaces;
}
