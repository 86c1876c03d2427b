/** @file Dict: one element of each of several named spaces. */

import { fail } from "../errors.ts";
import type { DType } from "../ndarray.ts";
import { isNdArray, zeros } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import type { Box } from "./box.ts";
import { flatBoxOf, flattenParts, unflattenParts, writeParts } from "./flat-parts.ts";
import { quoted } from "./format.ts";
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
import { SEED_LIMIT } from "./tuple.ts";

/** Named spaces. */
export type SpaceRecord = Readonly<Record<string, Space>>;

/** Elements of a Dict of the spaces `S`. */
export type DictElement<S extends SpaceRecord> = { readonly [K in keyof S]: SampleOf<S[K]> };

type Entries = readonly (readonly [string, unknown])[];

/** Is `value` a plain record, and not an array of any kind? */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !isNdArray(value) &&
    !ArrayBuffer.isView(value)
  );
}

/**
 * Records with one element for each name. A record of spaces is ordered by name, as Gymnasium orders a plain dict; a
 * Map or a list of pairs keeps its order, which sampling and flattening follow. @source Gymnasium 1.4 `spaces/dict.py`
 */
export class Dict<S extends SpaceRecord = SpaceRecord>
  extends BaseSpace<DictElement<S>>
  implements Space<DictElement<S>>
{
  readonly kind = "Dict";
  readonly spaces: S;
  /** Names in the order of drawing and flattening. */
  readonly keys: readonly (string & keyof S)[];
  #flat: Space | undefined;

  constructor(
    spaces: S | ReadonlyMap<string, Space> | readonly (readonly [string, Space])[],
    options: { readonly seed?: SpaceSeed | Rng } = {},
  ) {
    super(undefined, undefined);
    const ordered = spaces instanceof Map || Array.isArray(spaces);
    const entries: Entries = ordered
      ? [...(spaces as ReadonlyMap<string, Space>)]
      : Object.entries(spaces).toSorted(byName);
    if (new Set(entries.map(([key]) => key)).size < entries.length) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "a Dict has a name twice",
        got: entries.map(([key]) => key).join(", "),
      });
    }
    this.spaces = Object.fromEntries(entries) as SpaceRecord as S;
    this.keys = entries.map(([key]) => key);
    this.seedFrom(options.seed);
  }

  get length(): number {
    return this.keys.length;
  }

  get flattenable(): boolean {
    return this.#list().every((space) => space.flattenable);
  }

  #list(): readonly Space[] {
    return this.keys.map((key) => this.spaces[key]);
  }

  #each<R>(valueOf: (space: Space, key: string, index: number) => R): Readonly<Record<string, R>> {
    return Object.fromEntries(this.keys.map((key, i) => [key, valueOf(this.spaces[key], key, i)] as const));
  }

  #element(valueOf: (space: Space, key: string, index: number) => unknown): DictElement<S> {
    return this.#each(valueOf) as DictElement<S>;
  }

  #hasKeysOf(value: unknown): value is Readonly<Record<string, never>> {
    return (
      isRecord(value) &&
      Object.keys(value).length === this.length &&
      this.keys.every((key) => Object.hasOwn(value, key))
    );
  }

  /** The record itself, once its names are the space's. */
  #checked(value: unknown, what: string): Readonly<Record<string, never>> {
    if (this.#hasKeysOf(value)) return value;
    return fail({
      code: "INVALID_ARGUMENT",
      what: `the ${what} do not fit ${this}`,
      expected: `a record with ${this.keys.join(", ")}`,
      got: isRecord(value) ? Object.keys(value).join(", ") : typeof value,
    });
  }

  /** An integer seeds this space, which draws its children's seeds; a record seeds the children. */
  override seed(seed?: SpaceSeed): SpaceSeed {
    if (seed === undefined) return this.#each((space) => space.seed());
    if (typeof seed === "number" || typeof seed === "bigint") {
      this.seedSelf(seed);
      const drawn = this.rng.integers(0, SEED_LIMIT, { size: this.length }).data;
      return this.#each((space, _, i) => space.seed(drawn[i]));
    }
    const seeds = this.#checked(seed, "seeds");
    return this.#each((space, key) => space.seed(seeds[key]));
  }

  /** `mask` and `probability`: a record with an entry for every name (undefined or null: free). */
  sample(options: SampleOptions = {}): DictElement<S> {
    checkSampleOptions(options);
    const masks = options.mask === undefined ? {} : this.#checked(options.mask, "masks");
    const weights =
      options.probability === undefined ? {} : this.#checked(options.probability, "probabilities");
    return this.#element((space, key) =>
      space.sample({ mask: entry(masks, key), probability: entry(weights, key) }),
    );
  }

  contains(value: unknown): value is DictElement<S> {
    return this.#hasKeysOf(value) && this.keys.every((key) => this.spaces[key].contains(value[key]));
  }

  equals(other: unknown): boolean {
    return (
      other instanceof Dict &&
      other.length === this.length &&
      this.keys.every((key) => Object.hasOwn(other.spaces, key) && this.spaces[key].equals(other.spaces[key]))
    );
  }

  sameShape(other: Space): boolean {
    return (
      other instanceof Dict &&
      other.length === this.length &&
      this.keys.every(
        (key) => Object.hasOwn(other.spaces, key) && this.spaces[key].sameShape(other.spaces[key] as Space),
      )
    );
  }

  /** A Dict with the same names in the same order over other spaces. */
  #mapped<R extends SpaceRecord>(spaceOf: (space: Space, key: string) => Space, seed?: Rng): Dict<R> {
    return new Dict<R>(
      this.keys.map((key) => [key, spaceOf(this.spaces[key], key)] as const),
      { seed },
    );
  }

  copy(): Dict<S> {
    return this.withRngState(this.#mapped<S>((space) => space.copy()));
  }

  toJSON(): SpaceJSON {
    return { kind: this.kind, spaces: this.keys.map((key) => [key, this.spaces[key].toJSON()]) };
  }

  override toString(): string {
    return `Dict(${this.keys.map((key) => `${quoted(key)}: ${this.spaces[key]}`).join(", ")})`;
  }

  /** One list per name. */
  override toJsonable(samples: readonly DictElement<S>[]): unknown {
    return this.#element((space, key) => space.toJsonable(samples.map((sample) => sample[key])));
  }

  override fromJsonable(json: unknown): DictElement<S>[] {
    const lists = this.#checked(json, "lists");
    const columns = this.#list().map((space, i) => space.fromJsonable(lists[this.keys[i]]));
    return (columns[0] ?? []).map((_, row) => this.#element((_space, _key, i) => columns[i][row]));
  }

  override flatdim(): number {
    if (!this.flattenable) this.notFlattenable();
    return this.#list().reduce((sum, space) => sum + space.flatdim(), 0);
  }

  flatSpace(): Space {
    this.#flat ??= this.flattenable ? flatBoxOf(this.#list()) : this.#mapped((space) => space.flatSpace());
    return this.#flat;
  }

  flatten(value: DictElement<S>): Element {
    if (!this.#hasKeysOf(value)) notOfSpace(this, `a record with ${this.keys.join(", ")}`, typeof value);
    const parts = this.keys.map((key) => value[key]);
    if (this.flattenable) return flattenParts(this.#list(), parts, this.flatSpace() as Box<DType>);
    return this.#each((space, key) => space.flatten(value[key]));
  }

  override writeFlat(value: DictElement<S>, out: FlatData, offset: number): void {
    if (!this.flattenable) this.notFlattenable();
    writeParts(
      this.#list(),
      this.keys.map((key) => value[key]),
      out,
      offset,
    );
  }

  unflatten(flat: Element): DictElement<S> {
    if (!this.flattenable) {
      const parts = this.#checked(flat, "flattened parts");
      return this.#element((space, key) => space.unflatten(parts[key]));
    }
    const parts = unflattenParts(this.#list(), flat);
    return this.#element((_space, _key, i) => parts[i]);
  }

  batch(n: number): Dict<{ [K in keyof S]: BatchOf<S[K]> }> {
    repeated(this, n);
    return this.#mapped((space) => space.batch(n), this.rng.copy());
  }

  batchDiffering(spaces: readonly Space[]): Dict {
    const all = spaces.map((space) =>
      space instanceof Dict && this.#hasKeysOf(space.spaces) ? (space as Dict) : cannotBatch(this, space),
    );
    return this.#mapped(
      (space, key) => space.batchDiffering(all.map((dict) => dict.spaces[key])),
      this.rng.copy(),
    );
  }

  createEmpty(n: number, make: ArrayMaker = zeros): Element {
    return this.#each((space) => space.createEmpty(n, make));
  }

  concatenate(items: readonly DictElement<S>[], out: Element): Element {
    const parts = out as Readonly<Record<string, Element>>;
    for (const key of this.keys)
      this.spaces[key].concatenate(
        items.map((item) => item[key]),
        parts[key],
      );
    return out;
  }

  override batchLength(batch: unknown): number | undefined {
    const [first] = this.keys;
    return this.#hasKeysOf(batch) && first !== undefined
      ? this.spaces[first].batchLength(batch[first])
      : undefined;
  }

  *iterate(items: DictElement<S>): Iterable<DictElement<S>> {
    const columns = this.keys.map((key) => [...this.spaces[key].iterate(items[key])]);
    const rowCount = columns.length === 0 ? 0 : Math.min(...columns.map((column) => column.length));
    for (let row = 0; row < rowCount; row++) yield this.#element((_space, _key, i) => columns[i][row]);
  }
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function entry(record: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(record, key) ? (record[key] ?? undefined) : undefined;
}
