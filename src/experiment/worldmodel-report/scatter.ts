/** @file Imagined against real returns as a scatter plot: an SVG that stands alone. */

import { escapeHtml, linearTicks, tickText } from "../report/report-plot.ts";
import type { Estimate } from "../report/table.ts";

/** One policy. */
export interface ScatterPoint {
  readonly label: string;
  readonly x: Estimate;
  readonly y: Estimate;
}

/** Points of one colour. */
export interface ScatterGroup {
  readonly label: string;
  readonly points: readonly ScatterPoint[];
}

/** What is drawn. */
export interface ScatterOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly groups: readonly ScatterGroup[];
  /** Number the points by their labels, in order of first appearance; what a number means is the caller's to say. */
  readonly numbered?: boolean;
}

const [width, height] = [560, 430];
const box = { left: 58, right: 540, top: 34, bottom: 372 };
// Middle tones: readable on light and on dark pages.
const colours = ["#3b7dd8", "#d9731f", "#2a9d72", "#b04aa5"];
const [ink, faint] = ["#6b7685", "#6b768540"];
const font = `font-family="system-ui,'DejaVu Sans',sans-serif"`;

interface Scale {
  readonly low: number;
  readonly high: number;
  readonly at: (value: number) => number;
}

function scaleOf(estimates: readonly Estimate[], from: number, to: number): Scale {
  const low = Math.min(...estimates.map(({ mean, se }) => mean - se));
  const high = Math.max(...estimates.map(({ mean, se }) => mean + se));
  const pad = (high - low || 1) * 0.05;
  const [bottom, top] = [low - pad, high + pad];
  return {
    low: bottom,
    high: top,
    at: (value) => from + ((value - bottom) / (top - bottom)) * (to - from),
  };
}

const text = (x: number, y: number, words: string, more = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="11" fill="${ink}" ${font} ${more}>${escapeHtml(words)}</text>`;

function axes(x: Scale, y: Scale, { title, xLabel, yLabel }: ScatterOptions): string {
  const line = (d: string): string => `<path d="${d}" stroke="${faint}" fill="none"/>`;
  const across = linearTicks(x.low, x.high, 6).map(
    (tick) =>
      line(`M${x.at(tick).toFixed(1)} ${box.top}V${box.bottom}`) +
      text(x.at(tick), box.bottom + 15, tickText(tick), 'text-anchor="middle"'),
  );
  const up = linearTicks(y.low, y.high, 6).map(
    (tick) =>
      line(`M${box.left} ${y.at(tick).toFixed(1)}H${box.right}`) +
      text(box.left - 6, y.at(tick) + 4, tickText(tick), 'text-anchor="end"'),
  );
  const middle = (box.top + box.bottom) / 2;
  return [
    ...across,
    ...up,
    text(box.left, 18, title, 'font-weight="600"'),
    text((box.left + box.right) / 2, box.bottom + 32, xLabel, 'text-anchor="middle"'),
    text(14, middle, yLabel, `text-anchor="middle" transform="rotate(-90 14 ${middle})"`),
  ].join("");
}

/** Where imagined and real are the same. */
function diagonal(x: Scale, y: Scale): string {
  const [from, to] = [Math.max(x.low, y.low), Math.min(x.high, y.high)];
  if (from >= to) return "";
  const [a, b] = [from, to].map((value) => `${x.at(value).toFixed(1)} ${y.at(value).toFixed(1)}`);
  return `<path d="M${a}L${b}" stroke="${ink}" stroke-dasharray="4 4" fill="none"/>`;
}

function dot(point: ScatterPoint, colour: string, scales: readonly [Scale, Scale], number: string): string {
  const [x, y] = scales;
  const [cx, cy] = [x.at(point.x.mean), y.at(point.y.mean)];
  const cross = `M${x.at(point.x.mean - point.x.se).toFixed(1)} ${cy.toFixed(1)}H${x.at(point.x.mean + point.x.se).toFixed(1)}M${cx.toFixed(1)} ${y.at(point.y.mean - point.y.se).toFixed(1)}V${y.at(point.y.mean + point.y.se).toFixed(1)}`;
  const told = `${point.label}: imagined ${tickText(Number(point.x.mean.toPrecision(3)))}, real ${tickText(Number(point.y.mean.toPrecision(3)))}`;
  const name = number === "" ? "" : text(cx + 5, cy - 4, number);
  return `<g><title>${escapeHtml(told)}</title><path d="${cross}" stroke="${colour}" opacity=".4"/>${circle(cx, cy, colour)}${name}</g>`;
}

// A style, because the report's style sheet colours circles.
const circle = (cx: number, cy: number, colour: string): string =>
  `<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="4" style="fill:${colour}"/>`;

/** A scatter plot with standard errors as crosses and the line of equality dashed. */
export function scatterSvg(options: ScatterOptions): string {
  const points = options.groups.flatMap((group) => group.points);
  const x = scaleOf(
    points.map((point) => point.x),
    box.left,
    box.right,
  );
  const y = scaleOf(
    points.map((point) => point.y),
    box.bottom,
    box.top,
  );
  const names = [...new Set(points.map(({ label }) => label))];
  const numberOf = ({ label }: ScatterPoint): string =>
    options.numbered === true ? String(1 + names.indexOf(label)) : "";
  const dots = options.groups.flatMap((group, i) =>
    group.points.map((point) => dot(point, colours[i % colours.length], [x, y], numberOf(point))),
  );
  const legend = options.groups.map((group, i) => {
    const at = box.left + i * 120;
    return circle(at + 5, height - 10, colours[i % colours.length]) + text(at + 14, height - 6, group.label);
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(options.title)}">${axes(x, y, options)}${diagonal(x, y)}${dots.join("")}${legend.join("")}</svg>`;
}
