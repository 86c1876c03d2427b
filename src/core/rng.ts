/** @file The only randomness: a seeded generator whose draws equal `numpy.random.default_rng(seed)` bit for bit. */

import { below32, drawInteger, fillIntegers } from "./bounded.ts";
import { integerLimits } from "./dtypes.ts";
import type { IntegerDType } from "./dtypes.ts";
import { fail } from "./errors.ts";
import type { NdArray } from "./ndarray.ts";
import { isNdArray, sizeOf, takeRows, zeros } from "./ndarray.ts";
import { NoiseStream } from "./noise.ts";
import type { NoiseState } from "./noise.ts";
import { Pcg64 } from "./pcg64.ts";
import type { Pcg64State } from "./pcg64.ts";
import { pickIndices, shufflePositions } from "./permute.ts";
import type { PickOptions } from "./permute.ts";
import { SeedSequence } from "./seed-sequence.ts";
import type { Seed, SeedSequenceState } from "./seed-sequence.ts";
import { standardExponential, standardNormal } from "./ziggurat.ts";

/** Everything a generator is, as plain JSON: `Rng.fromState` continues the stream exactly. */
export interface RngState {
  readonly bitGenerator: "PCG64";
  readonly bits: Pcg64State;
  readonly seed: SeedSequenceState;
  /** The bulk noise stream, once it has been used. */
  readonly noise?: NoiseState;
}

/** Shape of a draw: a length or a shape. */
export type Size = number | readonly number[];

/** Options of `integers`. */
export interface IntegerOptions<D extends IntegerDType = IntegerDType> {
  readonly size?: Size;
  /** NumPy's stream depends on the width: 8- and 16-bit draws slice words. Default "int32" (equal to NumPy's int64 draws). */
  readonly dtype?: D;
  /** Include `high`. */
  readonly endpoint?: boolean;
}

/** Options of `choice`. */
export interface ChoiceOptions extends PickOptions {
  readonly size?: Size;
}

function shapeOf(size: Size): number[] {
  return typeof size === "number" ? [size] : [...size];
}

function isRange(value: unknown): value is bigint | number {
  return typeof value === "bigint" || Number.isSafeInteger(value);
}

/** A generator. Not shared between consumers that must be independent: give each a child of `spawn`. */
export class Rng {
  readonly #bits: Pcg64;
  readonly #seed: SeedSequence;
  #noise: NoiseStream | undefined;

  private constructor(bits: Pcg64, seed: SeedSequence, noise?: NoiseStream) {
    this.#bits = bits;
    this.#seed = seed;
    this.#noise = noise;
  }

  /** From a seed; without one, from the platform's entropy. @throws INVALID_ARGUMENT on a negative or fractional seed */
  static fromSeed(seed?: Seed): Rng {
    return Rng.#fromSequence(SeedSequence.fromSeed(seed));
  }

  /** From a record made by `state`. */
  static fromState(state: RngState): Rng {
    const noise = state.noise === undefined ? undefined : new NoiseStream(state.noise);
    return new Rng(Pcg64.fromState(state.bits), SeedSequence.fromState(state.seed), noise);
  }

