/** @file The report's numbers as tables, for the page and for the terminal. */

import type { Reliability } from "../../worldmodel/measures/reliability.ts";
import { correlationOf, type PolicyReturns } from "../policy-returns.ts";
import type { Bounded, Cell, Column, ResultTable } from "../report/table.ts";
import type { WorldModelReport } from "./measure.ts";

const number = (key: string, label: string, digits: number, unit?: string): Column => ({
  key,
  label,
  digits,
  ...(unit === undefined ? {} : { unit }),
});

const bounded = ([value, low, high]: readonly [number, number, number]): Bounded => ({ value, low, high });

function predictionTable({ horizons, data, windows }: WorldModelReport): ResultTable {
  return {
    title: "Open-loop prediction",
    caption: `${windows} windows of ${data.episodes} recorded episodes (${data.source}), the actions that were really taken. Floors: the last real frame repeated, and the mean of the true frames. Ceiling: the true frame, encoded and decoded.`,
    columns: [
      number("horizon", "steps ahead", 0),
      number("psnr", "PSNR", 2, "dB"),
      number("copy", "copy last", 2, "dB"),
      number("mean", "mean frame", 2, "dB"),
      number("ceiling", "reconstruction", 2, "dB"),
      number("ssim", "SSIM", 3),
      number("copySsim", "copy last", 3),
      number("gain", "true − shuffled actions", 2, "dB"),
    ],
    rows: horizons.map((score) => ({
      cells: {
        horizon: score.horizon,
        psnr: score.psnr,
        copy: score.copyLast,
        mean: score.meanFrame,
        ceiling: score.reconstruction,
        ssim: score.ssim,
        copySsim: score.copyLastSsim,
        gain: bounded(score.actionGain),
      },
    })),
    notes: [
      "true − shuffled: PSNR under the true actions minus that under another window's, with its 95 % bootstrap interval over windows. An interval above 0 says that the pictures depend on the actions.",
    ],
  };
}

function distanceTable({ distances }: WorldModelReport): ResultTable {
  return {
    title: "Feature distance",
    caption:
      "Fréchet distance between dreamed and real pairs of neighbouring frames, in the 24 features of our own inverse-dynamics network, over the real pairs' total variance: 0 is alike.",
    columns: [
      number("horizon", "steps ahead", 0),
      number("dreamed", "dream", 3),
      number("rebuilt", "real, encoded and decoded", 3),
      number("copy", "copy last", 3),
      number("floor", "other real windows", 3),
    ],
    rows: distances.map(({ horizon, dreamed, rebuilt, copyLast, floor }) => ({
      cells: { horizon, dreamed, rebuilt, copy: copyLast, floor },
    })),
    notes: [
      "Not FID or FVD: those use networks trained on photographs and videos. The network here learned from this report's probe episodes alone, what action lies between two frames; it sees what matters for that, at this picture size.",
      "other real windows: what the sample's size alone makes of the distance.",
    ],
  };
}

function obedienceRows({ obedience, model }: WorldModelReport): ResultTable["rows"] {
  const views = Object.entries(obedience) as ["frames" | "states", WorldModelReport["obedience"]["frames"]][];
  return views.flatMap(([view, scores]) =>
    scores.flatMap(({ horizon, real, rebuilt, dreamed, shuffled }) =>
      model.actions.map((action, a) => ({
        cells: {
          view,
          action,
          horizon,
          real: real.rSquared[a],
          rebuilt: rebuilt.rSquared[a],
          dreamed: dreamed.rSquared[a],
          shuffled: shuffled.rSquared[a],
          realError: real.error[a],
          error: dreamed.error[a],
        },
      })),
    ),
  );
}

