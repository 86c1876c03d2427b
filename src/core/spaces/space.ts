/** @file The contract of every space: membership, seeded sampling, batching, flattening and a JSON form. */

import type { NdArray } from "../ndarray.ts";

/** What a space's element may be: a number, text, an array, or containers of these. */
export type Element = number | string | NdArray | readonly Element[] | { readonly [key: string]: Element };

/**
 * A set of values. `T` is the type of one element.
 *
 * `contains` is a truth table without silent casts; `sample` draws in NumPy's order so that the same seed gives
 * Gymnasium's numbers. @source Gymnasium 1.4 `gymnasium/spaces`
 */
export interface Space<T = unknown> {
  readonly kind: string;
  readonly shape: readonly number[] | undefined;
  readonly dtype: string | undefined;
  sample(options?: { mask?: unknown; probability?: unknown }): T;
  seed(seed?: number): void;
  contains(value: unknown): value is T;
  equals(other: unknown): boolean;
  toJSON(): unknown;
  toString(): string;
}
