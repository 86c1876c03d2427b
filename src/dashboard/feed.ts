/** @file Follows run folders from outside: state, config and metrics as they grow, without ever writing there. */

import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fieldText, flattenConfig } from "../experiment/config/config-diff.ts";
import { readPlainConfig } from "../experiment/config/config-source.ts";
import type { MetricLine } from "../experiment/records/metrics.ts";
import type { RunState, StageProgress } from "../experiment/records/run-dir.ts";
import { readTables } from "../experiment/records/run-dir.ts";
import { isLocked } from "../experiment/records/run-lock.ts";
import { expandSweeps } from "../experiment/sweep/sweep.ts";
import type { ResultTable } from "../experiment/report/table.ts";
import { tableText } from "../experiment/report/table.ts";

/** One stage of a run as the page shows it. */
export interface StageView {
  readonly name: string;
  readonly status: "running" | "done" | "waiting" | "stopped";
  readonly seconds: number;
  readonly peakMemoryBytes: number;
  readonly progress?: StageProgress;
}

/** A run as the page shows it. */
export interface RunView {
  /** Stable while the dashboard runs. */
  readonly id: string;
  readonly path: string;
  readonly name: string;
  readonly experiment: string;
  readonly seed: number;
  readonly seeds: number;
  readonly status: "running" | "stopped" | "done";
  readonly stages: readonly StageView[];
  /** Every field by its dotted path. */
  readonly config: Readonly<Record<string, string>>;
  /** Result tables as text. */
  readonly tables: readonly string[];
}

/** Metrics of one run, read as the file grows. */
export interface MetricsTail {
  readonly lines: readonly MetricLine[];
  /** Grows when lines were taken back (a resumed run): everything sent before is void. */
  readonly generation: number;
  /** Lines that could not be read. */
  readonly damaged: number;
  poll(): void;
}

/** What was written to a file since `offset`; all of it when it was cut or replaced meanwhile. */
function readFrom(
  path: string,
  offset: number,
  inode: number,
): { text: string; end: number; inode: number; replaced: boolean } | undefined {
  if (!existsSync(path)) return undefined;
  const file = openSync(path, "r");
  try {
    const { size, ino } = fstatSync(file);
    const replaced = size < offset || (ino !== inode && inode !== 0);
    const from = replaced ? 0 : offset;
    const bytes = Buffer.alloc(size - from);
    const read = readSync(file, bytes, 0, bytes.length, from);
    // Whole lines only: a half-written one is read again when it is complete.
    const whole = bytes.subarray(0, read).lastIndexOf(10) + 1;
    return { text: bytes.toString("utf8", 0, whole), end: from + whole, inode: ino, replaced };
  } finally {
    closeSync(file);
  }
}

/** Follow `metrics.jsonl`; a half-written last line waits for its rest, a damaged one is left out. */
export function followMetrics(path: string): MetricsTail {
  let lines: MetricLine[] = [];
  let [generation, damaged, offset, inode] = [0, 0, 0, 0];
  const takeLines = (text: string): void => {
    for (const part of text.split("\n").slice(0, -1)) {
      try {
        lines.push(JSON.parse(part) as MetricLine);
      } catch {
        // The run itself refuses a damaged file by line; someone who only watches counts it and shows the others.
        damaged += 1;
      }
    }
  };
  return {
    get lines() {
      return lines;
    },
    get generation() {
      return generation;
    },
    get damaged() {
      return damaged;
    },
    poll() {
      const found = readFrom(path, offset, inode);
      if (found === undefined) return;
      if (found.replaced) {
        lines = [];
        generation += 1;
      }
      [offset, inode] = [found.end, found.inode];
      takeLines(found.text);
    },
  };
}

/** Folders of runs in `paths`: runs themselves, the runs of a sweep, or the runs directly inside a folder of runs. */
export function findRuns(paths: readonly string[]): string[] {
  const isRun = (path: string): boolean => existsSync(join(path, "config.yaml"));
  const found = paths.flatMap((path) => {
    const folder = resolve(path);
    if (isRun(folder) || !existsSync(folder)) return [folder];
    if (existsSync(join(folder, "sweep.json"))) return expandSweeps([folder]);
    const inside = readdirSync(folder).map((name) => join(folder, name));
    return expandSweeps(inside.filter((one) => isRun(one) || existsSync(join(one, "sweep.json"))));
  });
  return [...new Set(found)].filter(isRun);
}

/** Numbers in steps: a name that does not change with what else is there. */
function idOf(path: string): string {
  let hash = 2166136261;
  for (const character of path) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619) >>> 0;
  return `${basename(path)}~${hash.toString(36)}`;
}

function readStateOf(path: string): Pick<RunState, "stages" | "plan"> {
  const file = join(path, "state.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as RunState) : { stages: {} };
}

function stagesOf(path: string, running: boolean): StageView[] {
  const { stages, plan } = readStateOf(path);
  const names = plan ?? Object.keys(stages);
  return names.map((name) => {
    const record = stages[name];
    if (record === undefined) return { name, status: "waiting", seconds: 0, peakMemoryBytes: 0 };
    const status = record.status === "running" && !running ? "stopped" : record.status;
    return { name, ...record, status };
  });
}

/** Describe the run in `path` as it is now. @throws CORRUPT_FILE, INVALID_CONFIG */
export function describeRun(path: string): RunView {
  const config = readPlainConfig(join(path, "config.yaml"));
  const running = isLocked(join(path, "run.lock"));
  const stages = stagesOf(path, running);
  const done = stages.length > 0 && stages.every(({ status }) => status === "done");
  const flat = [...flattenConfig(config)].map(([key, value]) => [key, fieldText(value)]);
  return {
    id: idOf(path),
    path,
    name: String(config.name),
    experiment: String(config.experiment),
    seed: Number(config.seed),
    seeds: Number(config.seeds ?? 1),
    status: running ? "running" : done ? "done" : "stopped",
    stages,
    config: Object.fromEntries(flat) as Record<string, string>,
    tables: readTables(path).map((table: ResultTable) => tableText(table)),
  };
}
