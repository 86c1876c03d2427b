/** @file MultiDiscrete: arrays of whole numbers, each with its own count and start. */

import { canCast, integerLimits, kindOf } from "../dtypes.ts";
import type { IntegerDType } from "../dtypes.ts";
import { fail } from "../errors.ts";
import type { NdArray } from "../ndarray.ts";
import { isNdArray, sizeOf, zeros } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import {
  arrayOf,
  copyInto,
  fitsInteger,
  fromNested,
  parseArray,
  parseNested,
  rowViews,
  sameAxes,
  setNumber,
  toNested,
} from "./arrays.ts";
import { Box } from "./box.ts";
import { arrayText } from "./format.ts";
import { drawMasked, drawWeighted } from "./masks.ts";
import { BaseSpace, cannotBatch, checkSampleOptions, notOfSpace, repeated } from "./space.ts";
import type { ArrayMaker, Element, FlatData, SampleOptions, Space, SpaceJSON, SpaceSeed } from "./space.ts";

/** Whole numbers as an array or a (nested) list. */
export type Counts = NdArray | readonly unknown[] | ArrayLike<number>;

/** Options of a MultiDiscrete. */
export interface MultiDiscreteOptions<D extends IntegerDType = IntegerDType> {
  /** Default: labelled int64 as in NumPy, with arrays of int32 numbers. Given explicitly, arrays have just this dtype. */
  readonly dtype?: D;
  /** dtype of the arrays that are handed out, where it is not `dtype`. */
  readonly elementDtype?: IntegerDType;
  /** Smallest value of each element; 0 by default. */
  readonly start?: Counts;
  readonly seed?: SpaceSeed | Rng;
}

function countsOf(value: Counts, what: string): { shape: readonly number[]; values: (number | bigint)[] } {
  const parsed = isNdArray(value)
    ? { shape: value.shape, values: Array.from(value.data as ArrayLike<number | bigint>) }
    : parseNested(value);
  return parsed ?? fail({ code: "INVALID_ARGUMENT", what: `${what} is not an array of whole numbers` });
}

/** The dtype that holds NumPy's default integers where they are few enough. */
export function defaultElementDtype(low: number | bigint, high: number | bigint): "int32" | "int64" {
  const [least, most] = integerLimits.int32;
  return low >= least && high <= most ? "int32" : "int64";
}

/**
 * Whole numbers ``D shape`` with `start <= x < start + nvec`, elementwise. @source Gymnasium 1.4 `spaces/multi_discrete.py`
 */
