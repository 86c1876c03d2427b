/** @file A table of recorded steps with weights, drawn from in proportion to them; grows as episodes come in. */

import { fail } from "../core/errors.ts";
import type { Rng } from "../core/rng.ts";
import type { Segment } from "./window.ts";

/** Weight ≥ 0 of each step 0 … T − 1 of an episode of a growing list. */
export type Weigh = (episode: number, step: number) => number;

/** Steps of the episodes from `firstEpisode` on, with the running sums of their weights. */
export class StepTable {
  #sums = new Float64Array(1024);
  #episodeOf = new Int32Array(1024);
  #stepOf = new Int32Array(1024);
  #count = 0;
  #total = 0;
  #nextEpisode: number;

  constructor(firstEpisode: number) {
    this.#nextEpisode = firstEpisode;
  }

  /** Sum of all weights. */
  get total(): number {
    return this.#total;
  }

  /** Take in the episodes that came since the last call. @throws NOT_FINITE for a weight that is none */
  extend(episodes: readonly { readonly length: number }[], weigh: Weigh): void {
    for (; this.#nextEpisode < episodes.length; this.#nextEpisode++) {
      const { length } = episodes[this.#nextEpisode];
      for (let step = 0; step < length; step++)
        this.#push(this.#nextEpisode, step, weigh(this.#nextEpisode, step));
    }
  }

  /** A step, drawn in proportion to the weights; the table's total must be above 0. */
  draw(rng: Rng): Segment {
    const value = rng.random() * this.#total;
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sums[middle] > value) high = middle;
      else low = middle + 1;
    }
    return { episode: this.#episodeOf[low], present: this.#stepOf[low] };
  }

  #push(episode: number, step: number, weight: number): void {
    if (weight === 0) return;
    if (!(weight > 0 && Number.isFinite(weight))) {
      fail({
        code: "NOT_FINITE",
        what: `step ${step} of episode ${episode} has no usable weight`,
        expected: "a finite number ≥ 0",
        got: `${weight}`,
      });
    }
    if (this.#count === this.#sums.length) this.#grow();
    this.#total += weight;
    this.#sums[this.#count] = this.#total;
    this.#episodeOf[this.#count] = episode;
    this.#stepOf[this.#count] = step;
    this.#count++;
  }

  #grow(): void {
    const size = this.#count * 2;
    const [sums, episodeOf, stepOf] = [this.#sums, this.#episodeOf, this.#stepOf];
    (this.#sums = new Float64Array(size)).set(sums);
    (this.#episodeOf = new Int32Array(size)).set(episodeOf);
    (this.#stepOf = new Int32Array(size)).set(stepOf);
  }
}
