/** @file Box: arrays whose elements lie between bounds, each side of each element bounded or not. */

import { FLOAT32_MAX, canCast, integerLimits, isDType, kindOf } from "../dtypes.ts";
import type { IntegerDType } from "../dtypes.ts";
import { fail } from "../errors.ts";
import type { DType, NdArray } from "../ndarray.ts";
import { isNdArray, sizeOf, stackRows, zeros } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import {
  arrayOf,
  copyInto,
  fitsInteger,
  fromNested,
  isBig,
  parseArray,
  parseNested,
  rowViews,
  sameAxes,
  setNumber,
  toNested,
} from "./arrays.ts";
import { arrayText, scalarText, shapeText } from "./format.ts";
import { BaseSpace, cannotBatch, notOfSpace, repeated } from "./space.ts";
import type { ArrayMaker, Element, FlatData, SampleOptions, Space, SpaceJSON, SpaceSeed } from "./space.ts";

/** A bound: one number for all, an array, or a (nested) list. */
export type Bound = number | bigint | NdArray | readonly unknown[] | ArrayLike<number>;

/** Options of a Box beyond its bounds and shape. */
export interface BoxOptions<D extends DType = DType> {
  readonly dtype?: D;
  readonly seed?: SpaceSeed | Rng;
  /**
   * dtype of the arrays that are handed out, where it is not `dtype` itself: spaces derived from NumPy's default integer
   * are labelled int64 but hold int32 numbers, because int64 arrays hold bigints.
   */
  readonly elementDtype?: DType;
  /** Which elements are bounded, where the bounds do not say it: an unbounded integer's bound is its dtype's limit. */
  readonly bounded?: { readonly below: Uint8Array; readonly above: Uint8Array };
}

function badBound(side: string, expected: string, got: unknown): never {
  return fail({
    code: "INVALID_ARGUMENT",
    what: `the ${side} bound of a Box cannot be used`,
    expected,
    got: String(got),
    fix: "give a number, or an array of the Box's shape within the range of its dtype",
  });
}

function boundShape(bound: Bound): readonly number[] | undefined {
  if (typeof bound === "number" || typeof bound === "bigint") return undefined;
  return isNdArray(bound) ? bound.shape : parseNested(bound)?.shape;
}

function shapeOfBounds(low: Bound, high: Bound): readonly number[] {
  const [lowShape, highShape] = [boundShape(low), boundShape(high)];
  if (lowShape !== undefined && highShape !== undefined && !sameAxes(lowShape, highShape)) {
    fail({
      code: "INVALID_SHAPE",
      what: "the bounds of a Box differ in shape",
      expected: `[${lowShape.join(", ")}] as low has`,
      got: `[${highShape.join(", ")}]`,
    });
  }
  return lowShape ?? highShape ?? [1];
}

/** One number as a bound of `dtype`. Infinity on a signed integer stands for the dtype's limit. */
function castBound(value: number | bigint, dtype: DType, side: "low" | "high"): number | bigint {
  const infinite = side === "low" ? -Infinity : Infinity;
  if (Number.isNaN(value)) badBound(side, "no NaN", value);
  const kind = kindOf(dtype);
  if (kind === "f") {
    const tooLarge =
      dtype === "float32" && Number.isFinite(Number(value)) && Math.abs(Number(value)) > FLOAT32_MAX;
    if (tooLarge) badBound(side, `a number in the range of ${dtype}`, value);
    return Number(value);
  }
  if (value === infinite && kind === "i") return integerLimits[dtype as IntegerDType][side === "low" ? 0 : 1];
  if (!fitsInteger(value, dtype as IntegerDType)) {
    badBound(side, `an integer in the range of ${dtype}`, value);
  }
  return value;
}

interface Side<D extends DType> {
  readonly bound: NdArray<D>;
  /** 1 where this side is bounded. */
  readonly bounded: Uint8Array;
}

