/** @file Gymnasium's functions over spaces under their names; each asks the space's own method. */

import { fail } from "../errors.ts";
import { zeros } from "../ndarray.ts";
import type { ArrayMaker, BatchOf, Element, SampleOf, Space } from "./space.ts";

/** Length of a flattened element. @throws NOT_SUPPORTED for spaces that contain a Graph or Sequence */
export function flatdim(space: Space): number {
  return space.flatdim();
}

/** The space of flattened elements: a Box where possible. */
export function flattenSpace<S extends Space>(space: S): ReturnType<S["flatSpace"]> {
  return space.flatSpace() as ReturnType<S["flatSpace"]>;
}

/** A flat array (one-hot for whole numbers) of one element; lists or records of arrays where it has no fixed length. */
export function flatten<S extends Space>(space: S, value: SampleOf<S>): ReturnType<S["flatten"]> {
  return space.flatten(value) as ReturnType<S["flatten"]>;
}

/** The element that `flatten` made flat. */
export function unflatten<S extends Space>(space: S, flat: Element): SampleOf<S> {
  return space.unflatten(flat) as SampleOf<S>;
}

/** The space of `n` elements stacked on a new first axis. */
export function batchSpace<S extends Space>(space: S, n = 1): BatchOf<S> {
  return space.batch(n) as BatchOf<S>;
}

/** The batched space of spaces of one kind and shape that differ in bounds. @throws INVALID_SHAPE, INVALID_ARGUMENT when empty */
export function batchDifferingSpaces<S extends Space>(spaces: readonly S[]): ReturnType<S["batchDiffering"]> {
  const [first] = spaces;
  if (first === undefined) fail({ code: "INVALID_ARGUMENT", what: "a batch needs at least one space" });
  return first.batchDiffering(spaces) as ReturnType<S["batchDiffering"]>;
}

/** The elements of a batch, `space` being the batched one; arrays are views. */
export function iterate<S extends Space>(space: S, items: SampleOf<S>): Iterable<unknown> {
  return space.iterate(items);
}

/** Write `items`, elements of `space`, into the arrays of `out`; `out` is also the result. */
export function concatenate<S extends Space>(
  space: S,
  items: readonly SampleOf<S>[],
  out: Element,
): ReturnType<S["concatenate"]> {
  return space.concatenate(items, out) as ReturnType<S["concatenate"]>;
}

/** Memory for `n` elements of `space`; `make` allocates each array (zeros by default). */
export function createEmptyArray<S extends Space>(
  space: S,
  n = 1,
  make: ArrayMaker = zeros,
): ReturnType<S["createEmpty"]> {
  return space.createEmpty(n, make) as ReturnType<S["createEmpty"]>;
}

/** Do elements of both fit one batch? The weaker equality: bounds may differ. */
export function isSpaceDtypeShapeEquiv(a: Space, b: Space): boolean {
  return a.sameShape(b);
}