  static #fromSequence(sequence: SeedSequence): Rng {
    return new Rng(Pcg64.fromWords(sequence.generateState(8)), sequence);
  }

  get state(): RngState {
    const record = { bitGenerator: "PCG64", bits: this.#bits.state, seed: this.#seed.state } as const;
    return this.#noise === undefined ? record : { ...record, noise: this.#noise.state };
  }

  /** The seed as one integer: what was passed to `fromSeed`, or the entropy that stood in for it. */
  get entropy(): bigint {
    return this.#seed.entropy.reduceRight((value, word) => (value << 32n) | BigInt(word), 0n);
  }

  /** A generator that continues as this one does and shares nothing with it. */
  copy(): Rng {
    return Rng.fromState(this.state);
  }

  /** `count` independent generators, as `Generator.spawn`; does not advance this one's stream. */
  spawn(count: number): Rng[] {
    return this.#seed.spawn(count).map((sequence) => Rng.#fromSequence(sequence));
  }

  /** Uniform in [0, 1): 53 random bits; as float32 24 bits of a stream of its own, as in NumPy. */
  random(): number;
  random(size: Size): NdArray<"float64">;
  random(size: Size, dtype: "float32"): NdArray<"float32">;
  random(size?: Size, dtype?: "float32"): number | NdArray {
    if (size === undefined) return this.#bits.nextDouble();
    if (dtype === "float32") {
      const out = zeros(dtype, shapeOf(size));
      for (let i = 0; i < out.data.length; i++) out.data[i] = this.#bits.nextFloat();
      return out;
    }
    return this.#filled(size, () => this.#bits.nextDouble());
  }

  /** Uniform in [low, high). */
  uniform(low?: number, high?: number): number;
  uniform(low: number, high: number, size: Size): NdArray<"float64">;
  uniform(low = 0, high = 1, size?: Size): number | NdArray<"float64"> {
    const range = high - low;
    if (size === undefined) return low + range * this.#bits.nextDouble();
    return this.#filled(size, () => low + range * this.#bits.nextDouble());
  }

  /** Normal with mean `loc` and standard deviation `scale`. */
  normal(loc?: number, scale?: number): number;
  normal(loc: number, scale: number, size: Size): NdArray<"float64">;
  normal(loc = 0, scale = 1, size?: Size): number | NdArray<"float64"> {
    if (size === undefined) return loc + scale * standardNormal(this.#bits);
    return this.#filled(size, () => loc + scale * standardNormal(this.#bits));
  }

  /** Normal with mean 0 and standard deviation 1. */
  standardNormal(): number;
  standardNormal(size: Size): NdArray<"float64">;
  standardNormal(size?: Size): number | NdArray<"float64"> {
    if (size === undefined) return standardNormal(this.#bits);
    return this.#filled(size, () => standardNormal(this.#bits));
  }

  /** Exponential with mean `scale`. */
  exponential(scale?: number): number;
  exponential(scale: number, size: Size): NdArray<"float64">;
  exponential(scale = 1, size?: Size): number | NdArray<"float64"> {
    if (size === undefined) return scale * standardExponential(this.#bits);
    return this.#filled(size, () => scale * standardExponential(this.#bits));
  }

  /** Number of trials up to the first success of probability `p`; 1 or more. */
  geometric(p: number): number {
    if (!(p > 0 && p <= 1)) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "geometric needs a probability",
        expected: "0 < p <= 1",
        got: `${p}`,
      });
    }
    if (p < 1 / 3) return Math.ceil(-standardExponential(this.#bits) / Math.log1p(-p));
    const target = this.#bits.nextDouble();
    let trials = 1;
    let term = p;
    for (let sum = p; target > sum; sum += term) {
      term *= 1 - p;
      trials++;
    }
    return trials;
  }

  /**
   * Integers from `low` up to but without `high`, or from 0 to `low`.
   * @throws INVALID_ARGUMENT when the range is empty or does not fit the dtype
   */
  integers<D extends IntegerDType = "int32">(
    low: number | bigint,
    high: number | bigint | undefined,
    options: IntegerOptions<D> & { readonly size: Size },
  ): NdArray<D>;
  integers(
    low: number,
    high?: number,
    options?: { readonly dtype?: IntegerDType; readonly endpoint?: boolean },
  ): number;
  integers(low: number | bigint, high?: number | bigint, options?: IntegerOptions): number | NdArray {
    if (options === undefined && typeof low === "number") {
      const [start, stop] = high === undefined ? [0, low] : [low, Number(high)];
      const range = stop - start - 1;
      if (Number.isInteger(start) && Number.isInteger(range) && range >= 0 && range < 4294967296) {
        return start + below32(this.#bits, range);
      }
    }
    return this.#integersChecked(low, high, options ?? {});
  }

  #integersChecked(
    low: number | bigint,
    high: number | bigint | undefined,
    options: IntegerOptions,
  ): number | NdArray {
    const [first, end] = high === undefined ? [0, low] : [low, high];
    const last =
      typeof end === "bigint" ? (options.endpoint ? end : end - 1n) : options.endpoint ? end : end - 1;
    const dtype = options.dtype ?? (options.size === undefined ? "int64" : "int32");
    if (
      !isRange(first) ||
      !isRange(last) ||
      first > last ||
      first < integerLimits[dtype][0] ||
      last > integerLimits[dtype][1]
    ) {
      fail({
        code: "INVALID_ARGUMENT",
        what: `no ${dtype} integers lie in this range`,
        expected: `${integerLimits[dtype][0]} <= low <= high <= ${integerLimits[dtype][1]}`,
        got: `low ${first}, last ${last}`,
        fix: "swap or widen the bounds, or choose a wider dtype",
      });
    }
    return options.size === undefined
      ? drawInteger(this.#bits, first, last, dtype)
      : fillIntegers(this.#bits, first, last, zeros(dtype, shapeOf(options.size)));
  }

  /** Pick from 0 … n-1, or from the items of an array; one without `size`. Equal to `Generator.choice`. */
  choice(candidates: number, options: ChoiceOptions & { readonly size: Size }): NdArray<"int32">;
  choice(candidates: number, options?: PickOptions): number;
  choice<T>(candidates: readonly T[], options: ChoiceOptions & { readonly size: Size }): T[];
  choice<T>(candidates: readonly T[], options?: PickOptions): T;
  choice(candidates: number | readonly unknown[], options: ChoiceOptions = {}): unknown {
    const population = typeof candidates === "number" ? candidates : candidates.length;
    const shape = options.size === undefined ? [] : shapeOf(options.size);
    const picked = pickIndices(this.#bits, population, sizeOf(shape), options);
    if (typeof candidates !== "number") {
      return options.size === undefined ? candidates[picked[0]] : picked.map((index) => candidates[index]);
    }
    if (options.size === undefined) return picked[0];
    return { dtype: "int32", shape, data: Int32Array.from(picked) };
  }

  /** Shuffle in place: an array, a typed array, or an NdArray along its first axis. */
  shuffle(items: unknown[] | NdArray | Exclude<NdArray["data"], BigInt64Array | BigUint64Array>): void {
    if (isNdArray(items)) {
      const order = Array.from({ length: items.shape[0] }, (_, i) => i);
      this.shuffle(order);
      items.data.set(takeRows(items, order).data as never);
      return;
    }
    shufflePositions(this.#bits, items.length, (i, j) => {
      const kept = items[i];
      items[i] = items[j];
      items[j] = kept;
    });
  }

  /** 0 … n-1 in random order, or a shuffled copy of an array. */
  permutation(items: number): NdArray<"int32">;
  permutation<T>(items: readonly T[]): T[];
  permutation(items: number | readonly unknown[]): unknown {
    if (typeof items === "number") {
      const order = Int32Array.from({ length: items }, (_, i) => i);
      this.shuffle(order);
      return { dtype: "int32", shape: [items], data: order };
    }
    const copy = [...items];
    this.shuffle(copy);
    return copy;
  }

  /**
   * Fill with standard normals, fast. A stream of its own (sfc32, not NumPy's), keyed from this generator's state at the
   * first fill without drawing from it; part of `state`.
   */
  fillNormal(out: Float32Array): void {
    this.#noiseStream().fillNormal(out);
  }

  /** Fill with uniforms in [0, 1), fast; the same stream as `fillNormal`. */
  fillUniform(out: Float32Array): void {
    this.#noiseStream().fillUniform(out);
  }

  #noiseStream(): NoiseStream {
    if (this.#noise === undefined) {
      const { state, inc } = this.#bits.state;
      this.#noise = NoiseStream.fromKey(SeedSequence.fromSeed([BigInt(state), BigInt(inc)]).generateState(3));
    }
    return this.#noise;
  }

  #filled(size: Size, draw: () => number): NdArray<"float64"> {
    const out = zeros("float64", shapeOf(size));
    for (let i = 0; i < out.data.length; i++) out.data[i] = draw();
    return out;
  }
}
