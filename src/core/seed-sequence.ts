/** @file NumPy's SeedSequence: turns any seed into well-mixed generator state, and one seed into independent children. */

import { fail } from "./errors.ts";

/** A non-negative integer of any size, or a list of them. */
export type Seed = number | bigint | readonly (number | bigint)[];

/** JSON-able record of a seed sequence: enough to continue spawning where it stopped. */
export interface SeedSequenceState {
  /** Little-endian 32-bit words of the seed. */
  readonly entropy: readonly number[];
  readonly spawnKey: readonly number[];
  readonly childrenSpawned: number;
}

const POOL_SIZE = 4;
const INIT_A = 0x43b0d7e5;
const MULT_A = 0x931e8875;
const INIT_B = 0x8b51f9dd;
const MULT_B = 0x58f38ded;
const MIX_LEFT = 0xca01f9dd;
const MIX_RIGHT = 0x4973f715;

function wordsOfInteger(value: number | bigint): number[] {
  const valid = typeof value === "bigint" ? value >= 0n : Number.isSafeInteger(value) && value >= 0;
  if (!valid) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "a seed must be a non-negative integer",
      expected: "an integer from 0 to 2^53 - 1, a bigint, or a list of these",
      got: String(value),
      fix: "use a bigint for a larger seed",
    });
  }
  const words: number[] = [];
  for (let rest = BigInt(value); rest > 0n; rest >>= 32n) words.push(Number(rest & 0xffffffffn));
  return words.length === 0 ? [0] : words;
}

function wordsOfSeed(seed: Seed): number[] {
  return typeof seed === "object" ? seed.flatMap(wordsOfInteger) : wordsOfInteger(seed);
}

function mix(x: number, y: number): number {
  const result = (Math.imul(MIX_LEFT, x) - Math.imul(MIX_RIGHT, y)) | 0;
  return result ^ (result >>> 16);
}

function mixedPool(entropy: readonly number[]): Int32Array {
  const pool = new Int32Array(POOL_SIZE);
  let constant = INIT_A;
  const hash = (value: number): number => {
    const salted = value ^ constant;
    constant = Math.imul(constant, MULT_A);
    const product = Math.imul(salted, constant);
    return product ^ (product >>> 16);
  };
  for (let i = 0; i < POOL_SIZE; i++) pool[i] = hash(entropy[i] ?? 0);
  for (let source = 0; source < POOL_SIZE; source++) {
    for (let target = 0; target < POOL_SIZE; target++) {
      if (source !== target) pool[target] = mix(pool[target], hash(pool[source]));
    }
  }
  for (let source = POOL_SIZE; source < entropy.length; source++) {
    for (let target = 0; target < POOL_SIZE; target++)
      pool[target] = mix(pool[target], hash(entropy[source]));
  }
  return pool;
}

/**
 * Seed material of one generator and the root of its children. Equal to `numpy.random.SeedSequence(entropy)`.
 * @source O'Neill, "Developing a seed_seq alternative" (2015); NumPy `bit_generator.pyx`
 */
export class SeedSequence {
  readonly entropy: readonly number[];
  readonly spawnKey: readonly number[];
  #childrenSpawned: number;
  readonly #pool: Int32Array;

  private constructor(state: SeedSequenceState) {
    this.entropy = [...state.entropy];
    this.spawnKey = [...state.spawnKey];
    this.#childrenSpawned = state.childrenSpawned;
    // A short seed is padded before the spawn key, else seed [1] child 2 would equal seed [1, 2].
    const padding = this.spawnKey.length > 0 ? Math.max(0, POOL_SIZE - this.entropy.length) : 0;
    this.#pool = mixedPool([...this.entropy, ...Array.from({ length: padding }, () => 0), ...this.spawnKey]);
  }

  /** From a seed; without one, from 128 bits of the platform's entropy. @throws INVALID_ARGUMENT on a bad seed */
  static fromSeed(seed?: Seed): SeedSequence {
    const entropy =
      seed === undefined
        ? [...globalThis.crypto.getRandomValues(new Uint32Array(POOL_SIZE))]
        : wordsOfSeed(seed);
    return new SeedSequence({ entropy, spawnKey: [], childrenSpawned: 0 });
  }

  /** From a record made by `state`. */
  static fromState(state: SeedSequenceState): SeedSequence {
    return new SeedSequence(state);
  }

  get state(): SeedSequenceState {
    return {
      entropy: [...this.entropy],
      spawnKey: [...this.spawnKey],
      childrenSpawned: this.#childrenSpawned,
    };
  }

  /** `count` 32-bit words of generator state. */
  generateState(count: number): Uint32Array {
    const words = new Uint32Array(count);
    let constant = INIT_B;
    for (let i = 0; i < count; i++) {
      const salted = this.#pool[i % POOL_SIZE] ^ constant;
      constant = Math.imul(constant, MULT_B);
      const product = Math.imul(salted, constant);
      words[i] = product ^ (product >>> 16);
    }
    return words;
  }

  /** `count` independent children; a later call gives further ones. */
  spawn(count: number): SeedSequence[] {
    const first = this.#childrenSpawned;
    this.#childrenSpawned += count;
    return Array.from(
      { length: count },
      (_, i) =>
        new SeedSequence({
          entropy: this.entropy,
          spawnKey: [...this.spawnKey, first + i],
          childrenSpawned: 0,
        }),
    );
  }
}
