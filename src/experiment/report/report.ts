/** @file Writes report.html of a run from its folder alone: one self-contained page with tables, pictures, curves, times and config. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { parse } from "yaml";
import type { RunFields } from "../config/config-schema.ts";
import { writeAtomicallySync } from "../../core/storage.ts";
import { readMetrics } from "../records/metrics.ts";
import { clock, memory } from "../progress.ts";
import type { Session } from "../records/provenance.ts";
import { escapeHtml, plotHtml } from "./report-plot.ts";
import type { PlotData } from "./report-series.ts";
import { plotsOf } from "./report-series.ts";
import { reportCss } from "./report-style.ts";
import { tableHtml } from "./report-table.ts";
import type { Exhibit, RunState } from "../records/run-dir.ts";
import { readExhibits, readSessions, readState, readTables } from "../records/run-dir.ts";
import type { ResultTable } from "./table.ts";
import { columnHeading, formatCell } from "./table.ts";

const inlineLimitBytes = 12 * 2 ** 20;

const mediaTypes: Readonly<Record<string, string>> = {
  ".png": "image/png",
  ".webp": "image/webp",
  ".gif": "image/gif",
  ".mp4": "video/mp4",
};

interface RunHead extends RunFields {
  /** Repetitions with the seeds `seed`, `seed + 1`, …; one unless the experiment has such a field. */
  readonly seeds?: number;
}

function seedsOf({ seed, seeds = 1 }: RunHead): number[] {
  return Array.from({ length: seeds }, (_, k) => seed + k);
}

/**
 * Write `report.html` into the run's folder.
 * @param folder absolute path of a run's folder
 * @returns path of the report
 * @throws CORRUPT_FILE when a file it reads is damaged; STORAGE_FULL
 */
export function writeReport(folder: string): string {
  const path = join(folder, "report.html");
  writeAtomicallySync(path, reportHtml(folder));
  return path;
}

/** The page as text. */
export function reportHtml(folder: string): string {
  const configText = readFileSync(join(folder, "config.yaml"), "utf8");
  const config = parse(configText) as RunHead;
  const [state, sessions, tables] = [readState(folder), readSessions(folder), readTables(folder)];
  const body = [
    header(config, state, sessions),
    cards(tables),
    exhibitsHtml(folder, "pictures", "Pictures"),
    ...tables.map(tableHtml),
    exhibitsHtml(folder, "videos", "Videos"),
    plotGroupsHtml(plotsOf(readMetrics(join(folder, "metrics.jsonl")), seedsOf(config))),
    stagesHtml(state),
    `<h2>How it was made</h2>${sessions.map(sessionHtml).join("")}`,
    `<details><summary>Config</summary><pre>${escapeHtml(configText)}</pre></details>`,
  ];
  return pageHtml(config.name, body);
}

function header(config: RunHead, state: RunState, sessions: Session[]): string {
  const stages = Object.values(state.stages);
  const seconds = stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const peak = Math.max(0, ...stages.map((stage) => stage.peakMemoryBytes));
  const open = stages.some((stage) => stage.status !== "done");
  const facts = [
    `experiment ${config.experiment}`,
    `seed ${config.seed}`,
    `${clock(seconds)} on ${sessions.at(-1)?.machine.cores ?? "?"} cores`,
    `peak memory ${memory(peak)}`,
    sessions[0]?.startedAt.slice(0, 10) ?? "",
  ];
  const badge = open ? `<span class="badge">unfinished</span>` : "";
  return `<h1>${escapeHtml(config.name)}${badge}</h1><p class="lead">${escapeHtml(facts.join(" · "))}</p>`;
}