/** A bound as an array of `dtype`; `known` says which elements are bounded when the values cannot. */
function sideOf<D extends DType>(
  bound: Bound,
  shape: readonly number[],
  dtype: D,
  { side, known }: { readonly side: "low" | "high"; readonly known?: Uint8Array },
): Side<D> {
  const infinite = side === "low" ? -Infinity : Infinity;
  const out = zeros(dtype, shape);
  const bounded = known ?? new Uint8Array(out.data.length);
  if (typeof bound === "number" || typeof bound === "bigint") {
    const value = castBound(bound, dtype, side);
    if (isBig(out.data)) out.data.fill(BigInt(value));
    else out.data.fill(Number(value));
    if (known === undefined) bounded.fill(bound === infinite ? 0 : 1);
    return { bound: out, bounded };
  }
  const parsed = isNdArray(bound)
    ? { shape: bound.shape, values: bound.data as ArrayLike<number | bigint> }
    : parseNested(bound);
  if (parsed === undefined) badBound(side, "numbers", bound);
  if (!sameAxes(parsed.shape, shape)) {
    badBound(side, `shape [${shape.join(", ")}]`, `[${parsed.shape.join(", ")}]`);
  }
  if (known !== undefined && isNdArray(bound) && bound.dtype === dtype) {
    // From a Box: its values were checked when it was made.
    out.data.set(bound.data as never);
    return { bound: out, bounded };
  }
  for (let i = 0; i < bounded.length; i++) {
    const value = parsed.values[i];
    setNumber(out.data, i, castBound(value, dtype, side));
    if (known === undefined) bounded[i] = value === infinite ? 0 : 1;
  }
  return { bound: out, bounded };
}

/** How an element is bounded: not at all, below, above, on both sides; samples are drawn in this order. */
const UNBOUNDED = 0;
const BELOW = 1;
const ABOVE = 2;

/**
 * Arrays ``D shape`` with `low <= x <= high`, elementwise and inclusive.
 *
 * `low` and `high` are numbers or arrays; the shape is theirs unless given, `[1]` for two numbers. On signed integer
 * dtypes an infinite bound means the dtype's limit. @source Gymnasium 1.4 `spaces/box.py`
 */
export class Box<D extends DType = "float32"> extends BaseSpace<NdArray<D>> implements Space<NdArray<D>> {
  readonly kind = "Box";
  readonly flattenable = true;
  declare readonly shape: readonly number[];
  declare readonly dtype: DType;
  readonly elementDtype: D;
  readonly low: NdArray<D>;
  readonly high: NdArray<D>;
  /** 1 where the element has a lower bound. */
  readonly boundedBelow: Uint8Array;
  /** 1 where the element has an upper bound. */
  readonly boundedAbove: Uint8Array;

  /** @throws INVALID_ARGUMENT on NaN, on bounds outside the dtype, fractional bounds of integers, or low > high */
  constructor(low: Bound, high: Bound, shape?: readonly number[], dtypeOrOptions?: D | BoxOptions<D>) {
    const options: BoxOptions =
      typeof dtypeOrOptions === "object" ? dtypeOrOptions : { dtype: dtypeOrOptions };
    const dtype: DType = options.dtype ?? "float32";
    if (!isDType(dtype)) badBound("dtype", "a dtype name such as float32", dtype);
    const axes = shape === undefined ? shapeOfBounds(low, high) : [...shape];
    super(axes, dtype);
    this.elementDtype = (options.elementDtype ?? dtype) as D;
    const below = sideOf(low, axes, this.elementDtype, { side: "low", known: options.bounded?.below });
    const above = sideOf(high, axes, this.elementDtype, { side: "high", known: options.bounded?.above });
    [this.low, this.boundedBelow] = [below.bound, below.bounded];
    [this.high, this.boundedAbove] = [above.bound, above.bounded];
    for (let i = 0; i < this.low.data.length; i++) {
      if (this.low.data[i] > this.high.data[i]) badBound("low", "low <= high everywhere", this.low.data[i]);
    }
    this.seedFrom(options.seed);
  }

  /** Is every element bounded, on both sides or on the one named? */
  isBounded(manner: "both" | "below" | "above" = "both"): boolean {
    const below = manner === "above" || this.boundedBelow.every((flag) => flag === 1);
    return below && (manner === "below" || this.boundedAbove.every((flag) => flag === 1));
  }

