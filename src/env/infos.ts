/** @file Info columns: collecting per-environment records into columns, merging, copying, and reading them row by row. */

import type { DType, NdArray } from "../core/ndarray.ts";
import { isNdArray, zeros } from "../core/ndarray.ts";
import { cloneArray } from "./batch.ts";
import type { Info, InfoBatch, InfoColumn } from "./env.ts";

type Columns = Record<string, InfoColumn>;

/** The infos of a step about which there is nothing to say. */
export const noInfos: InfoBatch = Object.freeze({});

/** Is there no column at all? */
export function isEmptyInfos(infos: InfoBatch): boolean {
  for (const _name in infos) return false;
  return true;
}

/** A column without entries in the form of `like`; `recycled` is used again where it has that form. */
function emptyColumn(like: InfoColumn, recycled: InfoColumn | undefined): InfoColumn {
  if (recycled !== undefined && sameForm(recycled.values, like.values)) {
    const { values, mask } = recycled;
    mask.data.fill(0);
    // Rows that nothing is said of must look the same after a restore as they did before.
    if (isNdArray(values)) values.data.fill(0 as never);
    else if (Array.isArray(values)) values.fill(undefined);
    else return { values: {}, mask };
    return recycled;
  }
  const mask = zeros("bool", like.mask.shape);
  if (isNdArray(like.values)) return { values: zeros(like.values.dtype, like.values.shape), mask };
  if (Array.isArray(like.values))
    return { values: new Array<unknown>(mask.data.length).fill(undefined), mask };
  return { values: {}, mask };
}

function sameForm(a: InfoColumn["values"], b: InfoColumn["values"]): boolean {
  if (isNdArray(a)) return isNdArray(b) && a.dtype === b.dtype && a.data.length === b.data.length;
  return Array.isArray(a) === Array.isArray(b) && !isNdArray(b);
}

/** Do rows of `b` fit into a column of `a`'s form, whatever the number of rows? */
function sameKind(a: InfoColumn["values"], b: InfoColumn["values"]): boolean {
  if (isNdArray(a))
    return isNdArray(b) && a.dtype === b.dtype && a.shape.slice(1).join() === b.shape.slice(1).join();
  return Array.isArray(a) === Array.isArray(b) && !isNdArray(b);
}

function asList(column: InfoColumn): InfoColumn {
  const list = Array.from(column.mask.data, (has, i) => (has === 0 ? undefined : valueAt(column.values, i)));
  return { values: list, mask: column.mask };
}

/** What a merge works with: which rows to take, and columns of an earlier result whose memory may be used again. */
interface Merge {
  readonly rows: Uint8Array;
  readonly recycled: Columns | undefined;
}

function mergeColumn(target: InfoColumn, source: InfoColumn, merge: Merge): InfoColumn {
  let to = target;
  let from = source;
  if (!sameForm(to.values, from.values)) [to, from] = [asList(to), asList(from)];
  const { rows } = merge;
  const has = from.mask.data;
  if (isNdArray(to.values)) copyMarkedRows(to.values, from.values as NdArray, has, rows);
  else if (Array.isArray(to.values)) {
    const list = to.values as unknown[];
    const given = from.values as readonly unknown[];
    for (let i = 0; i < has.length; i++) if (has[i] !== 0 && rows[i] !== 0) list[i] = given[i];
  } else mergeInfos(to.values as Columns, from.values as InfoBatch, rows, merge.recycled);
  for (let i = 0; i < has.length; i++) to.mask.data[i] |= has[i] & rows[i];
  return to;
}

/** Copy the rows where both masks are non-zero. */
function copyMarkedRows(target: NdArray, source: NdArray, has: Uint8Array, rows: Uint8Array): void {
  const to = target.data as Float64Array;
  const from = source.data as Float64Array;
  const stride = to.length / has.length;
  for (let i = 0; i < has.length; i++) {
    if (has[i] === 0 || rows[i] === 0) continue;
    for (let j = i * stride; j < (i + 1) * stride; j++) to[j] = from[j];
  }
}

function speaksOf(mask: Uint8Array, rows: Uint8Array): boolean {
  for (let i = 0; i < mask.length; i++) if (mask[i] !== 0 && rows[i] !== 0) return true;
  return false;
}

function nestedOf(column: InfoColumn | undefined): Columns | undefined {
  if (column === undefined || isNdArray(column.values) || Array.isArray(column.values)) return undefined;
  return column.values as Columns;
}

/**
 * Copy into `target` what `source` says about the rows in `rows`; columns of differing form become lists. New columns
 * are made of those in `recycled` (an earlier result that nobody reads any more) where they fit.
 */
export function mergeInfos(
  target: Record<string, InfoColumn>,
  source: InfoBatch,
  rows: Uint8Array,
  recycled?: Record<string, InfoColumn>,
): void {
  for (const name in source) {
    const column = source[name];
    if (!speaksOf(column.mask.data, rows)) continue;
    const old = recycled?.[name];
    const merge = { rows, recycled: nestedOf(old) };
    target[name] = mergeColumn(target[name] ?? emptyColumn(column, old), column, merge);
  }
}

