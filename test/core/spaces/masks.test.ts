/** @file The sum that decides the last bit of weighted draws. */

import { expect, test } from "vitest";
import { pairwiseSum } from "../../../src/core/spaces/masks.ts";

// numpy.sum(1 / numpy.arange(1, n + 1)), NumPy 2.4.6. A plain loop differs in the last bits from n = 128 on.
test.each([
  [7, 2.5928571428571425],
  [8, 2.7178571428571425],
  [20, 3.597739657143682],
  [100, 5.187377517639621],
  [128, 5.433147092589173],
  [129, 5.440899030573669],
  [300, 6.282663880299504],
  [1000, 7.485470860550345],
  [5000, 9.094508852984436],
])("the first %i reciprocals sum to NumPy's bits", (n, sum) => {
  expect(pairwiseSum(Float64Array.from({ length: n }, (_, i) => 1 / (i + 1)))).toBe(sum);
});
