/** @file The page of a comparison: intervals with their seeds, score distributions, tables, joined curves. */

import type { Comparison, Entry } from "./compare.ts";
import { comparisonPlots, joinSeeds } from "./compare-curves.ts";
import { comparisonTables, entryName } from "./compare-tables.ts";
import { pageHtml, plotGroupsHtml } from "../report/report.ts";
import { escapeHtml, linearTicks, plotHtml, tickText } from "../report/report-plot.ts";
import type { PlotData } from "../report/report-series.ts";
import { tableHtml } from "../report/report-table.ts";
import { performanceProfile } from "../report/statistics.ts";

const width = 900;
const line = 28;
const box = { left: 300, right: 880, top: 8 };
const thresholds = 49;

interface Scale {
  readonly low: number;
  readonly high: number;
  readonly at: (value: number) => string;
}

function scaleOf(entries: readonly Entry[]): Scale {
  const values = entries.flatMap(({ iqm, seedMeans }) => [iqm.low, iqm.high, ...seedMeans]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = (high - low || 1) * 0.04;
  const [from, to] = [low - pad, high + pad];
  const at = (value: number): string =>
    (box.left + ((value - from) / (to - from)) * (box.right - box.left)).toFixed(1);
  return { low: from, high: to, at };
}

function intervalRow(entry: Entry, index: number, { at }: Scale, groups: number): string {
  const y = box.top + line * (index + 0.5);
  const { iqm, seedMeans, sets } = entry;
  const colour = entry.role === "emphasis" ? "c1" : entry.role === undefined ? "c0" : "c7";
  const dots = seedMeans.map(
    (mean, i) =>
      `<circle cx="${at(mean)}" cy="${y}" r="3" opacity=".45"><title>seed ${sets[i].seed}: ${tickText(mean)}</title></circle>`,
  );
  const text = `<text x="${box.left - 12}" y="${y}" dy="0.32em" text-anchor="end">${escapeHtml(entryName(entry, groups))}</text>`;
  const bar = `<path class="line" stroke-width="6" opacity=".35" d="M${at(iqm.low)} ${y}H${at(iqm.high)}"/>`;
  const mark = `<path class="line" d="M${at(iqm.value)} ${y - 8}v16"/>`;
  return `${text}<g class="${colour}">${bar}${dots.join("")}${mark}</g>`;
}

/** Interquartile means as strokes, intervals as bars, seeds as dots. */
function intervalPlot(task: string, entries: readonly Entry[], groups: number): string {
  const scale = scaleOf(entries);
  const bottom = box.top + line * entries.length;
  const ticks = linearTicks(scale.low, scale.high, 7).map((tick) => {
    const x = scale.at(tick);
    return `<path class="grid" d="M${x} ${box.top}V${bottom}"/><text x="${x}" y="${bottom + 16}" text-anchor="middle">${tickText(tick)}</text>`;
  });
  const rows = entries.map((entry, i) => intervalRow(entry, i, scale, groups));
  const label = `${task}: interquartile means with 95 % intervals and every seed`;
  const svg = `<svg viewBox="0 0 ${width} ${bottom + 24}" role="img" aria-label="${escapeHtml(label)}">${ticks.join("")}${rows.join("")}</svg>`;
  return `<figure class="plot"><figcaption>${escapeHtml(task)} <small>stroke: interquartile mean · bar: 95 % interval · dots: seeds</small></figcaption>${svg}</figure>`;
}

/** Share of episodes that score above each threshold, per method. */
function profilePlot(task: string, entries: readonly Entry[], groups: number): PlotData {
  const scores = entries.flatMap(({ sets }) => sets.flatMap((set) => set.scores));
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const x = Array.from({ length: thresholds }, (_, i) => low + ((high - low) * i) / (thresholds - 1));
  const learned = entries.filter(({ role }) => role !== "floor" && role !== "ceiling");
  const series = learned.map((entry) => {
    const curves = entry.sets.map((set) => ({ x, y: performanceProfile(set.scores, x) }));
    const joined = joinSeeds(entryName(entry, groups), curves);
    return { ...joined, band: joined.band ?? { low: joined.y, high: joined.y } };
  });
  return { stage: task, title: "share of episodes above a score", unit: "", across: "score", series };
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

function hasEpisodes(entries: readonly Entry[]): boolean {
  return entries.some(({ sets }) => sets.some(({ scores }) => scores.length > 1));
}

/** The page as text; it loads nothing from anywhere. */
export function comparisonHtml(title: string, comparison: Comparison): string {
  const { groups, tasks, entries } = comparison;
  const byTask = tasks.map((task) => ({ task, own: entries.filter((entry) => entry.task === task) }));
  const runs = groups.flatMap((group) => group.runs);
  const methods = new Set(entries.map(({ method }) => method));
  const facts = `${counted(runs.length, "run")} · ${counted(groups.length, "config")} · ${counted(methods.size, "method")}`;
  const profiles = byTask.filter(({ own }) => hasEpisodes(own));
  return pageHtml(title, [
    `<h1>${escapeHtml(title)}</h1><p class="lead">${escapeHtml(facts)}</p>`,
    ...byTask.map(({ task, own }) => intervalPlot(task, own, groups.length)),
    ...comparisonTables(comparison).map(tableHtml),
    profiles.length === 0
      ? ""
      : `<h2>Score distributions</h2><div class="plots">${profiles.map(({ task, own }) => plotHtml(profilePlot(task, own, groups.length))).join("")}</div>`,
    plotGroupsHtml(comparisonPlots(comparison.sources)),
  ]);
}
