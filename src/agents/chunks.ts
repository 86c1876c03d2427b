/** @file Action chunks on a time line of control steps: trimmed by the steps really taken, merged where they overlap. */

import { fail } from "../core/errors.ts";

/**
 * What happens where a newer chunk overlaps the one in play; the number is the newer one's weight.
 * @source LeRobot `async_inference` aggregate functions (latest_only, average, weighted_average, conservative)
 */
export const overlapWeights = { latest: 1, weighted: 0.7, average: 0.5, conservative: 0.3 } as const;

/** Name of a way to merge. */
export type Overlap = keyof typeof overlapWeights;

/** What became of a chunk. */
export interface Merge {
  /** Rows for steps already taken while the chunk was computed. */
  readonly trimmed: number;
  /** Rows that were blended with rows in play. */
  readonly blended: number;
}

/** Actions planned for the steps to come. */
export class ChunkSchedule {
  private readonly width: number;
  private readonly weight: number;
  private rows = new Map<number, Float32Array>();
  private lastStep = -1;
  private length = 0;

  constructor(width: number, overlap: Overlap = "weighted") {
    this.width = width;
    this.weight = overlapWeights[overlap];
  }

  /**
   * Take in a chunk: `actions` has H × width numbers, row 0 answers the observation before step `firstStep`, and `nextStep`
   * is taken next. The delay is counted in steps taken, never estimated from time, so it cannot exceed what was consumed.
   * @throws INVALID_SHAPE
   */
  merge(actions: ArrayLike<number>, firstStep: number, nextStep: number): Merge {
    const height = actions.length / this.width;
    if (!Number.isInteger(height) || height === 0) {
      fail({
        code: "INVALID_SHAPE",
        what: "a chunk of actions has the wrong size",
        expected: `rows of ${this.width} numbers`,
        got: `${actions.length} numbers`,
      });
    }
    const trimmed = Math.min(height, Math.max(0, nextStep - firstStep));
    let blended = 0;
    const merged = new Map<number, Float32Array>();
    for (let row = trimmed; row < height; row++) {
      const step = firstStep + row;
      const fresh = Float32Array.from({ length: this.width }, (_, i) => actions[row * this.width + i]);
      const old = this.rows.get(step);
      if (old !== undefined && this.weight < 1) {
        for (let i = 0; i < this.width; i++) fresh[i] = this.weight * fresh[i] + (1 - this.weight) * old[i];
        blended += 1;
      }
      merged.set(step, fresh);
    }
    // Rows of the older chunk beyond the newer one's end were planned on older news: they are dropped.
    this.rows = merged;
    this.length = height;
    this.lastStep = firstStep + height - 1;
    return { trimmed, blended };
  }

  /** The action of `step`, and no longer planned; undefined when nothing is. */
  take(step: number): Float32Array | undefined {
    const row = this.rows.get(step);
    this.rows.delete(step);
    return row;
  }

  /** Steps still planned from `step` on. */
  remaining(step: number): number {
    return Math.max(0, this.lastStep - step + 1);
  }

  /** Whether at `step` no more than `threshold` of a chunk is left. */
  isLow(step: number, threshold: number): boolean {
    return this.length === 0 || this.remaining(step) <= threshold * this.length;
  }

  /** Forget everything: another episode begins. */
  clear(): void {
    this.rows.clear();
    this.lastStep = -1;
    this.length = 0;
  }
}
