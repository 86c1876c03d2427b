/** @file Curves of every metric, runs laid over one another, smoothed as the reader likes. */

import { element } from "/overview.mjs";

const size = { width: 400, height: 220 };
const box = { left: 54, right: 390, top: 12, bottom: 190 };
const points = 400;
const apart = new Set(["stage", "step"]);

/** `policy-3-round1` of a run with seed 3 is the stage `policy-round1`, drawn with its other seeds. */
function stageOf(stage, { seed, seeds }) {
  const match = /^(.+?)-(\d+)(-.+)?$/.exec(stage);
  const number = Number(match?.[2]);
  if (match === null || number < seed || number >= seed + seeds) return { base: stage, seed: "" };
  return { base: match[1] + (match[3] ?? ""), seed: seeds > 1 ? `seed ${number}` : "" };
}

/** `real/return` and `imagined/return` share a plot, as do `psnr@1` and `psnr@15`. */
function placeOf(metric) {
  const slash = metric.lastIndexOf("/");
  const name = metric.slice(slash + 1);
  const group = slash < 0 ? "" : metric.slice(0, slash);
  const at = name.indexOf("@");
  if (at < 0) return { subject: name, label: group };
  return { subject: name.slice(0, at), label: `${group} ${name.slice(at)}`.trim() };
}

function gather(runs, lines) {
  const plots = new Map();
  for (const run of runs) {
    for (const line of lines.get(run.id) ?? []) {
      const { base, seed } = stageOf(line.stage, run);
      for (const [metric, value] of Object.entries(line)) {
        if (apart.has(metric) || typeof value !== "number") continue;
        const { subject, label } = placeOf(metric);
        const key = `${base}/${subject}`;
        const plot = plots.get(key) ?? { key, stage: base, title: subject, series: new Map() };
        plots.set(key, plot);
        const own = `${seed} ${label}`.trim();
        const name = runs.length > 1 ? `${run.name} ${own}`.trim() : own || run.name;
        const id = `${run.id} ${own}`;
        const series = plot.series.get(id) ?? { name, colour: run.colour, x: [], y: [] };
        plot.series.set(id, series);
        series.x.push(line.step);
        series.y.push(value);
      }
    }
  }
  return [...plots.values()].map((plot) => ({
    ...plot,
    series: coloured([...plot.series.values()], runs.length),
  }));
}

/** A colour per run; where there is one run, a colour per curve. */
function coloured(series, runs) {
  return runs > 1 ? series : series.map((one, i) => ({ ...one, colour: `c${i % 8}` }));
}

/** Moving average over about `span` samples to either side, without lag. */
function smooth(values, span) {
  const keep = 1 - 1 / Math.max(1, span);
  const pass = (list) => {
    let [sum, weight] = [0, 0];
    return list.map((value) => {
      sum = keep * sum + value;
      weight = keep * weight + 1;
      return [sum, weight];
    });
  };
  const past = pass(values);
  const future = pass([...values].reverse()).reverse();
  return values.map((value, i) => (past[i][0] + future[i][0] - value) / (past[i][1] + future[i][1] - 1));
}

