/** @file OneOf: an element of one of several spaces, with the index of the space that it is from. */

import type { DType, NdArray } from "../ndarray.ts";
import { fail } from "../errors.ts";
import { isNdArray, zeros } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import { setNumber } from "./arrays.ts";
import { Box } from "./box.ts";
import { commonDType } from "./flat-parts.ts";
import { OpaqueSpace } from "./opaque.ts";
import { checkSampleOptions, notOfSpace } from "./space.ts";
import type { Element, FlatData, SampleOf, SampleOptions, Space, SpaceJSON, SpaceSeed } from "./space.ts";
import { SEED_LIMIT, partsOf } from "./tuple.ts";

/** Elements of a OneOf: the index of a space, and an element of it. */
export type OneOfElement<S extends readonly Space[]> = readonly [index: number, value: SampleOf<S[number]>];

/** Pairs `[index, value]`. @source Gymnasium 1.4 `spaces/oneof.py` */
export class OneOf<const S extends readonly Space[] = readonly Space[]>
  extends OpaqueSpace<OneOfElement<S>>
  implements Space<OneOfElement<S>>
{
  readonly kind = "OneOf";
  readonly spaces: S;

  /** @throws INVALID_ARGUMENT without spaces */
  constructor(spaces: S, options: { readonly seed?: SpaceSeed | Rng } = {}) {
    super(undefined, undefined);
    if (spaces.length === 0) fail({ code: "INVALID_ARGUMENT", what: "a OneOf needs at least one space" });
    this.spaces = [...spaces] as readonly Space[] as S;
    this.seedFrom(options.seed);
  }

  get length(): number {
    return this.spaces.length;
  }

  get flattenable(): boolean {
    return this.spaces.every((space) => space.flattenable);
  }

  /** An integer seeds this space and, through it, the children; a list is its own seed and then one per child. */
  override seed(seed?: SpaceSeed): SpaceSeed {
    if (seed === undefined) return [this.seedSelf(undefined), ...this.spaces.map((space) => space.seed())];
    if (typeof seed === "number" || typeof seed === "bigint") {
      this.seedSelf(seed);
      const drawn = this.rng.integers(0, SEED_LIMIT, { size: this.length }).data;
      // Seeded again, so that the list given back seeds another space equally.
      return [this.seedSelf(seed), ...this.spaces.map((space, i) => space.seed(drawn[i]))];
    }
    const [own, ...children] = partsOf(this, seed, "seeds", this.length + 1) as readonly SpaceSeed[];
    return [
      this.seedSelf(own as number | undefined),
      ...this.spaces.map((space, i) => space.seed(children[i])),
    ];
  }

  /** `mask` and `probability`: a list with one entry for each space. */
  sample(options: SampleOptions = {}): OneOfElement<S> {
    checkSampleOptions(options);
    const index = this.rng.integers(0, this.length);
    const part = (list: unknown, what: string): unknown =>
      list === undefined ? undefined : (partsOf(this, list, what, this.length)[index] ?? undefined);
    const restricted = {
      mask: part(options.mask, "masks"),
      probability: part(options.probability, "probabilities"),
    };
    return [index, this.spaces[index].sample(restricted) as SampleOf<S[number]>];
  }

  contains(value: unknown): value is OneOfElement<S> {
    if (!Array.isArray(value) || value.length !== 2) return false;
    const [index, part] = value as [unknown, unknown];
    return typeof index === "number" && (this.spaces[index]?.contains(part) ?? false);
  }

  equals(other: unknown): boolean {
    return (
      other instanceof OneOf &&
      other.length === this.length &&
      this.spaces.every((space, i) => space.equals(other.spaces[i]))
    );
  }

  sameShape(other: Space): boolean {
    return (
      other instanceof OneOf &&
      other.length === this.length &&
      this.spaces.every((space, i) => space.sameShape(other.spaces[i] as Space))
    );
  }

  copy(): OneOf<S> {
    return this.withRngState(new OneOf<S>(this.spaces.map((space) => space.copy()) as readonly Space[] as S));
  }

  toJSON(): SpaceJSON {
    return { kind: this.kind, spaces: this.spaces.map((space) => space.toJSON()) };
  }

  override toString(): string {
    return `OneOf(${this.spaces.join(", ")})`;
  }

  /** Pairs of the index and the JSON of the value; for a Tuple or Dict that of a batch of one, whose layout is by column. */
  override toJsonable(samples: readonly OneOfElement<S>[]): unknown {
    return samples.map(([index, value]) => {
      const json = this.spaces[index].toJsonable([value]);
      return [index, isColumnar(this.spaces[index]) ? json : (json as unknown[])[0]];
    });
  }

  override fromJsonable(json: unknown): OneOfElement<S>[] {
    return (json as [number, unknown][]).map(([index, value]) => {
      const space = this.spaces[index] ?? notOfSpace(this, `an index below ${this.length}`, String(index));
      const [sample] = space.fromJsonable(isColumnar(space) ? value : [value]);
      return [index, sample as SampleOf<S[number]>];
    });
  }

  override flatdim(): number {
    if (!this.flattenable) this.notFlattenable();
    return 1 + Math.max(...this.spaces.map((space) => space.flatdim()));
  }

  flatSpace(): Box<DType> {
    const size = this.flatdim();
    const boxes = this.spaces.map((space) => space.flatSpace() as Box<DType>);
    const [low, high] = [extreme(boxes, "low", Math.min), extreme(boxes, "high", Math.max)];
    const fill = (first: number, rest: number): number[] => [
      first,
      ...Array.from({ length: size - 1 }, () => rest),
    ];
    return new Box<DType>(fill(0, low), fill(this.length - 1, high), [size], commonDType(boxes));
  }

  /** The index, the flattened value, and its first number again up to the full length. */
  flatten(value: OneOfElement<S>): NdArray {
    const box = this.flatSpace();
    const out = zeros(box.elementDtype, box.shape);
    this.writeFlat(value, out.data, 0);
    return out;
  }

  override writeFlat(value: OneOfElement<S>, out: FlatData, offset: number): void {
    const [index, part] = value;
    const space = this.spaces[index] ?? notOfSpace(this, `an index below ${this.length}`, String(index));
    const [size, used] = [this.flatdim(), space.flatdim()];
    setNumber(out, offset, index);
    space.writeFlat(part, out, offset + 1);
    if (used < size - 1) {
      const filler = used > 0 ? out[offset + 1] : this.flatSpace().low.data[1];
      for (let i = 1 + used; i < size; i++) setNumber(out, offset + i, filler);
    }
  }

  unflatten(flat: Element): OneOfElement<S> {
    if (!isNdArray(flat)) notOfSpace(this, "an array", typeof flat);
    const index = Number(flat.data[0]);
    const space = this.spaces[index] ?? notOfSpace(this, `an index below ${this.length}`, String(index));
    const length = space.flatdim();
    const data = flat.data.subarray(1, 1 + length) as NdArray["data"];
    return [index, space.unflatten({ dtype: flat.dtype, shape: [length], data }) as SampleOf<S[number]>];
  }

  protected override emptyElement(): Element {
    return [];
  }
}

/** Is the JSON of a batch one list per child, in place of one entry per sample? */
function isColumnar(space: Space): boolean {
  return space.kind === "Tuple" || space.kind === "Dict";
}

/** The least lower or greatest upper bound; 0 where all boxes are empty. */
function extreme(
  boxes: readonly Box<DType>[],
  side: "low" | "high",
  pick: (a: number, b: number) => number,
): number {
  const values = boxes.flatMap((box) => Array.from(box[side].data as ArrayLike<number | bigint>, Number));
  return values.length === 0 ? 0 : values.reduce((a, b) => pick(a, b));
}