/** The figures of the row that the first table is about. */
function cards(tables: readonly ResultTable[]): string {
  const table = tables.find(({ rows }) => rows.some(({ style }) => style === "emphasis"));
  const row = table?.rows.find(({ style }) => style === "emphasis");
  if (table === undefined || row === undefined) return "";
  const [label, ...rest] = table.columns;
  const numeric = rest
    .filter(({ key }) => row.cells[key] !== null && typeof row.cells[key] !== "string")
    .slice(0, 5);
  const cells = numeric.map((column) => {
    const text = escapeHtml(formatCell(row.cells[column.key], column));
    const figure = text.replace(/ [±%[].*$/, (rest) => `<small>${rest}</small>`);
    return `<div class="card"><b>${figure}</b><span>${escapeHtml(columnHeading(column))}</span></div>`;
  });
  const heading = formatCell(row.cells[label.key], label);
  return `<h3>${escapeHtml(heading)}</h3><div class="cards">${cells.join("")}</div>`;
}

function exhibitsHtml(folder: string, kind: string, title: string): string {
  const present = readExhibits(folder, kind).filter(({ file }) => existsSync(join(folder, kind, file)));
  if (present.length === 0) return "";
  const figures = present.map((exhibit) => {
    const caption = `<figcaption>${escapeHtml(exhibit.caption)}</figcaption>`;
    return `<figure class="exhibit">${mediaHtml(folder, kind, exhibit)}${caption}</figure>`;
  });
  return `<h2>${title}</h2><div class="exhibits">${figures.join("")}</div>`;
}

function mediaHtml(folder: string, kind: string, { file, caption }: Exhibit): string {
  const path = join(folder, kind, file);
  const type = mediaTypes[extname(file).toLowerCase()];
  const link = `${kind}/${encodeURIComponent(file)}`;
  if (type === undefined) return `<a href="${link}">${escapeHtml(basename(file))}</a>`;
  const inline = statSync(path).size <= inlineLimitBytes;
  const source = inline ? `data:${type};base64,${readFileSync(path).toString("base64")}` : link;
  if (type.startsWith("image/")) return `<img src="${source}" alt="${escapeHtml(caption)}">`;
  return `<video src="${source}" controls loop muted autoplay playsinline></video>`;
}

/** A page around `body` that needs nothing from outside. */
export function pageHtml(title: string, body: readonly string[]): string {
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(title)} · Reverie</title><link rel="icon" href="data:,"><style>${reportCss}</style>`;
  const parts = body.filter((part) => part !== "").join("\n");
  return `<!doctype html>\n<html lang="en"><head>${head}</head><body><main>\n${parts}\n</main></body></html>\n`;
}

/** Plots under the headings of their stages; empty without plots. */
export function plotGroupsHtml(plots: readonly PlotData[]): string {
  if (plots.length === 0) return "";
  const stages = [...new Set(plots.map(({ stage }) => stage))];
  const groups = stages.map((stage) => {
    const own = plots.filter((plot) => plot.stage === stage).map(plotHtml);
    return `<h3>${escapeHtml(stage)}</h3><div class="plots">${own.join("")}</div>`;
  });
  return `<h2>Curves</h2>${groups.join("")}`;
}

function stagesHtml(state: RunState): string {
  const stages = Object.entries(state.stages);
  const total = stages.reduce((sum, [, stage]) => sum + stage.seconds, 0);
  if (total === 0) return "";
  const strip = stages.map(
    ([name, { seconds }], i) =>
      `<span class="c${i % 8}" style="flex:${((seconds / total) * 100).toFixed(2)}" title="${escapeHtml(name)}: ${clock(seconds)}"></span>`,
  );
  const rows = stages.map(([name, { status, seconds, peakMemoryBytes }], i) => {
    const state = status === "done" ? "" : " (unfinished)";
    const share = `${((seconds / total) * 100).toFixed(0)} %`;
    return `<tr><td><i class="key c${i % 8}"></i>${escapeHtml(name)}${state}</td><td class="num">${clock(seconds)}</td><td class="num">${share}</td><td class="num">${memory(peakMemoryBytes)}</td></tr>`;
  });
  const head = `<tr><th>stage</th><th class="num">time</th><th class="num">share</th><th class="num">peak memory so far</th></tr>`;
  return `<h2>Time and memory</h2><div class="stages">${strip.join("")}</div><div class="table"><table><thead>${head}</thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function endOf({ finishedAt, outcome }: Session): string {
  return `${finishedAt ?? ""} (${outcome ?? "?"})`;
}

function sessionHtml(session: Session, index: number, all: readonly Session[]): string {
  const { machine, git } = session;
  const last = index === all.length - 1;
  const facts: [string, string][] = [
    ["command", `reverie ${session.argv.join(" ")}`],
    ["started", session.startedAt],
    ["ended", session.finishedAt === undefined ? (last ? "" : "killed") : endOf(session)],
    [
      "Reverie",
      `${session.reverie}${git === undefined ? "" : `, commit ${git.commit.slice(0, 12)}${git.dirty ? " with local changes" : ""}`}`,
    ],
    ["Node", `${session.node} on ${machine.platform} ${machine.arch}`],
    ["machine", `${machine.cpu}, ${machine.cores} cores, ${memory(machine.memoryBytes)}`],
    [
      "packages",
      Object.entries(session.dependencies)
        .map(([name, version]) => `${name} ${version}`)
        .join(", "),
    ],
  ];
  const told = facts.filter(([, value]) => value !== "");
  const list = told.map(([key, value]) => `<dt>${key}</dt><dd>${escapeHtml(value)}</dd>`).join("");
  const title = index === 0 ? "Started" : `Resumed (${index})`;
  return `<details><summary>${title} ${session.startedAt.slice(0, 16).replace("T", " ")}</summary><dl>${list}</dl></details>`;
}
