/** @file Discrete: one whole number out of `n`, counted from `start`. */

import { canCast, kindOf } from "../dtypes.ts";
import type { IntegerDType } from "../dtypes.ts";
import { fail } from "../errors.ts";
import type { NdArray } from "../ndarray.ts";
import { isNdArray, itemSize, zeros } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import { fitsInteger, parseArray, setNumber } from "./arrays.ts";
import { Box } from "./box.ts";
import { drawMasked, probabilitiesOf } from "./masks.ts";
import { MultiDiscrete, defaultElementDtype } from "./multi-discrete.ts";
import { BaseSpace, cannotBatch, checkSampleOptions, notOfSpace, repeated } from "./space.ts";
import type { ArrayMaker, Element, FlatData, SampleOptions, Space, SpaceJSON, SpaceSeed } from "./space.ts";

/** Options of a Discrete. */
export interface DiscreteOptions<D extends IntegerDType = IntegerDType> {
  /** Smallest value; 0 by default. */
  readonly start?: number;
  /** Default: labelled int64 as in NumPy, with batches of int32 numbers. Given explicitly, batches have just this dtype. */
  readonly dtype?: D;
  /** dtype of batches and one-hot vectors, where it is not `dtype`. */
  readonly elementDtype?: IntegerDType;
  readonly seed?: SpaceSeed | Rng;
}

/**
 * Whole numbers from `start` to `start + n - 1`, as plain numbers. `D` is the dtype of batches of them.
 * @source Gymnasium 1.4 `spaces/discrete.py`
 */
export class Discrete<D extends IntegerDType = "int32"> extends BaseSpace<number> implements Space<number> {
  readonly kind = "Discrete";
  readonly flattenable = true;
  declare readonly shape: readonly number[];
  declare readonly dtype: IntegerDType;
  readonly elementDtype: D;
  readonly n: number;
  readonly start: number;

