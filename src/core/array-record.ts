/** @file Row-wise operations over records of batch-first arrays: generic, so that no model or environment writes them. */

import { joinRows, takeRows, type NdArray } from "./ndarray.ts";

/** Named arrays that share their first axis. */
export type ArrayRecord = Readonly<Record<string, NdArray<"float32">>>;

function mapRecord(
  record: ArrayRecord,
  fn: (array: NdArray<"float32">, name: string) => NdArray<"float32">,
): ArrayRecord {
  return Object.fromEntries(Object.entries(record).map(([name, array]) => [name, fn(array, name)]));
}

/** New record of the given rows, in the given order; rows may repeat (tiling for a planner). */
export function selectRows(record: ArrayRecord, indices: ArrayLike<number>): ArrayRecord {
  return mapRecord(record, (array) => takeRows(array, indices));
}

/** `old` with the rows where `mask` is 1 taken from `fresh`; neither is changed. */
export function mergeRows(old: ArrayRecord, fresh: ArrayRecord, mask: ArrayLike<number>): ArrayRecord {
  return mapRecord(old, (array, name) => {
    const data = array.data.slice();
    const stride = data.length / mask.length;
    for (let i = 0; i < mask.length; i++) {
      if (mask[i]) data.set(fresh[name].data.subarray(i * stride, (i + 1) * stride), i * stride);
    }
    return { ...array, data };
  });
}

/** `old` with row `places[k]` taken from row k of `fresh`; neither is changed. */
export function overwriteRows(old: ArrayRecord, fresh: ArrayRecord, places: readonly number[]): ArrayRecord {
  return mapRecord(old, (array, name) => {
    const data = array.data.slice();
    const stride = data.length / array.shape[0];
    places.forEach((row, k) =>
      data.set(fresh[name].data.subarray(k * stride, (k + 1) * stride), row * stride),
    );
    return { ...array, data };
  });
}

/** The rows of several records one after another. */
export function concatRows(records: readonly ArrayRecord[]): ArrayRecord {
  return mapRecord(records[0], (_, name) => joinRows(records.map((record) => record[name])));
}

/** Indices of the rows where `mask` is 1; all `count` of them without a mask. */
export function maskedRows(count: number, mask: NdArray<"bool"> | undefined): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => mask?.data[i] !== 0);
}
