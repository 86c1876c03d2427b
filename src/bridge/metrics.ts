/** @file Counters, gauges and latency percentiles, rendered in Prometheus's text format. */

import { fail } from "../core/errors.ts";
import type { Route } from "./server/listener.ts";

/** Labels of one series. */
export type Labels = Readonly<Record<string, string | number>>;

type Kind = "counter" | "gauge" | "summary";

/** How many of the newest values percentiles look back on. */
const windowSize = 1024;

/** Series of one family that are kept; the longest untouched goes first, so that strangers cannot fill the memory. */
const maxSeries = 1000;

/** Percentiles that a summary shows. */
const quantiles = [0.5, 0.9, 0.99, 1];

/** The newest values of one series. */
export class ValueWindow {
  private readonly values = new Float64Array(windowSize);
  private taken = 0;
  private total = 0;

  /** Take a value. */
  add(value: number): void {
    this.values[this.taken % windowSize] = value;
    this.taken += 1;
    this.total += value;
  }

  get count(): number {
    return this.taken;
  }

  get sum(): number {
    return this.total;
  }

  /** The smallest value that a share `q` of the window does not exceed; NaN while it is empty. */
  quantile(q: number): number {
    const size = Math.min(this.taken, windowSize);
    const sorted = this.values.slice(0, size).toSorted();
    return size === 0 ? NaN : sorted[Math.max(0, Math.ceil(q * size) - 1)];
  }
}

interface Family {
  readonly kind: Kind;
  readonly help: string;
  readonly series: Map<string, { labels: Labels; value: number; window?: ValueWindow }>;
}

/** All measurements of one process or thread. */
export class Metrics {
  private readonly families = new Map<string, Family>();

  /** Declare a measurement; using an undeclared one is an error. @throws INVALID_ARGUMENT for a name Prometheus refuses */
  declare(name: string, kind: Kind, help: string): this {
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name))
      fail({ code: "INVALID_ARGUMENT", what: "no metric's name", got: name });
    if (!this.families.has(name)) this.families.set(name, { kind, help, series: new Map() });
    return this;
  }

  /** Add to a counter. */
  count(name: string, labels: Labels = {}, by = 1): void {
    this.at(name, labels).value += by;
  }

  /** Set a gauge. */
  set(name: string, value: number, labels: Labels = {}): void {
    this.at(name, labels).value = value;
  }

  /** Take a value of a summary. */
  observe(name: string, value: number, labels: Labels = {}): void {
    const series = this.at(name, labels);
    series.window ??= new ValueWindow();
    series.window.add(value);
  }

  /** A percentile of a summary; NaN when nothing was observed. */
  quantile(name: string, q: number, labels: Labels = {}): number {
    return this.families.get(name)?.series.get(keyOf(labels))?.window?.quantile(q) ?? NaN;
  }

  /** Drop every series that has these labels: what they measured is gone. */
  forget(labels: Labels): void {
    const wanted = Object.entries(labels);
    for (const { series } of this.families.values()) {
      for (const [key, { labels: own }] of series)
        if (wanted.every(([name, value]) => own[name] === value)) series.delete(key);
    }
  }

  /** All of it as text. @source Prometheus exposition format 0.0.4 */
  render(): string {
    const lines: string[] = [];
    for (const [name, { kind, help, series }] of this.families) {
      if (series.size === 0) continue;
      lines.push(
        `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`,
        `# TYPE ${name} ${kind}`,
      );
      for (const { labels, value, window } of series.values()) {
        if (kind !== "summary") lines.push(`${name}${textOf(labels)} ${numberText(value)}`);
        else if (window !== undefined) lines.push(...summaryLines(name, labels, window));
      }
    }
    return `${lines.join("\n")}\n`;
  }

  private at(name: string, labels: Labels): { labels: Labels; value: number; window?: ValueWindow } {
    const family =
      this.families.get(name) ??
      fail({ code: "INVALID_ARGUMENT", what: `metric "${name}" was not declared` });
    const key = keyOf(labels);
    const known = family.series.get(key);
    if (known !== undefined) return known;
    if (family.series.size >= maxSeries) family.series.delete(family.series.keys().next().value as string);
    const fresh = { labels, value: 0 };
    family.series.set(key, fresh);
    return fresh;
  }
}

/** Answers `/metrics`. */
export function metricsRoute(metrics: Metrics): Route {
  return (_, response) => {
    response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" });
    response.end(metrics.render());
  };
}

function summaryLines(name: string, labels: Labels, window: ValueWindow): string[] {
  const rows = quantiles.map(
    (q) => `${name}${textOf({ ...labels, quantile: q })} ${numberText(window.quantile(q))}`,
  );
  return [
    ...rows,
    `${name}_sum${textOf(labels)} ${numberText(window.sum)}`,
    `${name}_count${textOf(labels)} ${window.count}`,
  ];
}

/** The same for the same labels in any order. */
function keyOf(labels: Labels): string {
  const names = Object.keys(labels);
  if (names.length === 0) return "";
  return JSON.stringify(names.toSorted().map((name) => [name, labels[name]]));
}

function textOf(labels: Labels): string {
  const escape = (text: string): string =>
    text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escape(String(value))}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
