/** @file Draws curves as an SVG with axes, units, legend, the raw values faint and the smoothed ones strong. */

import type { PlotData, Series } from "./report-series.ts";
import { smooth, thin } from "./report-series.ts";

const size = { width: 400, height: 250 };
const box = { left: 54, right: 388, top: 14, bottom: 210 };
const rawPoints = 500;
const smoothPoints = 250;
const colours = 8;

/** Text made safe inside HTML and SVG, attributes included. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}

/** Round values that cover `[low, high]`, about `count` of them. */
export function linearTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step =
    [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999) ?? power;
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step + 0);
  return ticks;
}

/** Powers of ten within `[low, high]`, with 2 and 5 between when they are few. */
export function logTicks(low: number, high: number): number[] {
  const ticks: number[] = [];
  const factors = Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push(value);
    }
  }
  return ticks;
}

/** `1.2k`, `3M`, `0.05`, `2e-5` */
export function tickText(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(4))}k`;
  if (size < 1e-3) return Number(value.toPrecision(3)).toExponential();
  return String(Number(value.toPrecision(5)));
}

interface Axis {
  readonly scale: "linear" | "log";
  readonly ticks: readonly number[];
  /** Value to a share of the axis, in [0, 1]. */
  readonly share: (value: number) => number;
}

function xAxis(series: readonly Series[]): Axis {
  const all = series.flatMap(({ x }) => [x[0], x[x.length - 1]]);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const width = high - low || 1;
  return {
    scale: "linear",
    ticks: linearTicks(low, low + width, 5),
    share: (value) => (value - low) / width,
  };
}

function range(series: readonly Series[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const { y, band } of series) {
    for (const value of [...y, ...(band?.low ?? []), ...(band?.high ?? [])]) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return [low, high];
}

function yAxis(series: readonly Series[]): Axis {
  const [low, high] = range(series);
  if (low > 0 && high / low >= 200) {
    const [bottom, top] = [Math.log(low / 1.15), Math.log(high * 1.15)];
    return {
      scale: "log",
      ticks: logTicks(low, high),
      share: (value) => (Math.log(value) - bottom) / (top - bottom),
    };
  }
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  // A curve that starts near zero is judged against zero.
  const bottom = low >= 0 && low < 0.35 * high ? 0 : low - pad;
  const top = high + pad;
  return {
    scale: "linear",
    ticks: linearTicks(bottom, top, 5),
    share: (value) => (value - bottom) / (top - bottom),
  };
}

function path(series: Series, x: Axis, y: Axis): string {
  const point = (i: number): string => `${px(x, series.x[i])} ${py(y, series.y[i])}`;
  return `M${series.x.map((_, i) => point(i)).join("L")}`;
}

function px(axis: Axis, value: number): string {
  return (box.left + axis.share(value) * (box.right - box.left)).toFixed(1);
}

function py(axis: Axis, value: number): string {
  return (box.bottom - axis.share(value) * (box.bottom - box.top)).toFixed(1);
}

/** Line and band; a dot with its whisker where there is one point alone. */
function bandParts(series: Series, band: NonNullable<Series["band"]>, x: Axis, y: Axis): string {
  const edge = (values: readonly number[]): string[] =>
    values.map((value, i) => `${px(x, series.x[i])} ${py(y, value)}`);
  if (series.x.length === 1) {
    const [at] = edge(series.y)[0].split(" ");
    const whisker = `<path class="line" d="M${at} ${py(y, band.low[0])}V${py(y, band.high[0])}"/>`;
    return `${whisker}<circle cx="${at}" cy="${py(y, series.y[0])}" r="3.5"/>`;
  }
  const outline = [...edge(band.high), ...edge(band.low).reverse()];
  return `<path class="band" d="M${outline.join("L")}Z"/><path class="line" d="${path(series, x, y)}"/>`;
}

function curve(series: Series, index: number, x: Axis, y: Axis): string {
  const colour = `c${index % colours}`;
  const last = `<title>${escapeHtml(series.label)}: ${tickText(series.y[series.y.length - 1])} at the end</title>`;
  if (series.band !== undefined)
    return `<g class="${colour}">${last}${bandParts(series, series.band, x, y)}</g>`;
  if (series.x.length < 24) {
    const dots = series.x.map(
      (value, i) => `<circle cx="${px(x, value)}" cy="${py(y, series.y[i])}" r="2.4"/>`,
    );
    return `<g class="${colour}">${last}<path class="line" d="${path(series, x, y)}"/>${dots.join("")}</g>`;
  }
  const even = smooth(series.y, Math.max(2.5, series.y.length / 50));
  const raw = path(thin(series, rawPoints), x, y);
  const calm = path(thin({ ...series, y: even }, smoothPoints), x, y);
  return `<g class="${colour}">${last}<path class="raw" d="${raw}"/><path class="line" d="${calm}"/></g>`;
}

function axes(x: Axis, y: Axis, unit: string, across = "step"): string {
  const parts: string[] = [];
  for (const tick of y.ticks) {
    const at = py(y, tick);
    parts.push(`<path class="grid" d="M${box.left} ${at}H${box.right}"/>`);
    parts.push(`<text x="${box.left - 6}" y="${at}" dy="0.32em" text-anchor="end">${tickText(tick)}</text>`);
  }
  for (const tick of x.ticks) {
    const at = px(x, tick);
    parts.push(`<path class="axis" d="M${at} ${box.bottom}v4"/>`);
    parts.push(`<text x="${at}" y="${box.bottom + 16}" text-anchor="middle">${tickText(tick)}</text>`);
  }
  parts.push(`<path class="axis" d="M${box.left} ${box.bottom}H${box.right}"/>`);
  parts.push(
    `<text class="name" x="${box.right}" y="${box.bottom + 32}" text-anchor="end">${escapeHtml(across)}</text>`,
  );
  const label = [unit, y.scale === "log" ? "log scale" : ""].filter((part) => part !== "").join(", ");
  if (label !== "") parts.push(`<text class="name" x="4" y="${box.top - 3}">${escapeHtml(label)}</text>`);
  return parts.join("");
}

function legend(series: readonly Series[]): string {
  if (series.length < 2) return "";
  const keys = series.map(
    ({ label }, i) => `<span class="c${i % colours}"><i></i>${escapeHtml(label)}</span>`,
  );
  return `<div class="legend">${keys.join("")}</div>`;
}

/** A figure with its curves; log scale where positive values span more than two decades. */
export function plotHtml(plot: PlotData): string {
  const series = plot.series.filter(({ x }) => x.length > 0);
  if (series.length === 0) return "";
  const [x, y] = [xAxis(series), yAxis(series)];
  const curves = series.map((one, index) => curve(one, index, x, y)).join("");
  const title = `${escapeHtml(plot.title)}${plot.unit === "" ? "" : ` <small>[${escapeHtml(plot.unit)}]</small>`}`;
  const end =
    series.length === 1
      ? `<b>${tickText(Number(series[0].y[series[0].y.length - 1].toPrecision(4)))}</b>`
      : "";
  const svg = `<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escapeHtml(`${plot.title} by ${plot.across ?? "step"}`)}">`;
  return `<figure class="plot"><figcaption>${title}${end}</figcaption>${svg}${axes(x, y, plot.unit, plot.across)}${curves}</svg>${legend(series)}</figure>`;
}
