/** @file The bridges' robots: are they connected and armed, how late do actions come, what was stopped or refused. */

import { element } from "/overview.mjs";

const milliseconds = (value) =>
  value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

function fact(value, label) {
  return element("div", {}, [element("b", {}, [value]), element("span", {}, [label])]);
}

function badges({ error, connected, armed }) {
  if (error !== undefined) return [element("span", { className: "badge bad" }, ["unreachable"])];
  const list = [];
  if (connected !== undefined)
    list.push(
      element("span", { className: `badge ${connected ? "good" : "bad"}` }, [
        connected ? "robot connected" : "robot away",
      ]),
    );
  if (armed !== undefined)
    list.push(
      element("span", { className: `badge ${armed ? "warn" : "good"}` }, [
        armed ? "armed: commands move it" : "safe: disarmed",
      ]),
    );
  return list;
}

function counts(title, record) {
  const rows = Object.entries(record).map(([reason, count]) =>
    element("tr", {}, [element("td", {}, [reason]), element("td", { className: "num" }, [String(count)])]),
  );
  if (rows.length === 0) return [];
  return [element("h3", {}, [title]), element("table", {}, [element("tbody", {}, rows)])];
}

function card(bridge) {
  const head = element("div", { className: "head" }, [
    element("h2", {}, [bridge.url]),
    ...badges(bridge),
    element("small", {}, [bridge.error ?? ""]),
  ]);
  if (bridge.error !== undefined) return element("article", { className: "card" }, [head]);
  const { latencyMs, intervalMs } = bridge;
  const figures = element("div", { className: "facts" }, [
    fact(milliseconds(latencyMs["0.5"]), "latency, median"),
    fact(milliseconds(latencyMs["0.99"]), "latency, 99 %"),
    fact(milliseconds(latencyMs["1"]), "latency, worst"),
    fact(milliseconds(intervalMs["0.99"]), "between setpoints, 99 %"),
    fact(String(bridge.connections ?? "–"), "connections"),
    fact(String(bridge.setpoints), "setpoints"),
    fact(String(bridge.limited), "limited"),
    fact(String(bridge.missedTicks), "missed ticks"),
  ]);
  return element("article", { className: "card" }, [
    head,
    figures,
    ...counts("Safe stops", bridge.stops),
    ...counts("Refused actions", bridge.refused),
    ...counts("Refused messages", bridge.faults),
  ]);
}

/** A card per bridge. */
export function drawRobots(root, bridges) {
  const empty = element("p", { className: "empty" }, [
    "No bridge is watched. Start the dashboard with --bridge http://robot:8000.",
  ]);
  root.replaceChildren(...(bridges.length === 0 ? [empty] : bridges.map(card)));
}
