/** @file The contract of every space: membership, seeded sampling, batching, flattening and a JSON form. */

import { fail } from "../errors.ts";
import type { DType, NdArray } from "../ndarray.ts";
import { isNdArray } from "../ndarray.ts";
import { Rng } from "../rng.ts";

/** What a space's element may be: a number, text, an array, or containers of these. */
export type Element =
  | number
  | string
  | null
  | NdArray
  | readonly Element[]
  | { readonly [key: string]: Element };

/** A seed: one integer, or for containers one per child. Nothing: from the platform's entropy. */
export type SpaceSeed =
  | number
  | bigint
  | undefined
  | readonly SpaceSeed[]
  | { readonly [key: string]: SpaceSeed };

/** JSON form of a space; `spaceFromJSON` reads it. */
export interface SpaceJSON {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** How to restrict a sample: which values are allowed, or how likely each is. At most one of both. */
export interface SampleOptions {
  readonly mask?: unknown;
  readonly probability?: unknown;
}

/** Makes the arrays of a batch; `zeros` unless the caller wants other memory. */
export type ArrayMaker = <D extends DType>(dtype: D, shape: readonly number[]) => NdArray<D>;

/** Numbers that a flat value is written to or read from. */
export type FlatData = NdArray["data"];

/**
 * A set of values. `T` is the type of one element.
 *
 * `contains` is a truth table without silent casts; `sample` draws in NumPy's order so that the same seed gives
 * Gymnasium's numbers. Extend `BaseSpace` (or `OpaqueSpace`, whose elements do not stack) for a space of your own.
 * @source Gymnasium 1.4 `gymnasium/spaces`
 */
export interface Space<T = unknown> {
  readonly kind: string;
  /** Shape of an element that is an array; `[]` for a number. */
  readonly shape: readonly number[] | undefined;
  /** NumPy's name of the element's dtype. */
  readonly dtype: DType | undefined;
  /** The generator that `sample` draws from; created from entropy at first use unless seeded. */
  rng: Rng;
  sample(options?: SampleOptions): T;
  /** Restart the generators; gives back the seeds that were used, which seed another such space equally. */
  seed(seed?: SpaceSeed): SpaceSeed;
  /** Is `value` an element? Also true for the plain (nested) lists of numbers that Gymnasium accepts for an array. */
  contains(value: unknown): value is T;
  equals(other: unknown): boolean;
  /** A deep copy, generators included. */
  copy(): Space<T>;
  toJSON(): SpaceJSON;
  /** Gymnasium's `repr`. */
  toString(): string;
  /** A batch of samples as plain JSON, in Gymnasium's layout. */
  toJsonable(samples: readonly T[]): unknown;
  fromJsonable(json: unknown): T[];
  /** Can elements become one flat array of fixed length? */
  readonly flattenable: boolean;
  /** Length of a flattened element. @throws NOT_SUPPORTED when not flattenable */
  flatdim(): number;
  /** The space of flattened elements: a Box where flattenable. */
  flatSpace(): Space;
  flatten(value: T): Element;
  unflatten(flat: Element): T;
  /** Write the flattened element from `offset` on; flattenable spaces only. */
  writeFlat(value: T, out: FlatData, offset: number): void;
  /** The space of `n` elements stacked on a new first axis (a Tuple of copies where they cannot be stacked). */
  batch(n: number): Space;
  /** As `batch` over spaces of the same kind and shape that differ in bounds, this one the first. */
  batchDiffering(spaces: readonly Space[]): Space;
  /** Memory for `n` stacked elements. */
  createEmpty(n: number, make?: ArrayMaker): Element;
  /** Write `items` into the arrays of `out` (from `createEmpty`) and return it. */
  concatenate(items: readonly T[], out: Element): Element;
  /** How many elements `batch` stacks; undefined where it is no batch of this space. */
  batchLength(batch: unknown): number | undefined;
  /** Does this space, as a batch, know how to be iterated? */
  readonly iterable: boolean;
  /** The elements of one batch, this space being the batched one; arrays are views of the batch. */
  iterate(items: T): Iterable<unknown>;
  /** Same kind, shape and dtype, so that elements fit one batch; bounds may differ. */
  sameShape(other: Space): boolean;
}

/** Type of the elements of a space. */
export type SampleOf<S extends Space> = S extends Space<infer T> ? T : never;

/** Type of the batched space of `S`. */
export type BatchOf<S extends Space> = ReturnType<S["batch"]>;

/** Both a mask and probabilities are a contradiction. */
export function checkSampleOptions(options: SampleOptions): void {
  if (options.mask !== undefined && options.probability !== undefined) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "a sample takes a mask or probabilities, not both",
      fix: "drop one; probabilities of 0 mask a value out",
    });
  }
}

