/** @file The page: the socket to the dashboard's server, the list of runs, and which view is open. */

import { drawCurves } from "/curves.mjs";
import { drawConfig, drawOverview, element } from "/overview.mjs";
import { drawRobots } from "/robots.mjs";
import { makeWorldView } from "/worlds.mjs";

const views = ["overview", "curves", "worlds", "config", "robots"];
const byId = (id) => document.getElementById(id);

const state = {
  runs: [],
  bridges: [],
  mayPlay: false,
  damaged: 0,
  /** Lines of metrics by a run's id. */
  lines: new Map(),
  /** Ids of the runs that are shown; undefined until the first overview. */
  chosen: undefined,
  view: "overview",
  curves: { smoothing: 3, log: false, filter: "" },
};

let socket;
const send = (message) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
};
const worldView = makeWorldView(send);

/** Runs that are shown, each with the colour that it has everywhere. */
const shownRuns = () =>
  state.runs.map((run, i) => ({ ...run, colour: `c${i % 8}` })).filter(({ id }) => state.chosen?.has(id));

const drawers = {
  overview: () => drawOverview(byId("overview"), shownRuns()),
  curves: () => drawCurves(byId("plots"), shownRuns(), state.lines, state.curves),
  worlds: () => worldView.update(state.runs, state.mayPlay),
  config: () => drawConfig(byId("config"), shownRuns()),
  robots: () => drawRobots(byId("robots"), state.bridges),
};

let pending = false;
/** Draw the open view once per frame of the screen at most. */
function redraw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    drawers[state.view]();
  });
}

function open(view) {
  if (state.view === "worlds" && view !== "worlds") worldView.leave();
  state.view = view;
  for (const name of views) byId(name).hidden = name !== view;
  for (const tab of document.querySelectorAll("nav button"))
    tab.setAttribute("aria-selected", String(tab.dataset.view === view));
  history.replaceState(null, "", `#${view}`);
  redraw();
}

function follow() {
  const runs = state.runs.map(({ id }) => id).filter((id) => state.chosen.has(id));
  send({ type: "follow", runs });
}

function runItem(run, index) {
  const box = element("input", { type: "checkbox", checked: state.chosen.has(run.id) });
  box.addEventListener("change", () => {
    if (box.checked) state.chosen.add(run.id);
    else state.chosen.delete(run.id);
    follow();
    redraw();
  });
  const stage = run.stages.find(({ status }) => status === "running");
  const told =
    stage === undefined ? run.status : `${stage.name} ${Math.floor((stage.progress?.fraction ?? 0) * 100)} %`;
  const label = element("label", { className: `c${index % 8}`, title: run.path }, [
    box,
    element("i"),
    element("b", {}, [run.name]),
    element("small", {}, [`seed ${run.seed} · ${told}`]),
  ]);
  return element("li", {}, [label]);
}

/** Runs of one name are told apart by their folders. */
function withOwnNames(runs) {
  const folder = ({ path }) => path.split(/[\\/]/).at(-1);
  const shared = (run) => runs.some((other) => other !== run && other.name === run.name);
  return runs.map((run) => (shared(run) ? { ...run, name: folder(run) } : run));
}

function takeOverview(message) {
  const first = state.chosen === undefined;
  Object.assign(state, {
    runs: withOwnNames(message.runs),
    bridges: message.bridges,
    mayPlay: message.mayPlay,
  });
  // At first the newest four; the others are a click away.
  if (first) {
    state.chosen = new Set(message.runs.slice(-4).map(({ id }) => id));
    follow();
  }
  byId("runs").replaceChildren(...state.runs.map(runItem));
  byId("link").title = message.damaged > 0 ? `${message.damaged} damaged lines of metrics are left out` : "";
}

function takeLines({ run, whole, lines }) {
  const known = whole ? [] : (state.lines.get(run) ?? []);
  state.lines.set(run, known.concat(lines));
}

function connect() {
  const status = byId("link");
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/`);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    status.className = "open";
    status.textContent = "live";
    state.chosen = undefined;
    state.lines.clear();
  });
  socket.addEventListener("message", ({ data }) => {
    if (typeof data !== "string") return worldView.frame(data);
    const message = JSON.parse(data);
    if (message.type === "overview") takeOverview(message);
    else if (message.type === "lines") takeLines(message);
    else return worldView.error(message.message);
    redraw();
  });
  socket.addEventListener("close", () => {
    status.className = "lost";
    status.textContent = "connection lost, trying again";
    setTimeout(connect, 1500);
  });
}

for (const tab of document.querySelectorAll("nav button"))
  tab.addEventListener("click", () => open(tab.dataset.view));
byId("smoothing").addEventListener("input", ({ target }) => {
  state.curves.smoothing = Number(target.value);
  redraw();
});
byId("log").addEventListener("change", ({ target }) => {
  state.curves.log = target.checked;
  redraw();
});
byId("filter").addEventListener("input", ({ target }) => {
  state.curves.filter = target.value.trim().toLowerCase();
  redraw();
});
const asked = location.hash.slice(1);
open(views.includes(asked) ? asked : "overview");
connect();
