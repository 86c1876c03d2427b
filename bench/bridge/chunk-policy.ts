/** @file The policy of the benchmark: a constant chunk of 50 actions of 7 numbers, as openpi's arms take. */

import type { ServedPolicy } from "../../src/bridge/inference.ts";
import { zeros } from "../../src/core/ndarray.ts";

/** Answers at once, so that only the bridge is measured. */
export function makePolicy(): ServedPolicy {
  const actions = zeros("float32", [50, 7]);
  return { infer: (requests) => requests.map(() => ({ actions })) };
}
