/** @file Metrics: the text that Prometheus reads, percentiles, and what a bridge and a guard report. */

import { describe, expect, it } from "vitest";

import { Metrics, ValueWindow } from "../../../src/bridge/metrics.ts";
import { bridgeMetrics } from "../../../src/bridge/observe/bridge-metrics.ts";
import { guardMetrics } from "../../../src/bridge/observe/guard-metrics.ts";

describe("the text", () => {
  it("is Prometheus's, with labels and help escaped", () => {
    const metrics = new Metrics()
      .declare("a_total", "counter", "Help\nof \\ a.")
      .declare("b", "gauge", "Of b.")
      .declare("unused", "gauge", "Nothing.");
    metrics.count("a_total", { reason: 'say "no"\n\\' });
    metrics.count("a_total", { reason: 'say "no"\n\\' }, 2);
    metrics.set("b", Infinity);
    expect(metrics.render()).toBe(
      [
        "# HELP a_total Help\\nof \\\\ a.",
        "# TYPE a_total counter",
        'a_total{reason="say \\"no\\"\\n\\\\"} 3',
        "# HELP b Of b.",
        "# TYPE b gauge",
        "b +Inf\n",
      ].join("\n"),
    );
  });

  it("shows percentiles, sum and count of a summary", () => {
    const metrics = new Metrics().declare("t_seconds", "summary", "T.");
    for (let i = 1; i <= 100; i++) metrics.observe("t_seconds", i, { connection: 7 });
    expect(metrics.render().split("\n").slice(2, -1)).toEqual([
      't_seconds{connection="7",quantile="0.5"} 50',
      't_seconds{connection="7",quantile="0.9"} 90',
      't_seconds{connection="7",quantile="0.99"} 99',
      't_seconds{connection="7",quantile="1"} 100',
      't_seconds_sum{connection="7"} 5050',
      't_seconds_count{connection="7"} 100',
    ]);
    expect(metrics.quantile("t_seconds", 0.99, { connection: 7 })).toBe(99);
  });

  it("refuses names that Prometheus refuses, and undeclared ones", () => {
    expect(() => new Metrics().declare("a-b", "gauge", "")).toThrow(/INVALID_ARGUMENT/);
    expect(() => new Metrics().count("a")).toThrow(/not declared/);
  });
});

it("percentiles are of the newest values only, and memory is bounded", () => {
  const window = new ValueWindow();
  expect(window.quantile(0.5)).toBeNaN();
  for (let i = 0; i < 5000; i++) window.add(i < 3000 ? 1000 : 1);
  expect(window.quantile(1)).toBe(1);
  expect(window.count).toBe(5000);
  const metrics = new Metrics().declare("a", "gauge", "");
  for (let i = 0; i < 5000; i++) metrics.set("a", 1, { stranger: i });
  expect(metrics.render().split("\n").length).toBeLessThan(1010);
});

it("a bridge's connections have their own latencies, which go when they go", () => {
  const metrics = new Metrics();
  const sink = bridgeMetrics(metrics);
  const request = {
    type: "request",
    session: "s",
    endpoint: "infer",
    bytesIn: 10,
    bytesOut: 20,
    queueMs: 1,
    encodeMs: 2,
  } as const;
  sink({ type: "connected", peer: 1, principal: "p", address: "a" });
  sink({ type: "connected", peer: 2, principal: "p", address: "a" });
  sink({ ...request, peer: 1, inferMs: 5 });
  sink({ ...request, peer: 2, inferMs: 50 });
  sink({ type: "roundtrip", peer: 2, networkMs: 3 });
  sink({ type: "refused", reason: "token", address: "a" });
  expect(metrics.quantile("reverie_infer_seconds", 0.5, { connection: 1 })).toBe(0.005);
  expect(metrics.quantile("reverie_infer_seconds", 0.5, { connection: 2 })).toBe(0.05);
  expect(metrics.render()).toContain("reverie_connections 2\n");
  expect(metrics.render()).toContain('reverie_refused_total{reason="token"} 1');
  expect(metrics.render()).toContain("reverie_received_bytes_total 20");
  sink({ type: "disconnected", peer: 1, code: 1000, openMs: 5 });
  expect(metrics.quantile("reverie_infer_seconds", 0.5, { connection: 1 })).toBeNaN();
  expect(metrics.render()).toContain("reverie_connections 1\n");
});

it("a guard reports stops by reason, refusals, setpoints and their spacing", () => {
  const metrics = new Metrics();
  const { event, sent, missed } = guardMetrics(metrics);
  const setpoint = { values: Float64Array.of(1), number: 0, seq: 0, row: 0, limited: true } as const;
  event({ type: "device", up: true, reason: "toy", atMs: 0 });
  event({ type: "armed", atMs: 0, sessionId: "s", seq: 0 });
  sent({ ...setpoint, kind: "command" }, 10);
  sent({ ...setpoint, kind: "command" }, 22);
  event({ type: "stopped", atMs: 30, reason: "silence" });
  sent({ ...setpoint, kind: "stop", limited: false }, 30);
  sent({ ...setpoint, kind: "command" }, 400);
  missed(3);
  event({ type: "refused", atMs: 30, refusal: "late", sessionId: "s", seq: 3 });
  expect(metrics.quantile("reverie_robot_setpoint_interval_seconds", 1)).toBeCloseTo(0.012, 9);
  const text = metrics.render();
  for (const line of [
    "reverie_robot_armed 0",
    "reverie_robot_connected 1",
    'reverie_robot_stops_total{reason="silence"} 1',
    'reverie_robot_refused_total{reason="late"} 1',
    'reverie_robot_setpoints_total{kind="command"} 3',
    "reverie_robot_limited_total 3",
    "reverie_robot_missed_ticks_total 3",
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});
