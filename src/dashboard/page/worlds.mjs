/** @file Worlds: the policy in the simulator beside its dreams, and playing in both from the keyboard. */

import { element } from "/overview.mjs";

const keys = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  a: "left",
  d: "right",
  w: "up",
  s: "down",
  r: "r",
  " ": " ",
};

const byId = (id) => document.getElementById(id);

/** Head and pictures of a message: see frame.ts. */
function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const pictures = head.panels.map(({ bytes }) => {
    const png = new Uint8Array(buffer, at, bytes);
    at += bytes;
    return createImageBitmap(new Blob([png], { type: "image/png" }));
  });
  return { head, pictures };
}

function meter(value) {
  const width = Math.min(1, Math.abs(value)) * 50;
  const left = value < 0 ? 50 - width : 50;
  return element("div", { className: "meter" }, [
    element("i", { style: { left: `${left}%`, width: `${width}%` } }),
  ]);
}

function actionRows(names, action) {
  return action.flatMap((value, i) => [
    element("span", {}, [names[i] ?? `action ${i}`]),
    meter(value),
    element("span", {}, [value.toFixed(2)]),
  ]);
}

function makePanel() {
  const title = element("b");
  const canvas = element("canvas");
  const lines = element("div");
  const action = element("div", { className: "action" });
  return {
    node: element("div", { className: "view" }, [title, canvas, lines, action]),
    title,
    canvas,
    lines,
    action,
  };
}

function fill(panel, { title, lines, action }, bitmap, names) {
  panel.title.textContent = title;
  Object.assign(panel.canvas, { width: bitmap.width, height: bitmap.height });
  panel.canvas.getContext("2d").drawImage(bitmap, 0, 0);
  panel.lines.replaceChildren(...lines.map((line) => element("small", {}, [line])));
  panel.action.replaceChildren(...actionRows(names, action));
}

/** Panels in the stage: the real one large, dreams beside it; two worlds side by side in playing. */
function makeStage(stage) {
  let panels = [];
  return (mode, count) => {
    if (panels.length === count && stage.dataset.mode === mode) return panels;
    panels = Array.from({ length: count }, makePanel);
    stage.dataset.mode = mode;
    stage.className = mode === "play" ? "pair" : "";
    const [first, ...rest] = panels.map(({ node }) => node);
    const beside = mode === "play" ? rest : [element("div", { id: "dreams" }, rest)];
    stage.replaceChildren(first, ...beside);
    return panels;
  };
}

/** Keys of the page as keys of the worlds, while one is played. */
function listenToKeys(playing, send) {
  const onKey = (down) => (event) => {
    const key = keys[event.key];
    if (!playing() || key === undefined || event.target.tagName === "INPUT") return;
    event.preventDefault();
    if (!event.repeat) send({ type: "key", key, down });
  };
  document.addEventListener("keydown", onKey(true));
  document.addEventListener("keyup", onKey(false));
}

/** Fill the list of runs, keeping the choice; playing is offered where the server allows it. */
function offer(runs, mayPlay) {
  const select = byId("world-run");
  const known = [...select.options].map(({ value }) => value).join();
  if (known !== runs.map(({ id }) => id).join())
    select.replaceChildren(...runs.map(({ id, name, seed }) => new Option(`${name}, seed ${seed}`, id)));
  byId("play").disabled = !mayPlay;
  byId("play").title = mayPlay
    ? "arrows or wasd, r starts over, space pauses"
    : "start the dashboard with --play";
}

const status = (text) => {
  byId("world-status").textContent = text;
};

const playHint = "arrows or wasd, r starts over, space pauses";

function statusOf({ title, mode }, shown, ms) {
  const rate = shown === 0 ? "" : ` · ${((shown * 1000) / ms).toFixed(1)} frames/s`;
  return `${title}${rate}${mode === "play" ? ` · ${playHint}` : ""}`;
}

/** Draws frames and counts them. */
function makeScreen(stage) {
  const panelsFor = makeStage(stage);
  let [shown, since] = [0, 0];
  return {
    begin() {
      shown = 0;
    },
    show(head, bitmaps) {
      const panels = panelsFor(head.mode, head.panels.length);
      head.panels.forEach((panel, i) => fill(panels[i], panel, bitmaps[i], head.actionNames));
      if (shown === 0) since = performance.now();
      status(statusOf(head, shown, performance.now() - since));
      shown += 1;
    },
  };
}

/** @param send sends a message to the server */
export function makeWorldView(send) {
  const stage = byId("stage");
  const screen = makeScreen(stage);
  let mode;
  const look = (wanted) => {
    mode = wanted;
    screen.begin();
    send({ type: "look", mode, run: byId("world-run").value });
    byId("leave").disabled = false;
    status("loading the run's models …");
    if (mode === "play") stage.focus();
  };
  const leave = () => {
    if (mode === undefined) return;
    mode = undefined;
    send({ type: "leave" });
    byId("leave").disabled = true;
  };
  const buttons = { watch: () => look("watch"), play: () => look("play"), leave };
  for (const [id, press] of Object.entries(buttons)) byId(id).addEventListener("click", press);
  listenToKeys(() => mode === "play", send);
  return {
    leave,
    update: offer,
    error(message) {
      leave();
      status(message);
    },
    async frame(buffer) {
      const { head, pictures } = decode(buffer);
      const bitmaps = await Promise.all(pictures);
      send({ type: "shown" });
      // A frame may have been on its way when its world was left.
      if (head.mode === mode) screen.show(head, bitmaps);
    },
  };
}
