/** @file MultiBinary: int8 arrays of zeros and ones. */

import { fail } from "../errors.ts";
import type { DType, NdArray } from "../ndarray.ts";
import { isNdArray, sizeOf, zeros } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import { copyInto, fromNested, parseArray, rowViews, sameAxes, toNested } from "./arrays.ts";
import { Box } from "./box.ts";
import { shapeText } from "./format.ts";
import { numbersOf } from "./masks.ts";
import { BaseSpace, cannotBatch, checkSampleOptions, notOfSpace, repeated } from "./space.ts";
import type { ArrayMaker, Element, FlatData, SampleOptions, Space, SpaceJSON, SpaceSeed } from "./space.ts";

type Bits = NdArray<"int8">;

/**
 * Arrays ``int8 shape`` of 0 and 1. `contains` takes zeros and ones of any dtype. @source Gymnasium 1.4 `spaces/multi_binary.py`
 */
export class MultiBinary extends BaseSpace<Bits> implements Space<Bits> {
  readonly kind = "MultiBinary";
  readonly flattenable = true;
  declare readonly shape: readonly number[];
  declare readonly dtype: "int8";
  /** The length or shape as it was given: `MultiBinary(3)` does not equal `MultiBinary([3])`. */
  readonly n: number | readonly number[];

  /** @throws INVALID_ARGUMENT unless all lengths are positive integers */
  constructor(n: number | readonly number[], options: { readonly seed?: SpaceSeed | Rng } = {}) {
    const shape = typeof n === "number" ? [n] : [...n];
    super(shape, "int8");
    if (!shape.every((length) => Number.isInteger(length) && length > 0)) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "the shape of a MultiBinary cannot be used",
        expected: "positive integers",
        got: shape.join(", "),
      });
    }
    this.n = typeof n === "number" ? n : shape;
    this.seedFrom(options.seed);
  }

  /** `mask`: 0 or 1 fixes an element, 2 leaves it free. `probability`: of each element being 1. */
  sample(options: SampleOptions = {}): Bits {
    checkSampleOptions(options);
    const size = this.flatdim();
    if (options.probability !== undefined) {
      const p = Array.from(numbersOf(flatList(options.probability), size, "the list of probabilities"));
      if (!p.every((weight) => weight >= 0 && weight <= 1)) notOfMask(p, "numbers in [0, 1]");
      return {
        dtype: "int8",
        shape: this.shape,
        data: Int8Array.from(p, (weight) => (this.rng.random() <= weight ? 1 : 0)),
      };
    }
    const mask =
      options.mask === undefined
        ? undefined
        : Array.from(numbersOf(flatList(options.mask), size, "the mask"));
    if (mask !== undefined && !mask.every((flag) => flag === 0 || flag === 1 || flag === 2))
      notOfMask(mask, "0, 1 or 2");
    const out = this.rng.integers(0, 2, { size: this.shape, dtype: "int8" });
    mask?.forEach((flag, i) => {
      if (flag !== 2) out.data[i] = flag;
    });
    return out;
  }

  contains(value: unknown): value is Bits {
    const array = parseArray(value, "float64");
    if (array === undefined || !sameAxes(array.shape, this.shape)) return false;
    for (const bit of array.data) if (Number(bit) !== 0 && Number(bit) !== 1) return false;
    return true;
  }

  equals(other: unknown): boolean {
    return other instanceof MultiBinary && JSON.stringify(other.n) === JSON.stringify(this.n);
  }

  sameShape(other: Space): boolean {
    return other instanceof MultiBinary && sameAxes(other.shape, this.shape);
  }

  copy(): MultiBinary {
    return this.withRngState(new MultiBinary(this.n));
  }

  toJSON(): SpaceJSON {
    return { kind: this.kind, n: this.n };
  }

  override toString(): string {
    return `MultiBinary(${typeof this.n === "number" ? this.n : shapeText(this.n)})`;
  }

  override toJsonable(samples: readonly Bits[]): unknown {
    return samples.map(toNested);
  }

  override fromJsonable(json: unknown): Bits[] {
    return (json as unknown[]).map((sample) => fromNested(sample, "int8", this.shape));
  }

  override flatdim(): number {
    return sizeOf(this.shape);
  }

  flatSpace(): Box<"int8"> {
    return new Box(0, 1, [this.flatdim()], "int8");
  }

  flatten(value: Bits): Bits {
    const out = zeros("int8", [this.flatdim()]);
    this.writeFlat(value, out.data, 0);
    return out;
  }

  override writeFlat(value: Bits, out: FlatData, offset: number): void {
    const array = parseArray(value, "int8");
    if (array === undefined || !sameAxes(array.shape, this.shape)) {
      notOfSpace(
        this,
        `an array [${this.shape.join(", ")}]`,
        isNdArray(value) ? `[${value.shape.join(", ")}]` : typeof value,
      );
    }
    copyInto(out, offset, array.data);
  }

  unflatten(flat: Element): Bits {
    const array = parseArray(flat, "int8");
    if (array?.data.length !== this.flatdim()) notOfSpace(this, `${this.flatdim()} numbers`, typeof flat);
    const out = zeros("int8", this.shape);
    copyInto(out.data, 0, array.data);
    return out;
  }

  batch(n: number): Box<"int8"> {
    return this.batchDiffering(repeated(this, n));
  }

  batchDiffering(spaces: readonly Space[]): Box<"int8"> {
    for (const space of spaces) if (!this.sameShape(space)) cannotBatch(this, space);
    return new Box(0, 1, [spaces.length, ...this.shape], { dtype: "int8", seed: this.rng.copy() });
  }

  createEmpty(n: number, make: ArrayMaker = zeros): Bits {
    return make("int8", [n, ...this.shape]);
  }

  concatenate(items: readonly Bits[], out: Element): Bits {
    const { data } = out as Bits;
    items.forEach((item, i) => this.writeFlat(item, data, i * this.flatdim()));
    return out as Bits;
  }

  iterate(items: Bits): Iterable<NdArray<DType>> {
    return rowViews<DType>(items);
  }
}

/** A nested list as one list; anything else as it is. */
function flatList(value: unknown): unknown {
  return Array.isArray(value) ? value.flat(Infinity) : value;
}

function notOfMask(values: readonly number[], expected: string): never {
  return fail({
    code: "INVALID_ARGUMENT",
    what: "a mask has other values",
    expected,
    got: values.join(", "),
  });
}