/** Error for a value or flat form that a space cannot use. */
export function notOfSpace(space: Space, expected: string, got: string): never {
  return fail({ code: "INVALID_ARGUMENT", what: `this is no element of ${space}`, expected, got });
}

/** Error for spaces that do not fit one batch. */
export function cannotBatch(space: Space, other: Space): never {
  return fail({
    code: "INVALID_SHAPE",
    what: "these spaces do not fit one batch",
    expected: `the kind, shape and dtype of ${space}`,
    got: `${other}`,
    fix: "make the elements agree, or keep the environments apart",
  });
}

/** `n` times the same space. @throws INVALID_ARGUMENT unless n is a positive integer */
export function repeated<S extends Space>(space: S, n: number): S[] {
  if (!Number.isInteger(n) || n < 1) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "a batch has at least one element",
      expected: "n >= 1",
      got: String(n),
    });
  }
  return Array.from({ length: n }, () => space);
}

/** One seed for a space whose rule takes a number. */
function scalarSeed(space: Space, seed: SpaceSeed): number | bigint | undefined {
  if (seed === undefined || typeof seed === "number" || typeof seed === "bigint") return seed;
  return fail({
    code: "INVALID_ARGUMENT",
    what: `the seed does not fit ${space}`,
    expected: "an integer",
    got: JSON.stringify(seed),
    fix: "give lists or records of seeds to containers only",
  });
}

/** What the spaces share: the generator and its seeding. */
export abstract class BaseSpace<T> {
  abstract readonly kind: string;
  abstract readonly flattenable: boolean;
  abstract toString(): string;
  readonly iterable: boolean = true;
  readonly shape: readonly number[] | undefined;
  readonly dtype: DType | undefined;
  #rng: Rng | undefined;

  constructor(shape: readonly number[] | undefined, dtype: DType | undefined) {
    this.shape = shape;
    this.dtype = dtype;
  }

  get rng(): Rng {
    this.#rng ??= Rng.fromSeed();
    return this.#rng;
  }

  set rng(rng: Rng) {
    this.#rng = rng;
  }

  seed(seed?: SpaceSeed): SpaceSeed {
    return this.seedSelf(scalarSeed(this as unknown as Space, seed));
  }

  /** What a constructor does with its `seed` option: a generator is taken as it is. */
  protected seedFrom(seed: SpaceSeed | Rng): void {
    if (seed instanceof Rng) this.#rng = seed;
    else if (seed !== undefined) this.seed(seed);
  }

  /** Restart this space's own generator. */
  protected seedSelf(seed: number | bigint | undefined): number | bigint {
    const rng = Rng.fromSeed(seed);
    this.#rng = rng;
    return seed ?? rng.entropy;
  }

  /** Give `target` this space's generator state, if there is one yet. */
  protected withRngState<S extends { rng: Rng }>(target: S): S {
    if (this.#rng !== undefined) target.rng = this.#rng.copy();
    return target;
  }

  batchLength(batch: unknown): number | undefined {
    return isNdArray(batch) && batch.shape.length > 0 ? batch.shape[0] : undefined;
  }

  toJsonable(samples: readonly T[]): unknown {
    return [...samples];
  }

  fromJsonable(json: unknown): T[] {
    return [...(json as T[])];
  }

  flatdim(): number {
    return this.notFlattenable();
  }

  writeFlat(_value: T, _out: FlatData, _offset: number): void {
    this.notFlattenable();
  }

  /** Whether elements fit one flat array is a matter of the space, not of the value. */
  protected notFlattenable(): never {
    return fail({
      code: "NOT_SUPPORTED",
      what: `${this} has no flat form of fixed length`,
      expected: "a space without Graph and Sequence",
      fix: "flatten its parts instead",
    });
  }
}
