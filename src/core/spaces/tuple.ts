/** @file Tuple: one element of each of several spaces, in order. */

import { fail } from "../errors.ts";
import type { DType } from "../ndarray.ts";
import { isNdArray, zeros } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import { rowViews } from "./arrays.ts";
import type { Box } from "./box.ts";
import { flatBoxOf, flattenParts, unflattenParts, writeParts } from "./flat-parts.ts";
import { BaseSpace, cannotBatch, checkSampleOptions, notOfSpace, repeated } from "./space.ts";
import type {
  ArrayMaker,
  BatchOf,
  Element,
  FlatData,
  SampleOf,
  SampleOptions,
  Space,
  SpaceJSON,
  SpaceSeed,
} from "./space.ts";

/** Elements of a Tuple of the spaces `S`. */
export type TupleElement<S extends readonly Space[]> = { readonly [I in keyof S]: SampleOf<S[I]> };

/** Largest int32: containers draw their children's seeds below it. */
export const SEED_LIMIT = 2147483647;

/**
 * Lists with one element of each space. @source Gymnasium 1.4 `spaces/tuple.py`
 */
export class Tuple<const S extends readonly Space[] = readonly Space[]>
  extends BaseSpace<TupleElement<S>>
  implements Space<TupleElement<S>>
{
  readonly kind = "Tuple";
  readonly spaces: S;
  #flat: Space | undefined;

  constructor(spaces: S, options: { readonly seed?: SpaceSeed | Rng } = {}) {
    super(undefined, undefined);
    this.spaces = [...spaces] as readonly Space[] as S;
    this.seedFrom(options.seed);
  }

  get length(): number {
    return this.spaces.length;
  }

  get flattenable(): boolean {
    return this.spaces.every((space) => space.flattenable);
  }

  /** An integer seeds this space, which draws its children's seeds; a list seeds the children. */
  override seed(seed?: SpaceSeed): SpaceSeed {
    if (seed === undefined) return this.spaces.map((space) => space.seed());
    if (typeof seed === "number" || typeof seed === "bigint") {
      this.seedSelf(seed);
      const drawn = this.rng.integers(0, SEED_LIMIT, { size: this.length }).data;
      return this.spaces.map((space, i) => space.seed(drawn[i]));
    }
    return this.spaces.map((space, i) =>
      space.seed(partsOf(this, seed, "seeds", this.length)[i] as SpaceSeed),
    );
  }

  /** `mask` and `probability`: a list with one entry for each space (undefined or null: free). */
  sample(options: SampleOptions = {}): TupleElement<S> {
    checkSampleOptions(options);
    const parts = (list: unknown, what: string): readonly unknown[] =>
      list === undefined ? [] : partsOf(this, list, what, this.length);
    const masks = parts(options.mask, "masks");
    const weights = parts(options.probability, "probabilities");
    return this.#element(
      this.spaces.map((space, i) =>
        space.sample({ mask: masks[i] ?? undefined, probability: weights[i] ?? undefined }),
      ),
    );
  }

  #element(parts: readonly unknown[]): TupleElement<S> {
    return parts as TupleElement<S>;
  }

  contains(value: unknown): value is TupleElement<S> {
    const parts = isNdArray(value) && value.shape.length > 0 ? [...rowViews(value)] : value;
    return (
      Array.isArray(parts) &&
      parts.length === this.length &&
      this.spaces.every((space, i) => space.contains(parts[i]))
    );
  }

  equals(other: unknown): boolean {
    return (
      other instanceof Tuple &&
      other.length === this.length &&
      this.spaces.every((space, i) => space.equals(other.spaces[i]))
    );
  }

  sameShape(other: Space): boolean {
    return (
      other instanceof Tuple &&
      other.length === this.length &&
      this.spaces.every((space, i) => space.sameShape(other.spaces[i] as Space))
    );
  }

  copy(): Tuple<S> {
    return this.withRngState(new Tuple<S>(this.spaces.map((space) => space.copy()) as readonly Space[] as S));
  }

  toJSON(): SpaceJSON {
    return { kind: this.kind, spaces: this.spaces.map((space) => space.toJSON()) };
  }

  override toString(): string {
    return `Tuple(${this.spaces.join(", ")})`;
  }

  /** One list per space. */
  override toJsonable(samples: readonly TupleElement<S>[]): unknown {
    return this.spaces.map((space, i) => space.toJsonable(samples.map((sample) => sample[i])));
  }

  override fromJsonable(json: unknown): TupleElement<S>[] {
    const columns = this.spaces.map((space, i) => space.fromJsonable((json as unknown[])[i]));
    return (columns[0] ?? []).map((_, row) => this.#element(columns.map((column) => column[row])));
  }

  override flatdim(): number {
    if (!this.flattenable) this.notFlattenable();
    return this.spaces.reduce((sum, space) => sum + space.flatdim(), 0);
  }

  flatSpace(): Space {
    this.#flat ??= this.flattenable
      ? flatBoxOf(this.spaces)
      : new Tuple(this.spaces.map((space) => space.flatSpace()));
    return this.#flat;
  }

  flatten(value: TupleElement<S>): Element {
    const parts = value as readonly unknown[];
    if (parts.length !== this.length) notOfSpace(this, `${this.length} parts`, `${parts.length}`);
    if (this.flattenable) return flattenParts(this.spaces, parts, this.flatSpace() as Box<DType>);
    return this.spaces.map((space, i) => space.flatten(parts[i]));
  }

  override writeFlat(value: TupleElement<S>, out: FlatData, offset: number): void {
    if (!this.flattenable) this.notFlattenable();
    writeParts(this.spaces, value, out, offset);
  }

  unflatten(flat: Element): TupleElement<S> {
    if (this.flattenable) return this.#element(unflattenParts(this.spaces, flat));
    const parts = partsOf(this, flat, "flattened parts", this.length) as readonly Element[];
    return this.#element(this.spaces.map((space, i) => space.unflatten(parts[i])));
  }

  batch(n: number): Tuple<{ [I in keyof S]: BatchOf<S[I]> }> {
    repeated(this, n);
    const spaces = this.spaces.map((space) => space.batch(n)) as readonly Space[];
    return new Tuple(spaces as { [I in keyof S]: BatchOf<S[I]> }, { seed: this.rng.copy() });
  }

  batchDiffering(spaces: readonly Space[]): Tuple {
    const all = spaces.map((space) =>
      space instanceof Tuple && space.length === this.length ? space : cannotBatch(this, space),
    );
    const parts = this.spaces.map((space, i) =>
      space.batchDiffering(all.map((tuple) => tuple.spaces[i] as Space)),
    );
    return new Tuple(parts, { seed: this.rng.copy() });
  }

  createEmpty(n: number, make: ArrayMaker = zeros): Element {
    return this.spaces.map((space) => space.createEmpty(n, make));
  }

  concatenate(items: readonly TupleElement<S>[], out: Element): Element {
    const parts = out as readonly Element[];
    this.spaces.forEach((space, i) =>
      space.concatenate(
        items.map((item) => item[i]),
        parts[i],
      ),
    );
    return out;
  }

  override batchLength(batch: unknown): number | undefined {
    return Array.isArray(batch) && this.length > 0 ? this.spaces[0].batchLength(batch[0]) : undefined;
  }

  /** Parts of the n-th elements together; where a part cannot be iterated, the list itself is the batch. */
  *iterate(items: TupleElement<S>): Iterable<unknown> {
    const parts = items as readonly unknown[];
    if (!this.spaces.every((space) => space.iterable)) {
      yield* parts;
      return;
    }
    const columns = this.spaces.map((space, i) => [...space.iterate(parts[i])]);
    const rowCount = columns.length === 0 ? 0 : Math.min(...columns.map((column) => column.length));
    for (let row = 0; row < rowCount; row++) yield columns.map((column) => column[row]);
  }
}

/** A list of `count` entries, one per child. @throws INVALID_ARGUMENT */
export function partsOf(space: Space, list: unknown, what: string, count: number): readonly unknown[] {
  if (Array.isArray(list) && list.length === count) return list;
  return fail({
    code: "INVALID_ARGUMENT",
    what: `the ${what} do not fit ${space}`,
    expected: `a list of ${count}`,
    got: Array.isArray(list) ? `a list of ${list.length}` : isNdArray(list) ? "an array" : typeof list,
  });
}

/** A Tuple of `n` copies, each with its own seed drawn from a copy of the space's generator. */
export function tupleOfCopies<S extends Space>(space: S, n: number): Tuple<readonly S[]> {
  const copies = repeated(space, n).map((original) => original.copy() as S);
  const batched = new Tuple<readonly S[]>(copies);
  batched.rng = space.rng.copy();
  const seeds = space.rng.copy().integers(0, 100000000, { size: n });
  batched.seed([...seeds.data]);
  return batched;
}
