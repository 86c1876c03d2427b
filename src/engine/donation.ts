/** @file Where outputs are written: fresh arrays, or for donated state one of two arrays used in turn. */

import { zeros } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { ValueType } from "./graph.ts";
import type { Leaf } from "./tree.ts";

/** The other array of each pair. Weak: a pair goes when the caller drops it. */
const partners = new WeakMap<NdArray, NdArray>();
/** Arrays that were made here, and so may be written again. */
const owned = new WeakSet<NdArray>();

/**
 * An array shaped like `input` that may be written: its partner, or a new one. Arrays of the caller's own never become
 * partners. Pairs belong to arrays, not to functions, so several states can pass through one function, and one state
 * through several.
 */
function partnerOf(input: NdArray): NdArray {
  const known = partners.get(input);
  if (known !== undefined) return known;
  const fresh = zeros(input.dtype, input.shape);
  owned.add(fresh);
  if (owned.has(input)) {
    partners.set(input, fresh);
    partners.set(fresh, input);
  }
  return fresh;
}

function fits(array: NdArray | undefined, type: ValueType): array is NdArray {
  return (
    array !== undefined &&
    array.dtype === type.dtype &&
    array.shape.length === type.shape.length &&
    array.shape.every((size, i) => size === type.shape[i])
  );
}

/** Arrays to write the outputs into; `donated` holds the top-level keys of the input that the caller gives up. */
export function targets(
  outputs: readonly Leaf<ValueType>[],
  inputs: readonly Leaf<NdArray>[],
  donated: ReadonlySet<string>,
): NdArray[] {
  const given = new Map<string, NdArray>();
  if (donated.size > 0) {
    for (const { path, value } of inputs) if (donated.has(path.split(".", 1)[0])) given.set(path, value);
  }
  return outputs.map(({ path, value: type }) => {
    const input = given.get(path);
    return fits(input, type) ? partnerOf(input) : zeros(type.dtype, type.shape);
  });
}
