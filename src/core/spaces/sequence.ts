/** @file Sequence: any number of elements of one space, as a list or stacked. */

import { kindOf } from "../dtypes.ts";
import { isNdArray } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import { OpaqueSpace } from "./opaque.ts";
import { checkSampleOptions, notOfSpace } from "./space.ts";
import type { ArrayMaker, Element, SampleOf, SampleOptions, Space, SpaceJSON, SpaceSeed } from "./space.ts";
import { SEED_LIMIT, partsOf } from "./tuple.ts";

/** Elements of a Sequence: a list of elements, or one batch of them when stacked. */
export type SequenceElement<S extends Space, K extends boolean> = K extends true
  ? ReturnType<S["createEmpty"]>
  : readonly SampleOf<S>[];

/** Options of a Sequence. */
export interface SequenceOptions<K extends boolean = boolean> {
  /** Elements are one batch (arrays with a leading axis) in place of a list. */
  readonly stack?: K;
  readonly seed?: SpaceSeed | Rng;
}

/** Lists of elements of `featureSpace`, of any length. @source Gymnasium 1.4 `spaces/sequence.py` */
export class Sequence<S extends Space = Space, K extends boolean = false>
  extends OpaqueSpace<SequenceElement<S, K>>
  implements Space<SequenceElement<S, K>>
{
  readonly kind = "Sequence";
  readonly flattenable = false;
  readonly featureSpace: S;
  readonly stack: K;

  constructor(space: S, options: SequenceOptions<K> = {}) {
    super(undefined, undefined);
    this.featureSpace = space;
    this.stack = (options.stack ?? false) as K;
    this.seedFrom(options.seed);
  }

  /** An integer seeds this space and, through it, the child; a list is both seeds. */
  override seed(seed?: SpaceSeed): SpaceSeed {
    if (seed === undefined) return [this.seedSelf(undefined), this.featureSpace.seed()];
    if (typeof seed === "number" || typeof seed === "bigint") {
      this.seedSelf(seed);
      const child = this.rng.integers(0, SEED_LIMIT);
      return [this.seedSelf(seed), this.featureSpace.seed(child)];
    }
    const [own, child] = partsOf(this, seed, "seeds", 2) as readonly SpaceSeed[];
    return [this.seedSelf(own as number | undefined), this.featureSpace.seed(child)];
  }

  /**
   * `mask` or `probability`: `[length, restriction of each element]`; the length is a number, a list to choose from, or
   * undefined or null: geometric with mean 4.
   */
  sample(options: SampleOptions = {}): SequenceElement<S, K> {
    checkSampleOptions(options);
    const given = options.mask ?? options.probability;
    const [length, restriction] =
      given === undefined ? [] : partsOf(this, given, "length and restriction", 2);
    const count = this.#length(length);
    const restricted =
      options.mask === undefined
        ? { probability: restriction ?? undefined }
        : { mask: restriction ?? undefined };
    return this.#element(Array.from({ length: count }, () => this.featureSpace.sample(restricted)));
  }

  #element(values: readonly unknown[]): SequenceElement<S, K> {
    const element = this.stack
      ? this.featureSpace.concatenate(values, this.featureSpace.createEmpty(values.length))
      : values;
    return element as SequenceElement<S, K>;
  }

  #length(length: unknown): number {
    if (length === undefined || length === null) return this.rng.geometric(0.25);
    const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;
    if (isCount(length)) return length;
    const list =
      isNdArray(length) && kindOf(length.dtype) !== "f"
        ? Array.from(length.data as ArrayLike<number>, Number)
        : length;
    if (!Array.isArray(list) || list.length === 0 || !list.every(isCount)) {
      return notOfSpace(this, "a length, or a list of lengths", JSON.stringify(length));
    }
    return this.rng.choice(list as readonly number[]);
  }

  /** The values of an element one by one. */
  #values(element: SequenceElement<S, K>): readonly unknown[] {
    if (!this.stack) return element as readonly unknown[];
    const count = this.featureSpace.batchLength(element);
    if (count === undefined) notOfSpace(this, "a batch", typeof element);
    return count === 0 ? [] : [...this.featureSpace.batch(count).iterate(element)];
  }

  contains(value: unknown): value is SequenceElement<S, K> {
    if (!this.stack) return Array.isArray(value) && value.every((item) => this.featureSpace.contains(item));
    const count = this.featureSpace.batchLength(value);
    return count !== undefined && (count === 0 || this.featureSpace.batch(count).contains(value));
  }

  equals(other: unknown): boolean {
    return (
      other instanceof Sequence && other.stack === this.stack && this.featureSpace.equals(other.featureSpace)
    );
  }

  sameShape(other: Space): boolean {
    return (
      other instanceof Sequence &&
      other.stack === this.stack &&
      this.featureSpace.sameShape(other.featureSpace as Space)
    );
  }

  copy(): Sequence<S, K> {
    return this.withRngState(new Sequence<S, K>(this.featureSpace.copy() as S, { stack: this.stack }));
  }

  toJSON(): SpaceJSON {
    return { kind: this.kind, space: this.featureSpace.toJSON(), stack: this.stack };
  }

  override toString(): string {
    return `Sequence(${this.featureSpace}, stack=${this.stack ? "True" : "False"})`;
  }

  override toJsonable(samples: readonly SequenceElement<S, K>[]): unknown {
    return samples.map((sample) => this.featureSpace.toJsonable(this.#values(sample)));
  }

  override fromJsonable(json: unknown): SequenceElement<S, K>[] {
    return (json as unknown[]).map((sample) => this.#element(this.featureSpace.fromJsonable(sample)));
  }

  flatSpace(): Sequence<Space, K> {
    return new Sequence<Space, K>(this.featureSpace.flatSpace(), { stack: this.stack });
  }

  flatten(value: SequenceElement<S, K>): Element {
    const flat = this.#values(value).map((item) => this.featureSpace.flatten(item));
    if (!this.stack) return flat;
    const space = this.featureSpace.flatSpace();
    return space.concatenate(flat, space.createEmpty(flat.length));
  }

  unflatten(flat: Element): SequenceElement<S, K> {
    const flatSpace = this.flatSpace();
    const items = flatSpace.#values(flat as SequenceElement<Space, K>) as readonly Element[];
    return this.#element(items.map((item) => this.featureSpace.unflatten(item)));
  }

  protected override emptyElement(make: ArrayMaker): Element {
    return this.stack ? this.featureSpace.createEmpty(1, make) : [];
  }
}
