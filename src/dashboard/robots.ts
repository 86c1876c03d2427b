/** @file The bridge's robots, read from its Prometheus page: latency, safety state, refusals. */

import { fail } from "../core/errors.ts";

/** One sample of the text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A bridge as the page shows it. */
export interface BridgeView {
  readonly url: string;
  /** Why there is nothing to show. */
  readonly error?: string;
  readonly connections?: number;
  readonly connected?: boolean;
  readonly armed?: boolean;
  /** Milliseconds from an action's arrival to its setpoint's departure, or of a request, by quantile. */
  readonly latencyMs: Readonly<Record<string, number>>;
  /** Milliseconds between setpoints, by quantile. */
  readonly intervalMs: Readonly<Record<string, number>>;
  readonly stops: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly limited: number;
  readonly setpoints: number;
  readonly missedTicks: number;
}

/** Samples of a page in Prometheus's text format; comments are left out. */
export function parseSamples(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
    if (match === null) continue;
    const labels = [...(match[2] ?? "").matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)];
    const entries = labels.map(([, key, value]) => [
      key,
      value.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c)),
    ]);
    samples.push({ name: match[1], labels: Object.fromEntries(entries), value: Number(match[3]) });
  }
  return samples;
}

function byLabel(samples: readonly Sample[], name: string, label: string): Record<string, number> {
  const own = samples.filter((sample) => sample.name === name && label in sample.labels);
  const sums: Record<string, number> = {};
  for (const { labels, value } of own) sums[labels[label]] = (sums[labels[label]] ?? 0) + value;
  return sums;
}

/** Quantiles in milliseconds; the worst of several series. */
function quantiles(samples: readonly Sample[], name: string): Record<string, number> {
  const own = samples.filter((sample) => sample.name === name && "quantile" in sample.labels);
  const worst: Record<string, number> = {};
  for (const { labels, value } of own) {
    if (Number.isFinite(value)) worst[labels.quantile] = Math.max(worst[labels.quantile] ?? 0, value * 1000);
  }
  return worst;
}

/** What the samples say of the bridge and its robot. */
export function bridgeView(url: string, samples: readonly Sample[]): BridgeView {
  const one = (name: string): number | undefined => samples.find((sample) => sample.name === name)?.value;
  const total = (name: string): number =>
    samples.filter((sample) => sample.name === name).reduce((sum, { value }) => sum + value, 0);
  const flag = (name: string): boolean | undefined => (one(name) === undefined ? undefined : one(name) === 1);
  const robot = quantiles(samples, "reverie_robot_action_seconds");
  return {
    url,
    connections: one("reverie_connections"),
    connected: flag("reverie_robot_connected"),
    armed: flag("reverie_robot_armed"),
    latencyMs: Object.keys(robot).length > 0 ? robot : quantiles(samples, "reverie_infer_seconds"),
    intervalMs: quantiles(samples, "reverie_robot_setpoint_interval_seconds"),
    stops: byLabel(samples, "reverie_robot_stops_total", "reason"),
    refused: byLabel(samples, "reverie_robot_refused_total", "reason"),
    faults: byLabel(samples, "reverie_faults_total", "code"),
    limited: total("reverie_robot_limited_total"),
    setpoints: total("reverie_robot_setpoints_total"),
    missedTicks: total("reverie_robot_missed_ticks_total"),
  };
}

const nothing = {
  latencyMs: {},
  intervalMs: {},
  stops: {},
  refused: {},
  faults: {},
  limited: 0,
  setpoints: 0,
  missedTicks: 0,
};

/** Address of the bridge's metrics. @throws INVALID_ARGUMENT */
export function metricsUrl(url: string): string {
  const address = url.replace(/^ws/, "http");
  if (!URL.canParse(address) || !/^https?:/.test(address)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `"${url}" is not the address of a bridge`,
      expected: "as in http://robot:8000",
    });
  }
  return new URL("/metrics", address).href;
}

/** Ask a bridge how it is; a bridge that cannot be reached is told as such. @throws INVALID_ARGUMENT */
export async function askBridge(url: string, token: string | undefined): Promise<BridgeView> {
  const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
  const target = metricsUrl(url);
  try {
    const answer = await fetch(target, { headers, signal: AbortSignal.timeout(2000) });
    if (!answer.ok) return { url, error: `HTTP ${answer.status}`, ...nothing };
    return bridgeView(url, parseSamples(await answer.text()));
  } catch (error) {
    // "fetch failed" says nothing; its cause does.
    const { message, cause } = error as Error;
    return {
      url,
      error: cause instanceof Error && cause.message !== "" ? cause.message : message,
      ...nothing,
    };
  }
}
