/** @file Checking the row masks that callers give. */

import { fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";

/** bool [N]: which rows a call is about. */
export type Mask = NdArray<"bool">;

function badMask(got: string): never {
  return fail({
    code: "INVALID_SHAPE",
    what: "the mask does not fit the vector environment",
    expected: "a bool array of shape [numEnvs] with at least one non-zero entry",
    got,
    fix: 'build it with zeros("bool", [env.numEnvs]) and set entries to 1, or leave it out to mean all',
  });
}

/** A mask must be bool [numEnvs] with an entry set. @throws INVALID_SHAPE */
export function checkMask(mask: Mask | undefined, numEnvs: number): void {
  if (mask === undefined) return;
  if (mask.dtype !== "bool" || mask.shape.length !== 1 || mask.shape[0] !== numEnvs) {
    badMask(`${mask.dtype} [${mask.shape.join(", ")}]`);
  }
  for (let i = 0; i < numEnvs; i++) if (mask.data[i] !== 0) return;
  badMask("all zero");
}