function placeColumn(
  target: InfoColumn | undefined,
  local: InfoColumn,
  start: number,
  numEnvs: number,
): InfoColumn {
  const { values } = local;
  const mask = target?.mask ?? zeros("bool", [numEnvs]);
  if (target !== undefined && !sameKind(target.values, values)) {
    const list = asList(target).values as unknown[];
    local.mask.data.forEach((has, j) => has !== 0 && (list[start + j] = valueAt(values, j)));
    mask.data.set(local.mask.data, start);
    return { values: list, mask };
  }
  mask.data.set(local.mask.data, start);
  if (isNdArray(values)) {
    const whole = (target?.values ?? zeros(values.dtype, [numEnvs, ...values.shape.slice(1)])) as NdArray;
    whole.data.set(values.data as never, start * (values.data.length / local.mask.data.length));
    return { values: whole, mask };
  }
  if (Array.isArray(values)) {
    const whole = (target?.values ?? new Array<unknown>(numEnvs).fill(undefined)) as unknown[];
    values.forEach((value, j) => (whole[start + j] = value));
    return { values: whole, mask };
  }
  const whole = (target?.values ?? {}) as Columns;
  placeInfos(whole, values as InfoBatch, start, numEnvs);
  return { values: whole, mask };
}

/** Put the columns of rows from `start` on into columns over `numEnvs` rows. */
export function placeInfos(
  target: Record<string, InfoColumn>,
  local: InfoBatch,
  start: number,
  numEnvs: number,
): void {
  for (const name in local) target[name] = placeColumn(target[name], local[name], start, numEnvs);
}

/** A deep copy of the columns; listed values are copied by reference. */
export function cloneInfos(infos: InfoBatch): InfoBatch {
  if (isEmptyInfos(infos)) return noInfos;
  const out: Columns = {};
  for (const name in infos) {
    const { values, mask } = infos[name];
    const copied = isNdArray(values)
      ? cloneArray(values)
      : Array.isArray(values)
        ? [...values]
        : cloneInfos(values as InfoBatch);
    out[name] = { values: copied, mask: cloneArray(mask) };
  }
  return out;
}

function valueAt(values: InfoColumn["values"], i: number): unknown {
  if (Array.isArray(values)) return values[i];
  if (!isNdArray(values)) return infoAt(values as InfoBatch, i);
  if (values.shape.length > 1) {
    const stride = values.data.length / values.shape[0];
    return {
      dtype: values.dtype,
      shape: values.shape.slice(1),
      data: values.data.slice(i * stride, (i + 1) * stride),
    };
  }
  return values.dtype === "bool" ? values.data[i] !== 0 : values.data[i];
}

/** Row `i` as a plain record: only the facts that sub-environment `i` supplied. */
export function infoAt(infos: InfoBatch, i: number): Info {
  const out: Info = {};
  for (const name in infos) if (infos[name].mask.data[i] !== 0) out[name] = valueAt(infos[name].values, i);
  return out;
}

/** Every row as a plain record. @source Gymnasium 1.4 `DictInfoToList` */
export function infosToList(infos: InfoBatch, numEnvs: number): Info[] {
  return Array.from({ length: numEnvs }, (_, i) => infoAt(infos, i));
}

function columnFor(value: unknown, numEnvs: number): InfoColumn {
  const mask = zeros("bool", [numEnvs]);
  const array = (dtype: DType, shape: readonly number[] = []) => ({
    values: zeros(dtype, [numEnvs, ...shape]),
    mask,
  });
  if (typeof value === "number") return array("float64");
  if (typeof value === "boolean") return array("bool");
  if (typeof value === "bigint") return array("int64");
  if (isNdArray(value)) return array(value.dtype, value.shape);
  const prototype: unknown =
    typeof value === "object" && value !== null ? Object.getPrototypeOf(value) : undefined;
  if (prototype === Object.prototype) return { values: {}, mask };
  return { values: new Array<unknown>(numEnvs).fill(undefined), mask };
}

function fits(values: InfoColumn["values"], value: unknown): boolean {
  if (Array.isArray(values)) return true;
  if (!isNdArray(values)) return typeof value === "object" && value !== null && !isNdArray(value);
  if (isNdArray(value))
    return values.dtype === value.dtype && values.data.length === values.shape[0] * value.data.length;
  const scalars: Record<string, string> = { number: "float64", boolean: "bool", bigint: "int64" };
  return values.shape.length === 1 && values.dtype === scalars[typeof value];
}

/**
 * Add what sub-environment `i` said to the columns.
 *
 * Numbers become float64, booleans bool, arrays typed arrays with a leading axis, records nested columns, all else
 * lists. Values of differing form turn the column into a list: nothing is truncated, nothing throws.
 */
export function addInfo(columns: Record<string, InfoColumn>, info: Info, i: number, numEnvs: number): void {
  for (const name in info) {
    const value = info[name];
    let column = columns[name] ?? columnFor(value, numEnvs);
    if (!fits(column.values, value)) column = asList(column);
    columns[name] = column;
    column.mask.data[i] = 1;
    if (Array.isArray(column.values)) (column.values as unknown[])[i] = value;
    else if (!isNdArray(column.values)) addInfo(column.values as Columns, value as Info, i, numEnvs);
    else if (isNdArray(value)) column.values.data.set(value.data as never, i * value.data.length);
    else column.values.data[i] = typeof value === "bigint" ? value : (Number(value) as never);
  }
}