  /**
   * Unbounded elements are normal, half-bounded exponential from the bound, bounded uniform; the groups are drawn in
   * this order, each in row-major order. @throws NOT_SUPPORTED with a mask or probabilities
   */
  sample(options: SampleOptions = {}): NdArray<D> {
    if (options.mask !== undefined || options.probability !== undefined) {
      fail({
        code: "NOT_SUPPORTED",
        what: "a Box takes neither a mask nor probabilities",
        fix: "sample without them",
      });
    }
    const out = zeros(this.elementDtype, this.shape);
    if (this.isBounded() && !isBig(out.data)) {
      this.#fillBounded(out.data);
      return out;
    }
    const groups = this.boundedBelow.map((below, i) => below * BELOW + this.boundedAbove[i] * ABOVE);
    for (const group of new Set(groups.toSorted())) {
      for (let i = 0; i < groups.length; i++) {
        if (groups[i] === group) setNumber(out.data, i, this.#draw(group, i));
      }
    }
    return out;
  }

  /** The commonest case, without branches on the kind of each element: images are large. */
  #fillBounded(out: Exclude<FlatData, BigInt64Array | BigUint64Array>): void {
    const { rng } = this;
    const low = this.low.data as typeof out;
    const high = this.high.data as typeof out;
    if (this.dtype === "float32" || this.dtype === "float64") {
      for (let i = 0; i < out.length; i++) out[i] = low[i] + (high[i] - low[i]) * rng.random();
      return;
    }
    for (let i = 0; i < out.length; i++) {
      out[i] = Math.floor(low[i] + (high[i] + 1 - low[i]) * rng.random());
    }
  }

