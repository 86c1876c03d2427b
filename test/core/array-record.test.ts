/** @file Row-wise operations over records of arrays: what they take, and that they leave their arguments alone. */

import { describe, expect, it } from "vitest";
import { concatRows, maskedRows, mergeRows, overwriteRows, selectRows } from "../../src/core/array-record.ts";
import { float32 } from "../../src/core/ndarray.ts";

const record = () => ({
  position: float32([1, 2, 3], [3, 1]),
  window: float32([10, 11, 20, 21, 30, 31], [3, 2, 1]),
});
const fresh = () => ({
  position: float32([7, 8, 9], [3, 1]),
  window: float32([70, 71, 80, 81, 90, 91], [3, 2, 1]),
});

describe("rows of a record", () => {
  it("are selected in the given order, repeated where it says so", () => {
    const out = selectRows(record(), [2, 0, 2, 1]);
    expect(out.position).toEqual(float32([3, 1, 3, 2], [4, 1]));
    expect(out.window).toEqual(float32([30, 31, 10, 11, 30, 31, 20, 21], [4, 2, 1]));
  });

  it("are merged by a mask", () => {
    const out = mergeRows(record(), fresh(), Uint8Array.of(0, 1, 0));
    expect(out.position.data).toEqual(Float32Array.of(1, 8, 3));
    expect(out.window.data).toEqual(Float32Array.of(10, 11, 80, 81, 30, 31));
  });

  it("are overwritten at places, row k of the new at place k", () => {
    const out = overwriteRows(record(), selectRows(fresh(), [0, 1]), [2, 0]);
    expect(out.position.data).toEqual(Float32Array.of(8, 2, 7));
    expect(out.window.data).toEqual(Float32Array.of(80, 81, 20, 21, 70, 71));
  });

  it("are put one after another", () => {
    const out = concatRows([selectRows(record(), [1]), fresh()]);
    expect(out.position).toEqual(float32([2, 7, 8, 9], [4, 1]));
    expect(out.window.shape).toEqual([4, 2, 1]);
  });

  it("share nothing with what they came from", () => {
    const [old, other] = [record(), fresh()];
    for (const out of [
      selectRows(old, [0, 1, 2]),
      mergeRows(old, other, [0, 0, 0]),
      overwriteRows(old, other, []),
      concatRows([old]),
    ]) {
      out.window.data.fill(-1);
      expect(old).toEqual(record());
      expect(other).toEqual(fresh());
    }
  });

  it("are all meant without a mask", () => {
    expect(maskedRows(3, undefined)).toEqual([0, 1, 2]);
    expect(maskedRows(3, { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) })).toEqual([0, 2]);
  });
});
