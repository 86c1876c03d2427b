/** @file Reliability: do predicted probabilities, or predicted values, mean what they say? Binned against what happened. */

/** Predictions of one bin. */
export interface ReliabilityBin {
  readonly count: number;
  readonly predicted: number;
  readonly observed: number;
  /** Standard error of `observed`. */
  readonly standardError: number;
}

/** A reliability curve with its summary. */
export interface Reliability {
  readonly bins: readonly ReliabilityBin[];
  /** Mean |predicted − observed| over bins, each weighed by its count; for probabilities the expected calibration error. */
  readonly calibrationError: number;
  /** Mean squared error of the single predictions; for probabilities the Brier score. */
  readonly meanSquaredError: number;
  /** 1 − mean squared error / variance of what happened; NaN where everything was alike. */
  readonly skill: number;
}

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

function binOf(
  members: readonly number[],
  predicted: readonly number[],
  observed: readonly number[],
): ReliabilityBin {
  const happened = members.map((i) => observed[i]);
  const mean = meanOf(happened);
  const variance =
    happened.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, members.length - 1);
  return {
    count: members.length,
    predicted: meanOf(members.map((i) => predicted[i])),
    observed: mean,
    standardError: Math.sqrt(variance / members.length),
  };
}

/**
 * Predictions against outcomes. `edges` are the inner borders of the bins, rising; `"quantiles"` makes ten bins of equal
 * counts, for values without natural borders. Empty bins are left out.
 * @source Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 3 (expected calibration error)
 */
export function reliability(
  predicted: readonly number[],
  observed: readonly number[],
  edges: readonly number[] | "quantiles",
): Reliability {
  const order = predicted.map((_, i) => i).sort((a, b) => predicted[a] - predicted[b]);
  const groups =
    edges === "quantiles"
      ? Array.from({ length: 10 }, (_, k) =>
          order.slice(Math.round((k * order.length) / 10), Math.round(((k + 1) * order.length) / 10)),
        )
      : Array.from({ length: edges.length + 1 }, (_, k) =>
          order.filter((i) => edges.filter((edge) => predicted[i] >= edge).length === k),
        );
  const bins = groups.filter((group) => group.length > 0).map((group) => binOf(group, predicted, observed));
  const squared = meanOf(predicted.map((value, i) => (value - observed[i]) ** 2));
  const mean = meanOf(observed);
  const variance = meanOf(observed.map((value) => (value - mean) ** 2));
  return {
    bins,
    calibrationError:
      bins.reduce((sum, bin) => sum + bin.count * Math.abs(bin.predicted - bin.observed), 0) /
      predicted.length,
    meanSquaredError: squared,
    skill: variance === 0 ? NaN : 1 - squared / variance,
  };
}
