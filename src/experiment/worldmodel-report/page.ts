/** @file The report as one HTML page that needs nothing from outside. */

import type { Reliability } from "../../worldmodel/measures/reliability.ts";
import { correlationOf, type PolicyReturns } from "../policy-returns.ts";
import { escapeHtml, plotHtml } from "../report/report-plot.ts";
import type { PlotData, Series } from "../report/report-series.ts";
import { tableHtml } from "../report/report-table.ts";
import { pageHtml } from "../report/report.ts";
import type { WorldModelReport } from "./measure.ts";
import { scatterSvg } from "./scatter.ts";
import { comparedHorizons, reportTables } from "./tables.ts";

type Curve<T> = readonly [label: string, value: (score: T) => number];

function curves<T extends { readonly horizon: number }>(
  title: string,
  unit: string,
  scores: readonly T[],
  picks: readonly Curve<T>[],
): PlotData {
  const x = scores.map(({ horizon }) => horizon);
  const series = picks.map(([label, value]): Series => ({ label, x, y: scores.map(value) }));
  return { stage: "", title, unit, across: "steps ahead", series };
}

function reliabilityPlot(title: string, across: string, { bins }: Reliability): PlotData {
  const x = bins.map(({ predicted }) => predicted);
  const y = bins.map(({ observed }) => observed);
  const low = bins.map(({ observed, standardError }) => observed - standardError);
  const high = bins.map(({ observed, standardError }) => observed + standardError);
  // From zero, where it lies below: a curve of probabilities is no matter for a logarithmic scale.
  const ends = [Math.min(0, ...x), Math.max(...x)];
  return {
    stage: "",
    title,
    unit: "really",
    across,
    series: [
      { label: "really, ± standard error", x, y, band: { low, high } },
      { label: "as foretold", x: ends, y: ends },
    ],
  };
}

function obediencePlots({ obedience, model }: WorldModelReport): PlotData[] {
  return model.actions.map((action, a) =>
    curves(`R² of "${action}" read off frames`, "", obedience.frames, [
      ["real", ({ real }) => real.rSquared[a]],
      ["dream", ({ dreamed }) => dreamed.rSquared[a]],
      ["dream, another's actions", ({ shuffled }) => shuffled.rSquared[a]],
    ]),
  );
}

function plots(report: WorldModelReport): PlotData[] {
  const { horizons, distances, drift, foresight } = report;
  return [
    curves("PSNR", "dB", horizons, [
      ["dream", ({ psnr }) => psnr],
      ["copy last frame", ({ copyLast }) => copyLast],
      ["mean frame", ({ meanFrame }) => meanFrame],
      ["reconstruction", ({ reconstruction }) => reconstruction],
      ["shuffled actions", ({ shuffledActions }) => shuffledActions],
    ]),
    curves("SSIM", "", horizons, [
      ["dream", ({ ssim }) => ssim],
      ["copy last frame", ({ copyLastSsim }) => copyLastSsim],
    ]),
    curves("feature distance", "", distances, [
      ["dream", ({ dreamed }) => dreamed],
      ["copy last frame", ({ copyLast }) => copyLast],
      ["other real windows", ({ floor }) => floor],
    ]),
    ...obediencePlots(report),
    curves("drift of the means", "real deviations", drift.scores, [
      ["dream", ({ dreamed }) => dreamed.shift],
      ["re-anchored", ({ anchored }) => anchored.shift],
      ["other real windows", ({ floor }) => floor.shift],
    ]),
    reliabilityPlot(`ends within ${foresight.within} steps`, "foretold probability", foresight.ends),
    ...foresight.rewards.map(({ horizon, reliability }) =>
      reliabilityPlot(
        `reward ${horizon} step${horizon === 1 ? "" : "s"} ahead`,
        "foretold reward",
        reliability,
      ),
    ),
  ];
}

/** Scatter plots of every policy, one per horizon, the splits in two colours. */
function scatters(returns: readonly PolicyReturns[]): string {
  const figures = comparedHorizons(returns).map((horizon) => {
    const splits = [...new Set(returns.map(({ split }) => split))];
    const svg = scatterSvg({
      title: `${horizon} steps`,
      xLabel: "imagined return",
      yLabel: "real return",
      numbered: true,
      groups: splits.map((split) => ({
        label: `${split} worlds`,
        points: returns
          .filter((each) => each.split === split)
          .map(({ policy, imagined, real }) => ({ label: policy, x: imagined[horizon], y: real[horizon] })),
      })),
    });
    return `<figure class="plot">${svg}</figure>`;
  });
  const names = [...new Set(returns.map(({ policy }) => policy))];
  const key = escapeHtml(names.map((name, i) => `${i + 1} ${name}`).join(" · "));
  return figures.length === 0
    ? ""
    : `<h2>Imagined against real returns</h2><p class="lead">${key}</p><div class="plots" style="grid-template-columns:repeat(auto-fill,minmax(480px,1fr))">${figures.join("")}</div>`;
}

function headline({ returns = [], horizons, foresight, speed }: WorldModelReport): string {
  const cards: [string, string][] = [];
  const [horizon] = comparedHorizons(returns);
  const own = returns.filter(({ split }) => split === "test");
  if (own.length > 0) {
    const { pearson } = correlationOf(
      own.map((each) => each.imagined[horizon].mean),
      own.map((each) => each.real[horizon].mean),
    );
    cards.push([
      pearson.value.toFixed(3),
      `Pearson r, imagined : real, ${own.length} policies, ${horizon} steps`,
    ]);
  }
  const far = horizons[Math.min(2, horizons.length - 1)];
  cards.push(
    [`${far.psnr.toFixed(1)} dB`, `PSNR, ${far.horizon} steps ahead (copy last ${far.copyLast.toFixed(1)})`],
    [`+${far.actionGain[0].toFixed(2)} dB`, `true over shuffled actions, ${far.horizon} steps ahead`],
    [
      foresight.ends.calibrationError.toFixed(3),
      `calibration error of ends within ${foresight.within} steps`,
    ],
    [
      speed[speed.length - 1].stepsPerSecond.toFixed(0),
      `imagined steps/s, batch ${speed[speed.length - 1].batch}`,
    ],
  );
  const boxes = cards.map(
    ([figure, words]) =>
      `<div class="card"><b>${escapeHtml(figure)}</b><span>${escapeHtml(words)}</span></div>`,
  );
  return `<div class="cards">${boxes.join("")}</div>`;
}

/** @param picture PNG of real and dreamed frames */
export function worldModelPage(title: string, report: WorldModelReport, picture: Uint8Array): string {
  const { model, data } = report;
  const facts = `${model.kind} · ${model.file} · ${data.episodes} episodes, ${data.steps} steps, ${data.ended} of them ended · context ${model.contextLength} frames at ${(1 / model.stepSeconds).toFixed(0)} Hz`;
  const caption =
    "Upper rows: what happened. Lower rows: decoded from the world model, which saw only the frames up to now and the actions. Random windows of the judged recordings.";
  const image = `<figure class="exhibit"><img alt="${escapeHtml(caption)}" src="data:image/png;base64,${Buffer.from(picture).toString("base64")}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
  return pageHtml(title, [
    `<h1>${escapeHtml(title)}</h1><p class="lead">${escapeHtml(facts)}</p>`,
    headline(report),
    scatters(report.returns ?? []),
    `<h2>Dreams</h2><div class="exhibits">${image}</div>`,
    `<h2>Curves</h2><div class="plots">${plots(report).map(plotHtml).join("")}</div>`,
    ...reportTables(report).map(tableHtml),
  ]);
}
