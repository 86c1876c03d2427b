/** @file Box: arrays whose elements lie between bounds, each side of each element bounded or not. */

import { canCast, isDType } from "../dtypes.ts";
import { fail } from "../errors.ts";
import type { DType, NdArray } from "../ndarray.ts";
import { isNdArray, sizeOf, stackRows, zeros } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import {
  copyInto,
  fromNested,
  isBig,
  parseArray,
  rowViews,
  sameAxes,
  setNumber,
  toNested,
} from "./arrays.ts";
import { allClose, badBound, jsonBound, shapeOfBounds, sideOf } from "./bounds.ts";
import type { Bound } from "./bounds.ts";
import { arrayText, scalarText, shapeText } from "./format.ts";
import { BaseSpace, cannotBatch, notOfSpace, repeated } from "./space.ts";
import type { ArrayMaker, Element, FlatData, SampleOptions, Space, SpaceJSON, SpaceSeed } from "./space.ts";

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
