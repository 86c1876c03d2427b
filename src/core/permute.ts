/** @file Shuffles, weighted and distinct choices on indices, in the order in which NumPy's Generator draws them. */

import { below32 } from "./bounded.ts";
import { fail } from "./errors.ts";
import type { Pcg64 } from "./pcg64.ts";

/** NumPy's tolerance on the sum of probabilities: the root of float64's spacing at 1. */
const SUM_TOLERANCE = 1.4901161193847656e-8;
/** Above this population a tail shuffle competes with Floyd's method. */
const SMALL_POPULATION = 10000;

/** How to choose. */
export interface PickOptions {
  /** May a candidate be chosen more than once? Default true. */
  readonly replace?: boolean;
  /** Probability of each candidate; must sum to 1. */
  readonly p?: ArrayLike<number>;
  /** Without replacement only: whether the order is random too. Default true. */
  readonly shuffle?: boolean;
}

/** An integer in [0, max] by masked rejection: `Generator.shuffle` draws so, where all else uses Lemire's method. */
function interval(bits: Pcg64, max: number): number {
  const mask = 0xffffffff >>> Math.clz32(max);
  let value = (bits.nextUint32() & mask) >>> 0;
  while (value > max) value = (bits.nextUint32() & mask) >>> 0;
  return value;
}

/** Fisher–Yates over `count` positions, from the end; `swap` exchanges two. */
export function shufflePositions(bits: Pcg64, count: number, swap: (i: number, j: number) => void): void {
  for (let i = count - 1; i >= 1; i--) swap(i, interval(bits, i));
}

function shuffleInPlace(bits: Pcg64, values: number[], first: number): void {
  for (let i = values.length - 1; i >= first; i--) {
    const j = below32(bits, i);
    [values[i], values[j]] = [values[j], values[i]];
  }
}

/** `count` distinct indices below `population`; in random order too if `shuffled`. */
function distinctIndices(bits: Pcg64, population: number, count: number, shuffled: boolean): number[] {
  if (population > SMALL_POPULATION && count > Math.floor(population / (shuffled ? 50 : 20))) {
    const all = Array.from({ length: population }, (_, i) => i);
    shuffleInPlace(bits, all, Math.max(population - count, 1));
    return all.slice(population - count);
  }
  const seen = new Set<number>();
  const picked: number[] = [];
  for (let j = population - count; j < population; j++) {
    const candidate = below32(bits, j);
    const value = seen.has(candidate) ? j : candidate;
    seen.add(value);
    picked.push(value);
  }
  if (shuffled) shuffleInPlace(bits, picked, 1);
  return picked;
}

/** Running sums of `p`, scaled so that the last is 1. @throws INVALID_ARGUMENT unless `p` is a distribution over `count` */
function cumulative(p: ArrayLike<number>, count: number): Float64Array {
  const sums = new Float64Array(p.length);
  let total = 0;
  let valid = p.length === count;
  for (let i = 0; i < p.length; i++) {
    valid &&= p[i] >= 0;
    total += p[i];
    sums[i] = total;
  }
  if (!valid || !(Math.abs(total - 1) <= SUM_TOLERANCE)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "p is not a probability distribution over the candidates",
      expected: `${count} non-negative numbers that sum to 1`,
      got: `${p.length} numbers that sum to ${total}`,
      fix: "divide p by its sum",
    });
  }
  return sums.map((sum) => sum / total);
}

/** Index of the first element of the sorted `sums` above `value`. */
function searchAbove(sums: Float64Array, value: number): number {
  let low = 0;
  let high = sums.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value < sums[middle]) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** `count` distinct indices with probabilities `p`; `uniforms(k)` gives k numbers in [0, 1). */
function distinctWeighted(
  p: ArrayLike<number>,
  count: number,
  uniforms: (count: number) => ArrayLike<number>,
): number[] {
  const left = Float64Array.from(p);
  const picked: number[] = [];
  while (picked.length < count) {
    const drawn = Array.from(uniforms(count - picked.length));
    for (const index of picked) left[index] = 0;
    let total = 0;
    const sums = left.map((weight) => (total += weight)).map((sum) => sum / total);
    const fresh = new Set(drawn.map((value) => searchAbove(sums, value)));
    picked.push(...fresh);
  }
  return picked;
}

/** `count` indices below `population`. @throws INVALID_ARGUMENT when there are too few candidates, or p is no distribution */
export function pickIndices(bits: Pcg64, population: number, count: number, options: PickOptions): number[] {
  const { p, replace = true, shuffle = true } = options;
  const enough = replace ? population > 0 : count <= population;
  if (!Number.isSafeInteger(population) || !enough || population > 4294967296) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "cannot choose so many from so few",
      expected: replace ? "at least one candidate" : `at least ${count} candidates`,
      got: `${population}`,
      fix: "give more candidates, a smaller size, or replace: true",
    });
  }
  if (p === undefined) {
    if (!replace) return distinctIndices(bits, population, count, shuffle);
    return Array.from({ length: count }, () => below32(bits, population - 1));
  }
  const sums = cumulative(p, population);
  if (replace) return Array.from({ length: count }, () => searchAbove(sums, bits.nextDouble()));
  const possible = Array.from(p).filter((weight) => weight > 0).length;
  if (possible < count) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "cannot choose so many distinct candidates",
      expected: `at least ${count} with p > 0`,
      got: `${possible}`,
    });
  }
  return distinctWeighted(p, count, (n) => Array.from({ length: n }, () => bits.nextDouble()));
}