function obedienceTable(report: WorldModelReport): ResultTable {
  return {
    title: "Inverse dynamics: does the dream do what it is told?",
    caption:
      "R² of the action read off two neighbouring moments by a network trained on real ones. 1: read exactly; 0 and below: nothing can be read.",
    columns: [
      { key: "view", label: "read off" },
      { key: "action", label: "action" },
      number("horizon", "steps ahead", 0),
      number("real", "real", 2),
      number("rebuilt", "real, encoded and decoded", 2),
      number("dreamed", "dream", 2),
      number("shuffled", "dream, another's actions", 2),
      number("realError", "|error|, real", 3),
      number("error", "|error|, dream", 3),
    ],
    rows: obedienceRows(report),
    notes: [
      "another's actions: the dream is given another window's actions and these must be read off it; the start tells nothing of them. A model that ignores its actions has 0 or less there.",
      "States are encoded exactly, so that for them the second column repeats the first.",
    ],
  };
}

function driftTable({ drift, model }: WorldModelReport): ResultTable {
  return {
    title: "Drift",
    caption: `What policies see of a dream (features) against reality at the same step, real actions, in real standard deviations. Re-anchored: set back to reality every ${drift.anchorEvery} steps, and measured when that is longest ago.`,
    columns: [
      number("horizon", "steps", 0),
      number("seconds", "seconds", 1),
      number("shift", "shift of means", 3),
      number("anchored", "re-anchored", 3),
      number("floor", "other real windows", 3),
      number("spread", "spread, dream : real", 2),
      number("distance", "distance from what was there", 2),
      number("held", "re-anchored", 2),
    ],
    rows: drift.scores.map((score) => ({
      cells: {
        horizon: score.horizon,
        seconds: score.horizon * model.stepSeconds,
        shift: score.dreamed.shift,
        anchored: score.anchored.shift,
        floor: score.floor.shift,
        spread: score.dreamed.spread,
        distance: score.distance,
        held: score.anchoredDistance,
      },
    })),
    notes: [
      "distance: root mean square over windows and features; that of two unrelated real moments is about 1.41.",
    ],
  };
}

function binRows({ bins }: Reliability): ResultTable["rows"] {
  return bins.map(({ count, predicted, observed, standardError }) => ({
    cells: { count, predicted, observed: { mean: observed, se: standardError } },
  }));
}

const summary = ({ calibrationError, meanSquaredError, skill }: Reliability, squared: string): string =>
  `calibration error ${calibrationError.toFixed(3)}, ${squared} ${meanSquaredError.toFixed(4)}, skill ${skill.toFixed(2)} (1 is perfect, 0 no better than the mean)`;

function endsTable({ foresight: { ends, within } }: WorldModelReport): ResultTable {
  return {
    title: `Foretold ends: within ${within} steps`,
    caption: `Imagined probability against how often it came: ${summary(ends, "Brier score")}.`,
    columns: [
      number("predicted", "foretold", 2),
      number("observed", "came", 2),
      number("count", "windows", 0),
    ],
    rows: binRows(ends),
  };
}

function rewardTable({ foresight: { rewards } }: WorldModelReport): ResultTable {
  const rows = rewards.map(({ horizon, reliability }) => ({
    cells: {
      horizon,
      error: reliability.calibrationError,
      rmse: Math.sqrt(reliability.meanSquaredError),
      skill: reliability.skill,
    } satisfies Record<string, Cell>,
  }));
  return {
    title: "Foretold rewards",
    caption: "Of single steps, ends left out. Calibration error: mean |foretold − real| over ten bins.",
    columns: [
      number("horizon", "steps ahead", 0),
      number("error", "calibration error", 3),
      number("rmse", "root mean square error", 3),
      number("skill", "R²", 2),
    ],
    rows,
  };
}

function crashTable({ crashes }: WorldModelReport): ResultTable {
  return {
    title: "Imagined ends of action sequences, by when they really ended",
    caption: "Two steps late counts; safe ones: within 15 steps.",
    columns: [
      { key: "label", label: "really ended at step" },
      number("probability", "imagined probability", 2),
      number("windows", "windows", 0),
    ],
    rows: crashes.map(({ label, probability, standardError, windows }) => ({
      cells: { label, probability: { mean: probability, se: standardError }, windows },
    })),
  };
}

