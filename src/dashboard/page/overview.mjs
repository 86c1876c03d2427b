/** @file Runs at a glance: stage, time left, results; and their configs side by side. */

/** A DOM element with properties and children; text never becomes markup. */
export function element(name, properties = {}, children = []) {
  const node = document.createElement(name);
  const { style, ...rest } = properties;
  Object.assign(node, rest);
  if (style !== undefined) for (const [key, value] of Object.entries(style)) node.style[key] = value;
  node.append(...children);
  return node;
}

/** `7 s`, `3:07`, `1:02:45`; a dash while it is unknown. */
export function clock(seconds) {
  if (seconds === undefined || seconds === null) return "–";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

function fact(value, label) {
  return element("div", {}, [element("b", {}, [value]), element("span", {}, [label])]);
}

function facts(run) {
  const seconds = run.stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const memory = Math.max(0, ...run.stages.map(({ peakMemoryBytes }) => peakMemoryBytes));
  const now = run.stages.find(({ status }) => status === "running");
  const done = run.stages.filter(({ status }) => status === "done").length;
  return element("div", { className: "facts" }, [
    fact(`${done} / ${run.stages.length}`, "stages done"),
    fact(clock(seconds), "at work"),
    ...(now === undefined
      ? []
      : [
          fact(clock(now.progress?.etaSeconds), "left of the stage"),
          fact(clock(now.progress?.totalEtaSeconds), "left of the run"),
        ]),
    fact(`${(memory / 2 ** 30).toFixed(1)} GiB`, "peak memory"),
  ]);
}

function progress(run) {
  const now = run.stages.find(({ status }) => status === "running");
  if (now === undefined) return [];
  const share = Math.floor((now.progress?.fraction ?? 0) * 100);
  const bar = element("div", {
    className: "bar",
    role: "progressbar",
    ariaLabel: now.name,
    ariaValueNow: String(share),
  });
  bar.append(element("i", { style: { width: `${share}%` } }));
  const note = now.progress?.note ? ` · ${now.progress.note}` : "";
  return [element("p", {}, [`${now.name} ${share} %${note}`]), bar];
}

function runCard(run, wasOpen) {
  const head = element("div", { className: "head" }, [
    element("h2", { className: run.colour }, [run.name]),
    element("span", { className: `badge ${run.status === "done" ? "good" : run.status}` }, [run.status]),
    element("small", {}, [
      `${run.experiment} · seed ${run.seed}${run.seeds > 1 ? ` to ${run.seed + run.seeds - 1}` : ""} · ${run.path}`,
    ]),
  ]);
  const stages = run.stages.map(({ name, status, seconds }) =>
    element("span", { className: status, title: `${status}, ${clock(seconds)}` }, [name]),
  );
  const card = element("article", { className: "card" }, [head, facts(run), ...progress(run)]);
  card.append(element("div", { className: "stages" }, stages));
  if (run.tables.length > 0) {
    const details = element("details", { open: wasOpen ?? false }, [
      element("summary", {}, [`Results (${run.tables.length} tables)`]),
    ]);
    details.dataset.run = run.id;
    details.append(...run.tables.map((text) => element("pre", {}, [text])));
    card.append(details);
  }
  return card;
}

/** A card per run; what the reader has unfolded stays so. */
export function drawOverview(root, runs) {
  const unfolded = new Set([...root.querySelectorAll("details[open]")].map(({ dataset }) => dataset.run));
  const cards = runs.map((run) => runCard(run, unfolded.has(run.id)));
  const empty = element("p", { className: "empty" }, [
    "No run is chosen. Runs appear at the left as they begin.",
  ]);
  root.replaceChildren(...(cards.length === 0 ? [empty] : cards));
}

/** Fields of all runs, those that differ first. */
export function drawConfig(root, runs) {
  const paths = [...new Set(runs.flatMap(({ config }) => Object.keys(config)))];
  const rows = paths.map((path) => ({ path, values: runs.map(({ config }) => config[path] ?? "none") }));
  const differs = ({ values }) => values.some((value) => value !== values[0]);
  const ordered = [...rows.filter(differs), ...rows.filter((row) => !differs(row))];
  const head = element("tr", {}, [
    element("th", {}, ["field"]),
    ...runs.map(({ name, seed, colour }) => element("th", { className: colour }, [`${name}, seed ${seed}`])),
  ]);
  const body = ordered.map((row) =>
    element("tr", { className: differs(row) ? "differs" : "" }, [
      element("td", {}, [row.path]),
      ...row.values.map((value) => element("td", {}, [value])),
    ]),
  );
  const count = rows.filter(differs).length;
  const title =
    runs.length < 2 ? "Config" : `Configs: ${count} ${count === 1 ? "field differs" : "fields differ"}`;
  const table = element("table", {}, [element("thead", {}, [head]), element("tbody", {}, body)]);
  root.replaceChildren(element("div", { className: "card" }, [element("h2", {}, [title]), table]));
}