function tickText(value) {
  const large = Math.abs(value);
  if (large === 0) return "0";
  if (large >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`;
  if (large >= 1e4) return `${Number((value / 1e3).toPrecision(4))}k`;
  if (large < 1e-3) return Number(value.toPrecision(3)).toExponential();
  return String(Number(value.toPrecision(4)));
}

function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999);
  const list = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) list.push(i * step + 0);
  return list;
}

/** Where numbers lie on the screen; `log` where everything is positive. */
function scalesOf(series, wantLog) {
  const xs = series.flatMap(({ x }) => [x[0], x[x.length - 1]]);
  const ys = series.flatMap(({ y }) => y);
  let [low, high] = [Infinity, -Infinity];
  for (const value of ys) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const log = wantLog && low > 0;
  const fold = log ? Math.log10 : (value) => value;
  const pad = (fold(high) - fold(low) || Math.abs(fold(high)) || 1) * 0.06;
  const [bottom, top] = [fold(low) - pad, fold(high) + pad];
  const [from, to] = [Math.min(...xs), Math.max(...xs)];
  return {
    x: (value) => box.left + ((value - from) / (to - from || 1)) * (box.right - box.left),
    y: (value) => box.bottom - ((fold(value) - bottom) / (top - bottom)) * (box.bottom - box.top),
    step: (px) => from + ((px - box.left) / (box.right - box.left)) * (to - from),
    xTicks: ticks(from, to, 5),
    yTicks: log ? ticks(bottom, top, 4).map((power) => 10 ** power) : ticks(bottom, top, 4),
  };
}

function pathOf({ x, y }, scales) {
  const stride = Math.max(1, Math.ceil(x.length / points));
  const kept = x.map((_, i) => i).filter((i) => i % stride === 0 || i === x.length - 1);
  return `M${kept.map((i) => `${scales.x(x[i]).toFixed(1)} ${scales.y(y[i]).toFixed(1)}`).join("L")}`;
}

function axes(scales) {
  const rows = scales.yTicks.map((tick) => {
    const y = scales.y(tick).toFixed(1);
    return `<path class="grid" d="M${box.left} ${y}H${box.right}"/><text x="${box.left - 6}" y="${y}" dy=".32em" text-anchor="end">${tickText(tick)}</text>`;
  });
  const columns = scales.xTicks.map((tick) => {
    const x = scales.x(tick).toFixed(1);
    return `<path class="axis" d="M${x} ${box.bottom}v4"/><text x="${x}" y="${box.bottom + 16}" text-anchor="middle">${tickText(tick)}</text>`;
  });
  return `${rows.join("")}${columns.join("")}<path class="axis" d="M${box.left} ${box.bottom}H${box.right}"/>`;
}

function curve(series, scales, span) {
  if (series.x.length === 1) {
    const [x, y] = [scales.x(series.x[0]), scales.y(series.y[0])];
    return `<g class="${series.colour}"><circle cx="${x}" cy="${y}" r="3"/></g>`;
  }
  if (span <= 1) return `<g class="${series.colour}"><path class="line" d="${pathOf(series, scales)}"/></g>`;
  const calm = { x: series.x, y: smooth(series.y, span) };
  return `<g class="${series.colour}"><path class="raw" d="${pathOf(series, scales)}"/><path class="line" d="${pathOf(calm, scales)}"/></g>`;
}

/** Value of the sample nearest to `step`. */
function nearest({ x, y }, step) {
  let best = 0;
  for (let i = 1; i < x.length; i++) if (Math.abs(x[i] - step) < Math.abs(x[best] - step)) best = i;
  return { step: x[best], value: y[best] };
}

function legend(series, step) {
  return series.map((one) => {
    const at = step === undefined ? { value: one.y[one.y.length - 1] } : nearest(one, step);
    const text = `${one.name}: ${tickText(at.value)}${at.step === undefined ? "" : ` at ${at.step}`}`;
    return element("span", { className: one.colour }, [element("i"), element("span", {}, [text])]);
  });
}

function figure({ title, series }, settings) {
  const scales = scalesOf(series, settings.log);
  const longest = Math.max(...series.map(({ x }) => x.length));
  const span = (settings.smoothing / 100) * Math.min(longest, 200);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title} by step`);
  // Numbers and class names alone go in here; names of metrics and runs are set as text.
  svg.innerHTML = `${axes(scales)}${series.map((one) => curve(one, scales, span)).join("")}<path class="cursor" d=""/>`;
  const keys = element("div", { className: "legend" }, legend(series));
  svg.addEventListener("mousemove", ({ clientX }) => {
    const { left, width } = svg.getBoundingClientRect();
    const px = Math.min(box.right, Math.max(box.left, ((clientX - left) / width) * size.width));
    svg.querySelector(".cursor").setAttribute("d", `M${px} ${box.top}V${box.bottom}`);
    keys.replaceChildren(...legend(series, scales.step(px)));
  });
  svg.addEventListener("mouseleave", () => {
    svg.querySelector(".cursor").setAttribute("d", "");
    keys.replaceChildren(...legend(series));
  });
  return element("figure", { className: "plot" }, [element("figcaption", {}, [title]), svg, keys]);
}

/** Plots that were drawn, by their key: one whose numbers have not changed is left as it is. */
const drawn = new Map();

function stampOf({ series }, settings) {
  const ends = series.map(({ name, colour, x, y }) => [
    name,
    colour,
    x.length,
    x[x.length - 1],
    y[y.length - 1],
  ]);
  return JSON.stringify([settings.smoothing, settings.log, ends]);
}

function figureFor(plot, settings) {
  const stamp = stampOf(plot, settings);
  const before = drawn.get(plot.key);
  if (before?.stamp === stamp) return before.node;
  const node = figure(plot, settings);
  drawn.set(plot.key, { stamp, node });
  return node;
}

/** Draw all curves of the runs, by stage. */
export function drawCurves(root, runs, lines, settings) {
  const plots = gather(runs, lines).filter(({ key }) => key.toLowerCase().includes(settings.filter));
  const stages = [...new Set(plots.map(({ stage }) => stage))];
  const groups = stages.flatMap((stage) => {
    const own = plots.filter((plot) => plot.stage === stage).map((plot) => figureFor(plot, settings));
    return [element("h3", {}, [stage]), element("div", { className: "plots" }, own)];
  });
  const empty = element("p", { className: "empty" }, ["No metric of these runs matches."]);
  root.replaceChildren(...(groups.length === 0 ? [empty] : groups));
}
