/** @file Row-wise operations over records of batch-first arrays: generic, so that no model or environment writes them. */

import { takeRows, zeros, type NdArray } from "./ndarray.ts";

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

/** A record of `count` rows: row `places[k]` is the one-row record `fresh[k]`, the others come from `old` (zeros without). */
export function placeRows(options: {
  old?: ArrayRecord;
  fresh: readonly ArrayRecord[];
  places: readonly number[];
  count: number;
}): ArrayRecord {
  const { old, fresh, places, count } = options;
  return mapRecord(fresh[0] ?? (old as ArrayRecord), (array, name) => {
    const out = zeros("float32", [count, ...array.shape.slice(1)]);
    const stride = out.data.length / count;
    if (old !== undefined) out.data.set(old[name].data);
    places.forEach((row, k) => out.data.set(fresh[k][name].data, row * stride));
    return out;
  });
}
