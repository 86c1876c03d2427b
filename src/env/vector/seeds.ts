/** @file The seed of each sub-environment, from one seed or a list. */

import { fail } from "../../core/errors.ts";

/**
 * The seed of row `i`: `s + i` for an integer s, entry i of a list, undefined for none.
 * @throws INVALID_ARGUMENT when a list has not one entry per sub-environment
 */
export function seedOf(
  seed: number | readonly (number | undefined)[] | undefined,
  i: number,
  numEnvs: number,
): number | undefined {
  if (seed === undefined) return undefined;
  if (typeof seed === "number") return seed + i;
  if (seed.length !== numEnvs) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "the list of seeds does not fit",
      expected: `${numEnvs} entries, one per sub-environment`,
      got: `${seed.length}`,
      fix: "give one integer s (row i gets s + i) or one seed per sub-environment",
    });
  }
  return seed[i];
}
