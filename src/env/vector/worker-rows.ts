/** @file Between the rows of a whole and those of one worker: its share of a reset, and everybody's infos joined. */

import type { NdArray } from "../../core/ndarray.ts";
import type { InfoBatch, InfoColumn, VectorResetOptions } from "../env.ts";
import { isEmptyInfos, noInfos, placeInfos } from "../infos.ts";
import { seedOf } from "./seeds.ts";
import type { Outcome } from "./worker-handle.ts";

type Mask = NdArray<"bool">;
/** Rows from `start` up to `end`. */
type Rows = { readonly start: number; readonly end: number };

function maskOf({ start, end }: Rows, mask: Mask): Mask {
  return { dtype: "bool", shape: [end - start], data: mask.data.slice(start, end) };
}

/** Options of a worker's reset: the seeds and the mask of its rows. */
export function shareOfReset(options: VectorResetOptions, mask: Mask, rows: Rows): VectorResetOptions {
  const { start, end } = rows;
  const numEnvs = mask.data.length;
  const seed = Array.from({ length: end - start }, (_, j) => seedOf(options.seed, start + j, numEnvs));
  const own = maskOf(rows, mask);
  return { options: options.options, seed, mask: own.data.includes(0) ? own : undefined };
}

/** Infos of all workers by row; the rows of a dead one say why in `failure`. */
export function joinInfos(workers: readonly Rows[], outcomes: readonly Outcome[], mask: Mask): InfoBatch {
  const columns: Record<string, InfoColumn> = {};
  const numEnvs = mask.data.length;
  outcomes.forEach(({ infos, died }, k) => {
    const rows = workers[k];
    if (infos !== undefined) placeInfos(columns, infos, rows.start, numEnvs);
    if (died === undefined) return;
    const values = Array.from({ length: rows.end - rows.start }, () => died.message);
    placeInfos(columns, { failure: { values, mask: maskOf(rows, mask) } }, rows.start, numEnvs);
  });
  return isEmptyInfos(columns) ? noInfos : columns;
}