  #draw(group: number, index: number): number | bigint {
    const [low, high] = [this.low.data[index], this.high.data[index]];
    const integer = this.dtype !== "float32" && this.dtype !== "float64";
    // An integer's interval ends one higher and the draw is floored.
    const end = integer ? Number(high) + 1 : Number(high);
    let value: number;
    if (group === UNBOUNDED) value = this.rng.standardNormal();
    else if (group === BELOW) value = this.rng.exponential() + Number(low);
    else if (group === ABOVE) value = -this.rng.exponential() + end;
    else value = Number(low) + (end - Number(low)) * this.rng.random();
    if (!integer) return value;
    const whole = Math.floor(value);
    // Near 2^63 a float64 rounds past the bounds.
    if (whole <= low) return low;
    return whole >= high ? high : whole;
  }

  contains(value: unknown): value is NdArray<D> {
    const array = parseArray(value, this.dtype);
    if (array === undefined || !canCast(array.dtype, this.dtype) || !sameAxes(array.shape, this.shape)) {
      return false;
    }
    const { data } = array;
    const [low, high] = [this.low.data, this.high.data];
    for (let i = 0; i < data.length; i++) {
      // Written so that NaN is outside.
      if (!(data[i] >= low[i] && data[i] <= high[i])) return false;
    }
    return true;
  }

  equals(other: unknown): boolean {
    return (
      other instanceof Box &&
      other.dtype === this.dtype &&
      sameAxes(other.shape, this.shape) &&
      allClose(this.low, other.low) &&
      allClose(this.high, other.high)
    );
  }

  sameShape(other: Space): boolean {
    return other instanceof Box && other.dtype === this.dtype && sameAxes(other.shape, this.shape);
  }

  /** A Box of this dtype with other bounds. */
  #withBounds(low: NdArray<D>, high: NdArray<D>, below: Uint8Array, above: Uint8Array): Box<D> {
    const { dtype, elementDtype } = this;
    return new Box<D>(low, high, low.shape, { dtype: dtype as D, elementDtype, bounded: { below, above } });
  }

  copy(): Box<D> {
    return this.withRngState(this.#withBounds(this.low, this.high, this.boundedBelow, this.boundedAbove));
  }

  toJSON(): SpaceJSON {
    return {
      kind: this.kind,
      dtype: this.dtype,
      ...(String(this.elementDtype) === this.dtype ? {} : { elementDtype: this.elementDtype }),
      shape: this.shape,
      low: jsonBound(this.low, this.boundedBelow, -Infinity),
      high: jsonBound(this.high, this.boundedAbove, Infinity),
    };
  }

  override toString(): string {
    const short = (bound: NdArray): string => {
      const [first] = bound.data as ArrayLike<number | bigint> as (number | bigint)[];
      const uniform = bound.data.length > 0 && bound.data.every((value: number | bigint) => value === first);
      return uniform ? scalarText(first, bound.dtype) : arrayText(bound);
    };
    return `Box(${short(this.low)}, ${short(this.high)}, ${shapeText(this.shape)}, ${this.dtype})`;
  }

  override toJsonable(samples: readonly NdArray<D>[]): unknown {
    return samples.map(toNested);
  }

  override fromJsonable(json: unknown): NdArray<D>[] {
    return (json as unknown[]).map((sample) => fromNested(sample, this.elementDtype, this.shape));
  }

  override flatdim(): number {
    return sizeOf(this.shape);
  }

  flatSpace(): Box<D> {
    const shape = [this.flatdim()];
    return this.#withBounds(
      { ...this.low, shape },
      { ...this.high, shape },
      this.boundedBelow,
      this.boundedAbove,
    );
  }

  flatten(value: NdArray<D>): NdArray<D> {
    const out = zeros(this.elementDtype, [this.flatdim()]);
    this.writeFlat(value, out.data, 0);
    return out;
  }

  override writeFlat(value: NdArray<D>, out: FlatData, offset: number): void {
    const array = parseArray(value, this.dtype);
    if (array === undefined || !sameAxes(array.shape, this.shape)) {
      notOfSpace(this, `an array [${this.shape.join(", ")}]`, describe(value));
    }
    copyInto(out, offset, array.data);
  }

  unflatten(flat: Element): NdArray<D> {
    const array = parseArray(flat, this.dtype);
    if (array === undefined || array.data.length !== this.flatdim()) {
      notOfSpace(this, `${this.flatdim()} numbers`, describe(flat));
    }
    const out = zeros(this.elementDtype, this.shape);
    copyInto(out.data, 0, array.data);
    return out;
  }

  batch(n: number): Box<D> {
    return this.batchDiffering(repeated(this, n));
  }

  batchDiffering(spaces: readonly Space[]): Box<D> {
    const boxes = spaces.map((space) =>
      this.sameShape(space) ? (space as Box<D>) : cannotBatch(this, space),
    );
    const flags = (pick: (box: Box<D>) => Uint8Array): Uint8Array => {
      const out = new Uint8Array(boxes.length * this.flatdim());
      boxes.forEach((box, i) => out.set(pick(box), i * this.flatdim()));
      return out;
    };
    const batched = this.#withBounds(
      stackRows(boxes.map((box) => box.low)),
      stackRows(boxes.map((box) => box.high)),
      flags((box) => box.boundedBelow),
      flags((box) => box.boundedAbove),
    );
    batched.rng = this.rng.copy();
    return batched;
  }

  createEmpty(n: number, make: ArrayMaker = zeros): NdArray<D> {
    return make(this.elementDtype, [n, ...this.shape]);
  }

  concatenate(items: readonly NdArray<D>[], out: Element): NdArray<D> {
    const { data } = out as NdArray<D>;
    const stride = this.flatdim();
    items.forEach((item, i) => this.writeFlat(item, data, i * stride));
    return out as NdArray<D>;
  }

  iterate(items: NdArray<D>): Iterable<NdArray<D>> {
    return rowViews(items);
  }
}

function describe(value: unknown): string {
  return isNdArray(value) ? `${value.dtype} [${value.shape.join(", ")}]` : typeof value;
}

/** JSON of a bound: one number where all agree, else a list in row-major order; "Infinity" where unbounded. */
function jsonBound({ data, dtype }: NdArray, bounded: Uint8Array, infinity: number): unknown {
  const entryOf = (i: number): unknown =>
    bounded[i] === 0 ? String(infinity) : toNested(arrayOf([data[i]], [], dtype));
  let uniform = data.length > 0;
  for (let i = 1; i < data.length && uniform; i++) uniform = data[i] === data[0] && bounded[i] === bounded[0];
  return uniform ? entryOf(0) : Array.from(bounded, (_, i) => entryOf(i));
}

function allClose(a: NdArray, b: NdArray): boolean {
  for (let i = 0; i < a.data.length; i++) {
    const [x, y] = [Number(a.data[i]), Number(b.data[i])];
    if (x !== y && !(Math.abs(x - y) <= 1e-8 + 1e-5 * Math.abs(y))) return false;
  }
  return true;
}