export class MultiDiscrete<D extends IntegerDType = "int32">
  extends BaseSpace<NdArray<D>>
  implements Space<NdArray<D>>
{
  readonly kind = "MultiDiscrete";
  readonly flattenable = true;
  declare readonly shape: readonly number[];
  declare readonly dtype: IntegerDType;
  readonly elementDtype: D;
  readonly nvec: NdArray<D>;
  readonly start: NdArray<D>;

  /** @throws INVALID_ARGUMENT unless all counts are positive integers that fit the dtype */
  constructor(nvec: Counts, options: MultiDiscreteOptions<D> = {}) {
    const counts = countsOf(nvec, "nvec");
    const starts = options.start === undefined ? undefined : countsOf(options.start, "start");
    const dtype: IntegerDType = options.dtype ?? "int64";
    super([...counts.shape], dtype);
    const lasts = counts.values.map((count, i) => Number(count) + Number(starts?.values[i] ?? 0) - 1);
    const least = (starts?.values ?? []).reduce<number>((low, start) => Math.min(low, Number(start)), 0);
    const most = counts.values.reduce<number>((high, count, i) => Math.max(high, Number(count), lasts[i]), 0);
    const standard = options.dtype ?? defaultElementDtype(least, most);
    this.elementDtype = (options.elementDtype ?? standard) as D;
    const fits = (value: number | bigint): boolean => fitsInteger(value, this.elementDtype);
    const sameShape = starts === undefined || sameAxes(starts.shape, counts.shape);
    if (
      !sameShape ||
      !counts.values.every((count) => count > 0 && fits(count)) ||
      !lasts.every(fits) ||
      !(starts?.values.every(fits) ?? true)
    ) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "the counts of a MultiDiscrete cannot be used",
        expected: `positive integers whose values fit ${this.elementDtype}, and starts of the same shape`,
        got: `nvec [${counts.values.join(", ")}]${starts === undefined ? "" : `, start [${starts.values.join(", ")}]`}`,
      });
    }
    this.nvec = arrayOf(counts.values, counts.shape, this.elementDtype);
    this.start =
      starts === undefined
        ? zeros(this.elementDtype, counts.shape)
        : arrayOf(starts.values, counts.shape, this.elementDtype);
    this.seedFrom(options.seed);
  }

  /**
   * `mask`: for each element a list of 0 and 1 over its values, nested as the shape is (all zero: its start).
   * `probability`: likewise, probabilities.
   */
  sample(options: SampleOptions = {}): NdArray<D> {
    checkSampleOptions(options);
    const out = zeros(this.elementDtype, this.shape);
    const masks = this.#perElement(options.mask, "mask");
    const weights = this.#perElement(options.probability, "probability");
    for (let i = 0; i < out.data.length; i++) {
      const [count, start] = [Number(this.nvec.data[i]), Number(this.start.data[i])];
      let offset: number;
      if (masks !== undefined) offset = drawMasked(this.rng, masks[i], count) ?? 0;
      else if (weights !== undefined) offset = drawWeighted(this.rng, weights[i], count);
      else offset = Math.floor(this.rng.random() * count);
      setNumber(out.data, i, start + offset);
    }
    return out;
  }

  #perElement(nested: unknown, what: string): readonly unknown[] | undefined {
    if (nested === undefined) return undefined;
    let level: unknown[] = [nested];
    for (const length of this.shape) {
      if (!level.every((row) => Array.isArray(row) && row.length === length)) {
        fail({
          code: "INVALID_ARGUMENT",
          what: `the ${what} of ${this} is not nested as its shape`,
          expected: `lists of lengths [${this.shape.join(", ")}] with one list per element`,
        });
      }
      level = (level as unknown[][]).flatMap((row) => row);
    }
    return level;
  }

  contains(value: unknown): value is NdArray<D> {
    const array = parseArray(value, "int64");
    if (array === undefined || !canCast(array.dtype, this.dtype) || !sameAxes(array.shape, this.shape))
      return false;
    const { data } = array;
    for (let i = 0; i < data.length; i++) {
      const offset = Number(data[i]) - Number(this.start.data[i]);
      if (!(offset >= 0 && offset < Number(this.nvec.data[i]))) return false;
    }
    return true;
  }

  equals(other: unknown): boolean {
    return (
      other instanceof MultiDiscrete &&
      this.sameShape(other) &&
      this.nvec.data.every(
        (count: number | bigint, i: number) => Number(count) === Number(other.nvec.data[i]),
      ) &&
      this.start.data.every(
        (start: number | bigint, i: number) => Number(start) === Number(other.start.data[i]),
      )
    );
  }

  sameShape(other: Space): boolean {
    return other instanceof MultiDiscrete && other.dtype === this.dtype && sameAxes(other.shape, this.shape);
  }

  copy(): MultiDiscrete<D> {
    const { dtype, elementDtype, start } = this;
    return this.withRngState(new MultiDiscrete<D>(this.nvec, { dtype: dtype as D, elementDtype, start }));
  }

  toJSON(): SpaceJSON {
    return {
      kind: this.kind,
      dtype: this.dtype,
      ...(String(this.elementDtype) === this.dtype ? {} : { elementDtype: this.elementDtype }),
      nvec: toNested(this.nvec),
      start: toNested(this.start),
    };
  }

  override toString(): string {
    const moved = this.start.data.some((start: number | bigint) => Number(start) !== 0);
    return `MultiDiscrete(${arrayText(this.nvec)}${moved ? `, start=${arrayText(this.start)}` : ""})`;
  }

  override toJsonable(samples: readonly NdArray<D>[]): unknown {
    return samples.map(toNested);
  }

  override fromJsonable(json: unknown): NdArray<D>[] {
    return (json as unknown[]).map((sample) => fromNested(sample, this.elementDtype, this.shape));
  }

  override flatdim(): number {
    let total = 0;
    for (const count of this.nvec.data) total += Number(count);
    return total;
  }

  flatSpace(): Box<D> {
    const { dtype, elementDtype } = this;
    return new Box<D>(0, 1, [this.flatdim()], { dtype: dtype as D, elementDtype });
  }

  /** One-hot vectors of all elements, one after the other. */
  flatten(value: NdArray<D>): NdArray<D> {
    const out = zeros(this.elementDtype, [this.flatdim()]);
    this.writeFlat(value, out.data, 0);
    return out;
  }

  override writeFlat(value: NdArray<D>, out: FlatData, offset: number): void {
    if (!this.contains(value))
      notOfSpace(this, `whole numbers [${this.shape.join(", ")}] in range`, describe(value));
    const array = parseArray(value, "int64") as NdArray;
    let position = offset;
    for (let i = 0; i < array.data.length; i++) {
      const count = Number(this.nvec.data[i]);
      const index = Number(array.data[i]) - Number(this.start.data[i]);
      for (let j = 0; j < count; j++) setNumber(out, position + j, j === index ? 1 : 0);
      position += count;
    }
  }

  unflatten(flat: Element): NdArray<D> {
    const array = parseArray(flat, "float64");
    if (array === undefined || array.data.length !== this.flatdim())
      notOfSpace(this, `${this.flatdim()} numbers`, describe(flat));
    const out = zeros(this.elementDtype, this.shape);
    let position = 0;
    for (let i = 0; i < out.data.length; i++) {
      const count = Number(this.nvec.data[i]);
      let index = 0;
      while (index < count && Number(array.data[position + index]) === 0) index++;
      if (index === count) notOfSpace(this, "one-hot vectors", "all zeros");
      setNumber(out.data, i, Number(this.start.data[i]) + index);
      position += count;
    }
    return out;
  }

  batch(n: number): Box<D> {
    return this.batchDiffering(repeated(this, n));
  }

  batchDiffering(spaces: readonly Space[]): Box<D> {
    const size = sizeOf(this.shape);
    const shape = [spaces.length, ...this.shape];
    const [low, high] = [zeros(this.elementDtype, shape), zeros(this.elementDtype, shape)];
    spaces.forEach((space, row) => {
      if (!this.sameShape(space)) cannotBatch(this, space);
      const { start, nvec } = space as MultiDiscrete<D>;
      copyInto(low.data, row * size, start.data);
      for (let i = 0; i < size; i++) {
        setNumber(high.data, row * size + i, Number(start.data[i]) + Number(nvec.data[i]) - 1);
      }
    });
    const { dtype, elementDtype } = this;
    return new Box<D>(low, high, shape, { dtype: dtype as D, elementDtype, seed: this.rng.copy() });
  }

  createEmpty(n: number, make: ArrayMaker = zeros): NdArray<D> {
    return make(this.elementDtype, [n, ...this.shape]);
  }

  concatenate(items: readonly NdArray<D>[], out: Element): NdArray<D> {
    const { data } = out as NdArray<D>;
    const stride = sizeOf(this.shape);
    items.forEach((item, i) => {
      const array = parseArray(item, "int64");
      if (array?.data.length !== stride)
        notOfSpace(this, `an array [${this.shape.join(", ")}]`, describe(item));
      copyInto(data, i * stride, array.data);
    });
    return out as NdArray<D>;
  }

  /** Numbers where the elements are a vector (a batch of Discrete), else rows. */
  iterate(items: NdArray<D>): Iterable<number | NdArray<D>> {
    if (this.shape.length !== 1) return rowViews(items);
    return Array.from(items.data as ArrayLike<number | bigint>, Number);
  }
}

function describe(value: unknown): string {
  if (!isNdArray(value)) return typeof value;
  const values =
    value.data.length <= 16 ? ` of ${Array.from(value.data as ArrayLike<number | bigint>).join(", ")}` : "";
  return `${kindOf(value.dtype) === "f" ? "floats" : "integers"} [${value.shape.join(", ")}]${values}`;
}
