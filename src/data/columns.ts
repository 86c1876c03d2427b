/** @file Named columns of a record: what each row holds, and which axis of time it is aligned with. */

import { fail } from "../core/errors.ts";
import { zeros } from "../core/ndarray.ts";
import type { DType, NdArray } from "../core/ndarray.ts";

/** A row's shape (float32), or its shape and dtype: `[256]`, `{ shape: [64, 64, 3], dtype: "uint8" }`; `[]` for a scalar. */
export type ColumnSpec = readonly number[] | { readonly shape: readonly number[]; readonly dtype: DType };

/** Columns by name. */
export type ColumnSpecs = Readonly<Record<string, ColumnSpec>>;

/** The dtype that a spec asks for. */
export type ColumnDType<S extends ColumnSpec> = S extends { readonly dtype: infer D extends DType }
  ? D
  : "float32";

/** Arrays under the names of `S`, each with the dtype of its spec. */
export type Columns<S extends ColumnSpecs> = { readonly [K in keyof S]: NdArray<ColumnDType<S[K]>> };

/** A spec in its long form. */
export function columnOf(spec: ColumnSpec): { shape: readonly number[]; dtype: DType } {
  return "dtype" in spec ? spec : { shape: spec, dtype: "float32" };
}

/** New arrays of zeros with `leading` axes before each row. */
export function zeroColumns<S extends ColumnSpecs>(specs: S, leading: readonly number[]): Columns<S> {
  const entries = Object.entries(specs).map(([name, spec]) => {
    const { shape, dtype } = columnOf(spec);
    return [name, zeros(dtype, [...leading, ...shape])];
  });
  return Object.fromEntries(entries) as Columns<S>;
}

/**
 * Check that `arrays` holds every column of `specs` with `rows` rows.
 *
 * @throws INVALID_ARGUMENT (a column is missing), INVALID_DTYPE, INVALID_SHAPE
 */
export function checkColumns(
  specs: ColumnSpecs,
  arrays: Readonly<Record<string, NdArray>>,
  rows: number,
): void {
  for (const [name, spec] of Object.entries(specs)) {
    const { shape, dtype } = columnOf(spec);
    const array = arrays[name];
    if (array === undefined) {
      fail({
        code: "INVALID_ARGUMENT",
        what: `column "${name}" is missing`,
        expected: Object.keys(specs).join(", "),
        got: Object.keys(arrays).join(", "),
      });
    }
    const wanted = [rows, ...shape];
    if (
      array.dtype === dtype &&
      array.shape.length === wanted.length &&
      wanted.every((n, i) => n === array.shape[i])
    ) {
      continue;
    }
    fail({
      code: array.dtype === dtype ? "INVALID_SHAPE" : "INVALID_DTYPE",
      what: `column "${name}" is malformed`,
      expected: `${dtype} [${wanted.join(", ")}]`,
      got: `${array.dtype} [${array.shape.join(", ")}]`,
      fix: "observation columns have one row more than transition columns",
    });
  }
}
