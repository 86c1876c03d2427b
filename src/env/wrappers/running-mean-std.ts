/** @file Running mean and variance, elementwise, updated by batches. */

/** Plain form of a `RunningMeanStd`. */
export interface RunningMeanStdState {
  readonly mean: number[];
  readonly var: number[];
  readonly count: number;
}

/**
 * Mean and variance of everything seen, by Chan's parallel update, in float64. The count starts at 1e-4.
 * @source Gymnasium 1.4 `RunningMeanStd`
 */
export class RunningMeanStd {
  readonly mean: Float64Array;
  readonly var: Float64Array;
  count = 1e-4;
  readonly #batchMean: Float64Array;
  readonly #batchVar: Float64Array;

  constructor(size: number) {
    this.mean = new Float64Array(size);
    this.var = new Float64Array(size).fill(1);
    this.#batchMean = new Float64Array(size);
    this.#batchVar = new Float64Array(size);
  }

  /** Take in the rows of `data` (each of this object's size) that are in `mask`. */
  update(data: ArrayLike<number | bigint>, rows: number, mask?: Uint8Array): void {
    const size = this.mean.length;
    const mean = this.#batchMean.fill(0);
    const variance = this.#batchVar.fill(0);
    let count = 0;
    for (let i = 0; i < rows; i++) {
      if (mask !== undefined && mask[i] === 0) continue;
      count += 1;
      for (let j = 0; j < size; j++) mean[j] += Number(data[i * size + j]);
    }
    if (count === 0) return;
    for (let j = 0; j < size; j++) mean[j] /= count;
    for (let i = 0; i < rows; i++) {
      if (mask !== undefined && mask[i] === 0) continue;
      for (let j = 0; j < size; j++) variance[j] += (Number(data[i * size + j]) - mean[j]) ** 2;
    }
    this.#merge(mean, variance, count);
  }

  #merge(batchMean: Float64Array, squares: Float64Array, batchCount: number): void {
    const total = this.count + batchCount;
    for (let j = 0; j < this.mean.length; j++) {
      const delta = batchMean[j] - this.mean[j];
      const m2 = this.var[j] * this.count + squares[j] + (delta * delta * this.count * batchCount) / total;
      this.mean[j] += (delta * batchCount) / total;
      this.var[j] = m2 / total;
    }
    this.count = total;
  }

  get state(): RunningMeanStdState {
    return { mean: [...this.mean], var: [...this.var], count: this.count };
  }

  set state(state: RunningMeanStdState) {
    this.mean.set(state.mean);
    this.var.set(state.var);
    this.count = state.count;
  }
}