function speedTable({ speed, peakMemoryBytes, seconds }: WorldModelReport): ResultTable {
  return {
    title: "Speed and memory",
    caption: `On this machine, with whatever else it did. Peak memory of the whole evaluation, recordings included: ${(peakMemoryBytes / 2 ** 30).toFixed(2)} GiB; time ${seconds.toFixed(0)} s.`,
    columns: [
      number("batch", "batch", 0),
      { ...number("steps", "imagined steps per second", 0), varies: true },
      { ...number("decoded", "with decoded frames", 0), varies: true },
      { ...number("p95", "95th percentile of a decoded step", 1, "ms"), varies: true },
    ],
    rows: speed.map(({ batch, stepsPerSecond, decodedPerSecond, p95Ms }) => ({
      cells: { batch, steps: stepsPerSecond, decoded: decodedPerSecond, p95: p95Ms },
    })),
  };
}

/** Horizons that every policy was compared at. */
export function comparedHorizons(returns: readonly PolicyReturns[]): number[] {
  return returns.length === 0
    ? []
    : Object.keys(returns[0].real)
        .map(Number)
        .sort((a, b) => a - b);
}

const splitsOf = (returns: readonly PolicyReturns[]): PolicyReturns["split"][] => [
  ...new Set(returns.map(({ split }) => split)),
];

/** Correlations of imagined with real returns, per split and horizon. */
export function correlationTable(returns: readonly PolicyReturns[]): ResultTable {
  const rows = splitsOf(returns).flatMap((split) => {
    const own = returns.filter((each) => each.split === split);
    return comparedHorizons(returns).map((horizon) => {
      const real = own.map((each) => each.real[horizon].mean);
      const result = correlationOf(
        own.map((each) => each.imagined[horizon].mean),
        real,
      );
      return { cells: { split, horizon, ...result, policies: result.policies } };
    });
  });
  return {
    title: "Does the dream rank policies as reality does?",
    caption:
      "Return of each policy in the dream against its real return over as many steps, from the same starts; 95 % intervals from drawing policies with replacement.",
    columns: [
      { key: "split", label: "worlds" },
      number("horizon", "steps", 0),
      number("policies", "policies", 0),
      number("pearson", "Pearson r", 3),
      number("spearman", "Spearman ρ", 3),
      { key: "wrongPairs", label: "pairs in wrong order", format: "percent", digits: 0 },
      number("bias", "imagined − real", 1),
    ],
    rows,
  };
}

/** Every policy at one horizon. */
export function returnsTable(returns: readonly PolicyReturns[], horizon: number): ResultTable {
  return {
    title: `Returns over ${horizon} steps`,
    caption: "Mean ± standard error over starts.",
    columns: [
      { key: "split", label: "worlds" },
      { key: "policy", label: "policy" },
      number("imagined", "imagined", 1),
      number("real", "real", 1),
      { key: "imaginedEnds", label: "ended, imagined", format: "percent", digits: 0 },
      { key: "realEnds", label: "ended, real", format: "percent", digits: 0 },
    ],
    rows: returns.map(({ split, policy, imagined, real, imaginedEnds, realEnds }) => ({
      cells: { split, policy, imagined: imagined[horizon], real: real[horizon], imaginedEnds, realEnds },
    })),
    notes: [`ended: by step ${Math.max(...comparedHorizons(returns))}, the end of the dream.`],
  };
}

/** All tables of a report, the most telling first. */
export function reportTables(report: WorldModelReport): ResultTable[] {
  const { returns = [] } = report;
  const [horizon] = comparedHorizons(returns);
  return [
    ...(returns.length === 0 ? [] : [correlationTable(returns), returnsTable(returns, horizon)]),
    predictionTable(report),
    distanceTable(report),
    obedienceTable(report),
    driftTable(report),
    endsTable(report),
    crashTable(report),
    rewardTable(report),
    speedTable(report),
  ];
}
