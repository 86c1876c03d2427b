/** @file Info columns: forms, masks, and values that do not agree. */

import { expect, test } from "vitest";
import { float32 } from "../../src/core/ndarray.ts";
import type { Info, InfoColumn } from "../../src/env/env.ts";
import {
  addInfo,
  cloneInfos,
  infoAt,
  infosToList,
  mergeInfos,
  noInfos,
  placeInfos,
} from "../../src/env/infos.ts";

function columnsOf(rows: readonly Info[]): Record<string, InfoColumn> {
  const columns: Record<string, InfoColumn> = {};
  rows.forEach((info, i) => addInfo(columns, info, i, rows.length));
  return columns;
}

test("numbers, flags, arrays, records, words and nothing come back by row", () => {
  const rows: Info[] = [
    { n: 1, flag: true, array: float32([1, 2]), nested: { a: 1, deep: { b: 2 } }, word: "x", none: null },
    {},
    { n: 2.5, flag: false, array: float32([3, 4]), nested: { a: 3 }, word: "y", big: 5n },
  ];
  expect(infosToList(columnsOf(rows), 3)).toEqual(rows);
});

test("columns are typed arrays where they can be", () => {
  const columns = columnsOf([{ n: 1, flag: true }, { n: 2 }]);
  expect(columns.n.values).toMatchObject({ dtype: "float64", shape: [2] });
  expect(columns.flag.values).toMatchObject({ dtype: "bool", shape: [2] });
  expect([...columns.flag.mask.data]).toEqual([1, 0]);
});

test("a whole number first does not cut later fractions off, and shapes may differ (Gymnasium truncates, throws)", () => {
  const rows: Info[] = [
    { x: 1, y: float32([1]) },
    { x: 2.7, y: float32([1, 2]) },
    { x: "text", y: 3 },
  ];
  expect(infosToList(columnsOf(rows), 3)).toEqual(rows);
});

test("merging takes the chosen rows of every form, and turns disagreeing columns into lists", () => {
  const target: Record<string, InfoColumn> = {};
  mergeInfos(
    target,
    columnsOf([
      { a: 1, n: { b: 1 }, w: "p" },
      { a: 2, n: { b: 2 }, w: "q" },
    ]),
    Uint8Array.of(1, 0),
  );
  mergeInfos(target, columnsOf([{ a: 9 }, { a: "late", n: { b: 5 }, w: "r" }]), Uint8Array.of(0, 1));
  expect(infosToList(target, 2)).toEqual([
    { a: 1, n: { b: 1 }, w: "p" },
    { a: "late", n: { b: 5 }, w: "r" },
  ]);
});

test("columns of some rows are placed among all rows", () => {
  const rows: Info[] = [
    { a: 1, n: { b: float32([1]) } },
    { w: "x" },
    { a: 3, n: { b: float32([2]) } },
    { a: "word", w: "y" },
  ];
  const whole: Record<string, InfoColumn> = {};
  placeInfos(whole, columnsOf(rows.slice(0, 2)), 0, 4);
  placeInfos(whole, columnsOf(rows.slice(2)), 2, 4);
  expect(infosToList(whole, 4)).toEqual(rows);
});

test("a clone shares nothing, and nothing is cloned to nothing", () => {
  const columns = columnsOf([{ a: 1, n: { b: 2 }, w: "x" }]);
  const clone = cloneInfos(columns);
  (columns.a.values as { data: Float64Array }).data[0] = 7;
  expect(infoAt(clone, 0)).toEqual({ a: 1, n: { b: 2 }, w: "x" });
  expect(cloneInfos({})).toBe(noInfos);
});
