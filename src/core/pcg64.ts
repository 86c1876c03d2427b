/** @file The PCG64 bit generator (XSL-RR 128/64) in 32-bit limbs, bit-equal to NumPy's and free of BigInt when drawing. */

/** JSON-able state under NumPy's names; the 128-bit integers are decimal text, ready for `Generator.bit_generator.state`. */
export interface Pcg64State {
  readonly state: string;
  readonly inc: string;
  readonly hasUint32: boolean;
  readonly uinteger: number;
}

// Multiplier 0x2360ED051FC65DA44385DF649FCCF645, low limb first.
const M0 = 0x9fccf645;
const M1 = 0x4385df64;
const M2 = 0x1fc65da4;
const M3 = 0x2360ed05;
const TWO_32 = 4294967296;
const PER_TWO_32 = 1 / TWO_32;
const ROUNDER = 4503599627370496;

function limbsOf(text: string): number[] {
  const value = BigInt(text);
  return [0n, 32n, 64n, 96n].map((shift) => Number((value >> shift) & 0xffffffffn) | 0);
}

function textOf(limbs: Int32Array): string {
  return limbs.reduceRight((value, limb) => (value << 32n) | BigInt(limb >>> 0), 0n).toString();
}

/**
 * The 64-bit word of the latest draw stands in `high` and `low` (int32 bit patterns): a pair returned by value would
 * be an allocation on every draw.
 * @source O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms" (2014); NumPy `pcg64.h`
 */
export class Pcg64 {
  high = 0;
  low = 0;
  readonly #state = new Int32Array(4);
  readonly #increment = new Int32Array(4);
  #hasUint32 = false;
  #uinteger = 0;

  /** From eight 32-bit words of `SeedSequence.generateState(8)`. */
  static fromWords(words: Uint32Array): Pcg64 {
    const generator = new Pcg64();
    const [s, increment] = [generator.#state, generator.#increment];
    // The words form little-endian uint64s; the first of each pair is the high half of the 128-bit integer.
    const [i3, i2, i1, i0] = [words[5], words[4], words[7], words[6]];
    increment.set([(i0 << 1) | 1, (i1 << 1) | (i0 >>> 31), (i2 << 1) | (i1 >>> 31), (i3 << 1) | (i2 >>> 31)]);
    generator.next();
    let carry = 0;
    const initial = [words[2], words[3], words[0], words[1]];
    for (let i = 0; i < 4; i++) {
      const sum = (s[i] >>> 0) + initial[i] + carry;
      s[i] = sum | 0;
      carry = sum >= TWO_32 ? 1 : 0;
    }
    generator.next();
    return generator;
  }

  static fromState(state: Pcg64State): Pcg64 {
    const generator = new Pcg64();
    generator.#state.set(limbsOf(state.state));
    generator.#increment.set(limbsOf(state.inc));
    generator.#hasUint32 = state.hasUint32;
    generator.#uinteger = state.uinteger | 0;
    return generator;
  }

  get state(): Pcg64State {
    return {
      state: textOf(this.#state),
      inc: textOf(this.#increment),
      hasUint32: this.#hasUint32,
      uinteger: this.#uinteger >>> 0,
    };
  }

  /** Advance one step; the 64-bit output is left in `high` and `low`. */
  next(): void {
    const s = this.#state;
    const c = this.#increment;
    const [i0, i1, i2, i3] = [s[0], s[1], s[2], s[3]];
    const [a0, a1, a2] = [i0 >>> 0, i1 >>> 0, i2 >>> 0];
    const l00 = Math.imul(i0, M0) >>> 0;
    const l01 = Math.imul(i0, M1) >>> 0;
    const l10 = Math.imul(i1, M0) >>> 0;
    const l02 = Math.imul(i0, M2) >>> 0;
    const l11 = Math.imul(i1, M1) >>> 0;
    const l20 = Math.imul(i2, M0) >>> 0;
    // The low word of a product is exact, so rounding (float product - low) / 2^32 gives the exact high word.
    const h00 = (a0 * M0 - l00) * PER_TWO_32 + ROUNDER - ROUNDER;
    const h01 = (a0 * M1 - l01) * PER_TWO_32 + ROUNDER - ROUNDER;
    const h10 = (a1 * M0 - l10) * PER_TWO_32 + ROUNDER - ROUNDER;
    const h02 = (a0 * M2 - l02) * PER_TWO_32 + ROUNDER - ROUNDER;
    const h11 = (a1 * M1 - l11) * PER_TWO_32 + ROUNDER - ROUNDER;
    const h20 = (a2 * M0 - l20) * PER_TWO_32 + ROUNDER - ROUNDER;
    const c0 = l00 + (c[0] >>> 0);
    const r0 = c0 | 0;
    const c1 = h00 + l01 + l10 + (c[1] >>> 0) + (c0 >= TWO_32 ? 1 : 0);
    const r1 = c1 | 0;
    const c2 = h01 + h10 + l02 + l11 + l20 + (c[2] >>> 0) + Math.floor(c1 * PER_TWO_32);
    const r2 = c2 | 0;
    const lows = (Math.imul(i0, M3) + Math.imul(i1, M2) + Math.imul(i2, M1) + Math.imul(i3, M0)) | 0;
    const r3 = (lows + c[3] + ((h02 + h11 + h20 + Math.floor(c2 * PER_TWO_32)) | 0)) | 0;
    s[0] = r0;
    s[1] = r1;
    s[2] = r2;
    s[3] = r3;
    this.#output(r0 ^ r2, r1 ^ r3, r3 >>> 26);
  }

  #output(low: number, high: number, rotation: number): void {
    const near = rotation < 32 ? low : high;
    const far = rotation < 32 ? high : low;
    const shift = rotation & 31;
    if (shift === 0) {
      this.low = near;
      this.high = far;
    } else {
      this.low = (near >>> shift) | (far << (32 - shift));
      this.high = (far >>> shift) | (near << (32 - shift));
    }
  }

  /** A 32-bit draw, unsigned: the low half of a 64-bit word first, its high half at the next call. */
  nextUint32(): number {
    if (this.#hasUint32) {
      this.#hasUint32 = false;
      return this.#uinteger >>> 0;
    }
    this.next();
    this.#hasUint32 = true;
    this.#uinteger = this.high;
    return this.low >>> 0;
  }

  /** A float64 in [0, 1) with 53 random bits. */
  nextDouble(): number {
    this.next();
    return ((this.high >>> 0) * 2097152 + (this.low >>> 11)) * (1 / 9007199254740992);
  }

  /** A float32 in [0, 1) with 24 random bits. */
  nextFloat(): number {
    return (this.nextUint32() >>> 8) * (1 / 16777216);
  }
}
