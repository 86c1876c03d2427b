/** @file Host arrays: shapes, views and copies. */

import { describe, expect, test } from "vitest";
import {
  copyOf,
  float32,
  isNdArray,
  itemSize,
  ndarray,
  rows,
  scalar,
  sizeOf,
  stackRows,
  takeRows,
  zeros,
} from "../../src/core/ndarray.ts";

describe("arrays", () => {
  test("wrap data of their size only", () => {
    expect(ndarray("uint8", [2, 2], new Uint8Array(4)).shape).toEqual([2, 2]);
    expect(() => ndarray("uint8", [2, 2], new Uint8Array(5))).toThrow(/4 elements\n  got: 5/);
  });

  test("know sizes: of a scalar one, of an empty axis none", () => {
    expect([sizeOf([]), sizeOf([2, 3]), sizeOf([4, 0])]).toEqual([1, 6, 0]);
    expect([itemSize("bool"), itemSize("float32"), itemSize("uint64")]).toEqual([1, 4, 8]);
    expect(scalar(2)).toEqual({ dtype: "float32", shape: [], data: Float32Array.of(2) });
    expect(zeros("int64", [2]).data).toEqual(new BigInt64Array(2));
  });

  test("share memory as rows, not as copies, selections or stacks", () => {
    const array = float32([0, 1, 2, 3, 4, 5], [3, 2]);
    const view = rows(array, 1, 3);
    const [copy, taken, stacked] = [copyOf(array), takeRows(array, [2, 0, 2]), stackRows([array, array])];
    view.data[0] = 9;
    expect([...array.data]).toEqual([0, 1, 9, 3, 4, 5]);
    expect([...copy.data]).toEqual([0, 1, 2, 3, 4, 5]);
    expect([taken.shape, [...taken.data]]).toEqual([
      [3, 2],
      [4, 5, 0, 1, 4, 5],
    ]);
    expect([stacked.shape, stacked.data[2], stacked.data[8]]).toEqual([[2, 3, 2], 2, 2]);
  });

  test("are told from other objects", () => {
    expect(isNdArray(scalar(1))).toBe(true);
    for (const other of [null, [1], new Float32Array(1), { dtype: "float32", shape: [], data: [1] }]) {
      expect(isNdArray(other)).toBe(false);
    }
  });
});