  /** @throws INVALID_ARGUMENT unless n is a positive integer and all values fit the dtype */
  constructor(n: number, options: DiscreteOptions<D> = {}) {
    const { start = 0, dtype = "int64" } = options;
    super([], dtype);
    const elementDtype =
      options.elementDtype ??
      options.dtype ??
      defaultElementDtype(Math.min(start, 0), Math.max(n, start + n - 1));
    const fits = fitsInteger(n, dtype) && fitsInteger(start, dtype) && fitsInteger(start + n - 1, dtype);
    if (!Number.isSafeInteger(n) || n < 1 || !Number.isSafeInteger(start) || !fits) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "this Discrete has no values",
        expected: `a positive integer n and an integer start that fit ${dtype}`,
        got: `n ${n}, start ${start}`,
      });
    }
    this.n = n;
    this.start = start;
    this.elementDtype = elementDtype as D;
    this.seedFrom(options.seed);
  }

  /** `mask`: n values 0 or 1 (none allowed: `start`). `probability`: n probabilities that sum to 1. */
  sample(options: SampleOptions = {}): number {
    checkSampleOptions(options);
    if (options.mask !== undefined) return this.start + (drawMasked(this.rng, options.mask, this.n) ?? 0);
    if (options.probability !== undefined) {
      return this.start + this.rng.choice(this.n, { p: probabilitiesOf(options.probability, this.n) });
    }
    // 8- and 16-bit dtypes have streams of their own; all wider ones draw alike.
    if (itemSize(this.dtype) < 4) return this.start + this.rng.integers(0, this.n, { dtype: this.dtype });
    return this.start + this.rng.integers(0, this.n);
  }

  /** True for a whole number in range, as a number or as an integer array of shape []. */
  contains(value: unknown): value is number {
    let number = value;
    if (isNdArray(value)) {
      const usable = value.shape.length === 0 && kindOf(value.dtype) !== "f" && kindOf(value.dtype) !== "b";
      if (!usable || !canCast(value.dtype, this.dtype)) return false;
      number = Number(value.data[0]);
    }
    return (
      typeof number === "number" &&
      Number.isInteger(number) &&
      number >= this.start &&
      number < this.start + this.n
    );
  }

  equals(other: unknown): boolean {
    return (
      other instanceof Discrete &&
      other.n === this.n &&
      other.start === this.start &&
      other.dtype === this.dtype
    );
  }

  sameShape(other: Space): boolean {
    return other instanceof Discrete && other.dtype === this.dtype;
  }

  copy(): Discrete<D> {
    const { start, dtype, elementDtype } = this;
    return this.withRngState(new Discrete<D>(this.n, { start, dtype: dtype as D, elementDtype }));
  }

  toJSON(): SpaceJSON {
    return {
      kind: this.kind,
      n: this.n,
      start: this.start,
      dtype: this.dtype,
      ...(String(this.elementDtype) === this.dtype ? {} : { elementDtype: this.elementDtype }),
    };
  }

  override toString(): string {
    const start = this.start === 0 ? "" : `, start=${this.start}`;
    return `Discrete(${this.n}${start}${this.dtype === "int64" ? "" : `, dtype=${this.dtype}`})`;
  }

  override fromJsonable(json: unknown): number[] {
    return (json as unknown[]).map((value) =>
      typeof value === "number" && Number.isInteger(value)
        ? value
        : notOfSpace(this, "an integer", JSON.stringify(value)),
    );
  }

  override flatdim(): number {
    return this.n;
  }

  flatSpace(): Box<D> {
    const { dtype, elementDtype } = this;
    return new Box<D>(0, 1, [this.n], { dtype: dtype as D, elementDtype });
  }

  /** A one-hot vector of length n. */
  flatten(value: number): NdArray<D> {
    const out = zeros(this.elementDtype, [this.n]);
    this.writeFlat(value, out.data, 0);
    return out;
  }

  override writeFlat(value: number, out: FlatData, offset: number): void {
    if (!this.contains(value))
      notOfSpace(this, `an integer from ${this.start} to ${this.start + this.n - 1}`, String(value));
    const index = numberOf(value) - this.start;
    for (let i = 0; i < this.n; i++) setNumber(out, offset + i, i === index ? 1 : 0);
  }

  unflatten(flat: Element): number {
    const array = parseArray(flat, "float64");
    const values = Array.from((array?.data ?? []) as ArrayLike<number | bigint>, Number);
    const index = values.findIndex((value) => value !== 0);
    if (values.length !== this.n || index < 0) {
      notOfSpace(
        this,
        `a one-hot vector of ${this.n}`,
        values.length === this.n ? "all zeros" : `${values.length} numbers`,
      );
    }
    return this.start + index;
  }

  batch(n: number): MultiDiscrete<D> {
    return this.batchDiffering(repeated(this, n));
  }

  batchDiffering(spaces: readonly Space[]): MultiDiscrete<D> {
    const all = spaces.map((space) => (space instanceof Discrete ? space : cannotBatch(this, space)));
    const widest = all.reduce((wide, space) => (itemSize(space.dtype) > itemSize(wide.dtype) ? space : wide));
    return new MultiDiscrete<D>(
      all.map((space) => space.n),
      {
        dtype: widest.dtype as D,
        elementDtype: widest.elementDtype as D,
        start: all.map((space) => space.start),
        seed: this.rng.copy(),
      },
    );
  }

  createEmpty(n: number, make: ArrayMaker = zeros): NdArray<D> {
    return make(this.elementDtype, [n]);
  }

  concatenate(items: readonly number[], out: Element): NdArray<D> {
    const { data } = out as NdArray<D>;
    for (let i = 0; i < items.length; i++) setNumber(data, i, numberOf(items[i]));
    return out as NdArray<D>;
  }

  /** @throws NOT_SUPPORTED: a Discrete is no batch; its batch is a MultiDiscrete */
  iterate(_items: number): Iterable<never> {
    return fail({
      code: "NOT_SUPPORTED",
      what: `${this} is not a batch and cannot be iterated`,
      fix: "iterate over `space.batch(n)`",
    });
  }
}

function numberOf(value: number | NdArray): number {
  return typeof value === "number" ? value : Number(value.data[0]);
}
