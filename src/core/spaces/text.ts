/** @file Text: strings of bounded length over a set of characters. */

import { fail } from "../errors.ts";
import type { NdArray } from "../ndarray.ts";
import { zeros } from "../ndarray.ts";
import type { Rng } from "../rng.ts";
import { parseArray, setNumber } from "./arrays.ts";
import { Box } from "./box.ts";
import { allowedIndices, probabilitiesOf } from "./masks.ts";
import { OpaqueSpace } from "./opaque.ts";
import { checkSampleOptions, notOfSpace } from "./space.ts";
import type { Element, FlatData, SampleOptions, Space, SpaceJSON, SpaceSeed } from "./space.ts";
import { partsOf } from "./tuple.ts";

/** Latin letters and digits. */
export const alphanumeric: ReadonlySet<string> = new Set(
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
);

/** Options of a Text. */
export interface TextOptions {
  /** 1 by default. */
  readonly minLength?: number;
  /** A string keeps its order of characters (for masks and flat indices), a set is sorted. Letters and digits by default. */
  readonly charset?: string | ReadonlySet<string>;
  readonly seed?: SpaceSeed | Rng;
}

function byCodePoint(a: string, b: string): number {
  return (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0);
}

/**
 * Strings of `minLength` to `maxLength` characters. Lengths count Unicode characters, as in Python, not UTF-16 units.
 * @source Gymnasium 1.4 `spaces/text.py`
 */
export class Text extends OpaqueSpace<string> implements Space<string> {
  readonly kind = "Text";
  readonly flattenable = true;
  readonly minLength: number;
  readonly maxLength: number;
  /** The characters in order, each once. */
  readonly characterList: readonly string[];
  readonly #index: ReadonlyMap<string, number>;

  /** @throws INVALID_ARGUMENT on impossible lengths, or an element of the set that is not one character */
  constructor(maxLength: number, options: TextOptions = {}) {
    super(undefined, undefined);
    const { minLength = 1, charset = alphanumeric } = options;
    const list = typeof charset === "string" ? [...new Set(charset)] : [...charset].toSorted(byCodePoint);
    const lengths = Number.isInteger(minLength) && Number.isInteger(maxLength) && minLength >= 0;
    if (!lengths || minLength > maxLength || !list.every((char) => [...char].length === 1)) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "this Text has no elements",
        expected: "integers 0 <= minLength <= maxLength and a charset of single characters",
        got: `minLength ${minLength}, maxLength ${maxLength}, charset of ${list.length}`,
      });
    }
    this.minLength = minLength;
    this.maxLength = maxLength;
    this.characterList = list;
    this.#index = new Map(list.map((char, i) => [char, i]));
    this.seedFrom(options.seed);
  }

  /** All characters, sorted. */
  get characters(): string {
    return [...this.characterList].toSorted(byCodePoint).join("");
  }

  /** Position of a character in the list. @throws INVALID_ARGUMENT for one outside */
  characterIndex(char: string): number {
    return this.#index.get(char) ?? notOfSpace(this, "characters of the charset", char);
  }

  /**
   * `mask`: `[length, flags]`, `probability`: `[length, probabilities]`; the second over the characters in order; either
   * may be undefined or null. With all flags 0 the empty string, where it is an element.
   */
  sample(options: SampleOptions = {}): string {
    checkSampleOptions(options);
    const count = this.characterList.length;
    const given = options.mask ?? options.probability;
    const [length, weights] = given === undefined ? [] : partsOf(this, given, "length and weights", 2);
    const p = this.#weights(weights, options.mask !== undefined, count);
    const size = this.#length(length) ?? this.rng.integers(this.minLength, this.maxLength + 1);
    if (p.every((weight) => weight === 0)) {
      return this.minLength === 0
        ? ""
        : notOfSpace(this, "at least one character that the mask allows", "none");
    }
    return this.rng.choice(this.characterList, { size, p }).join("");
  }

  #weights(weights: unknown, isMask: boolean, count: number): Float64Array {
    if (weights === undefined || weights === null) return new Float64Array(count).fill(1 / count);
    if (!isMask) return probabilitiesOf(weights, count);
    const allowed = allowedIndices(weights, count);
    const p = new Float64Array(count);
    for (const index of allowed) p[index] = 1 / allowed.length;
    return p;
  }

  #length(length: unknown): number | undefined {
    if (length === undefined || length === null) return undefined;
    const fits =
      typeof length === "number" &&
      Number.isInteger(length) &&
      length >= this.minLength &&
      length <= this.maxLength;
    return fits
      ? length
      : notOfSpace(this, `a length from ${this.minLength} to ${this.maxLength}`, JSON.stringify(length));
  }

  contains(value: unknown): value is string {
    if (typeof value !== "string") return false;
    const chars = [...value];
    return (
      chars.length >= this.minLength &&
      chars.length <= this.maxLength &&
      chars.every((char) => this.#index.has(char))
    );
  }

  equals(other: unknown): boolean {
    return (
      other instanceof Text &&
      other.minLength === this.minLength &&
      other.maxLength === this.maxLength &&
      other.characters === this.characters
    );
  }

  /** Gymnasium asks for equal `maxLength` and characters only. */
  sameShape(other: Space): boolean {
    return (
      other instanceof Text && other.maxLength === this.maxLength && other.characters === this.characters
    );
  }

  copy(): Text {
    const { minLength } = this;
    return this.withRngState(new Text(this.maxLength, { minLength, charset: this.characterList.join("") }));
  }

  toJSON(): SpaceJSON {
    const { kind, minLength, maxLength } = this;
    return { kind, minLength, maxLength, charset: this.characterList.join("") };
  }

  override toString(): string {
    return `Text(${this.minLength}, ${this.maxLength}, charset=${this.characters})`;
  }

  override flatdim(): number {
    return this.maxLength;
  }

  flatSpace(): Box<"int32"> {
    return new Box(0, this.characterList.length, [this.maxLength], "int32");
  }

  /** Positions of the characters, filled up with the number of characters. */
  flatten(value: string): NdArray<"int32"> {
    const out = zeros("int32", [this.maxLength]);
    this.writeFlat(value, out.data, 0);
    return out;
  }

  override writeFlat(value: string, out: FlatData, offset: number): void {
    if (!this.contains(value))
      notOfSpace(this, "a string of its length and characters", JSON.stringify(value));
    const chars = [...value];
    for (let i = 0; i < this.maxLength; i++) {
      setNumber(
        out,
        offset + i,
        i < chars.length ? this.characterIndex(chars[i]) : this.characterList.length,
      );
    }
  }

  unflatten(flat: Element): string {
    const array = parseArray(flat, "float64");
    if (array === undefined) notOfSpace(this, `${this.maxLength} numbers`, typeof flat);
    const indices = Array.from(array.data as ArrayLike<number | bigint>, Number);
    return indices.map((index) => this.characterList[index] ?? "").join("");
  }

  protected override emptyElement(): Element {
    return (this.characters[0] ?? "").repeat(this.minLength);
  }
}
