/** @file Casting and promotion against NumPy's full tables. */

import { describe, expect, test } from "vitest";
import { canCast, isDType, kindOf, resultType } from "../../src/core/dtypes.ts";
import type { DType } from "../../src/core/ndarray.ts";

const dtypes: readonly DType[] = [
  "float32",
  "float64",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
];

/** numpy.can_cast(row, column), NumPy 2.4.6; dtypes in the order above. */
const castable = [
  "11000000000",
  "01000000000",
  "11101010100",
  "11011111110",
  "11001010100",
  "11000111110",
  "01000010100",
  "01000001110",
  "01000000100",
  "01000000010",
  "11111111111",
];

/** numpy.result_type(row, column) as the column's number in the list above, in base 11. */
const promoted = [
  "01000011110",
  "11111111111",
  "01244668812",
  "01434567893",
  "01444668814",
  "01656567895",
  "11666668816",
  "11878787897",
  "11888888818",
  "11191919199",
  "0123456789a",
];

describe("dtypes", () => {
  test.each(dtypes.map((dtype, row) => [dtype, row] as const))("%s casts as NumPy says", (from, row) => {
    expect(dtypes.map((to) => (canCast(from, to) ? "1" : "0")).join("")).toBe(castable[row]);
  });

  test.each(dtypes.map((dtype, row) => [dtype, row] as const))("%s promotes as NumPy says", (a, row) => {
    const found = dtypes.map((b) => dtypes.indexOf(resultType([a, b])).toString(11)).join("");
    expect(found).toBe(promoted[row]);
  });

  test("of none is float64, and names are told from others", () => {
    expect(resultType([])).toBe("float64");
    expect(resultType(["uint8", "int8", "float32"])).toBe("float32");
    expect(isDType("int8") && !isDType("float16") && !isDType(undefined) && !isDType("toString")).toBe(true);
    expect(dtypes.map(kindOf).join("")).toBe("ffiuiuiuiub");
  });
});
