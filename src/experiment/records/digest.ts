/** @file What a run found, hashed part by part: everything that its seed decides, nothing that a clock does. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { readMetrics } from "./metrics.ts";
import type { ScoreSet } from "../scores.ts";
import type { Cell, ResultTable } from "../report/table.ts";
import { readJson } from "./run-dir.ts";

/** One part of a run's results. */
export interface ResultPart {
  /** `metrics`, `scores`, `tables/1-policies`, `seed-0/policies/imagined.safetensors`. */
  readonly name: string;
  readonly sha256: string;
  /** The part as lines, for finding where two differ; empty for binary files. */
  readonly lines: readonly string[];
}

/** `results.json` of a finished run. */
export interface ResultDigest {
  readonly version: 1;
  /** Of all parts together. */
  readonly sha256: string;
  readonly parts: Readonly<Record<string, string>>;
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function textPart(name: string, lines: readonly string[]): ResultPart {
  return { name, sha256: sha256(lines.join("\n")), lines };
}

function metricsPart(folder: string): ResultPart {
  const lines = readMetrics(join(folder, "metrics.jsonl")).map(({ time: _time, ...rest }) =>
    JSON.stringify(rest),
  );
  return textPart("metrics", lines);
}

/** Columns that a clock decides are left out, by what either run's table says of them. */
function tableLines({ title, columns, rows }: ResultTable): string[] {
  const varies = new Set(columns.filter((column) => column.varies === true).map(({ key }) => key));
  const kept = (cells: Readonly<Record<string, Cell>>): [string, Cell][] =>
    Object.entries(cells).filter(([key]) => !varies.has(key));
  return [title, ...rows.map(({ cells }) => JSON.stringify(Object.fromEntries(kept(cells))))];
}

function tableParts(folder: string): ResultPart[] {
  const tables = join(folder, "tables");
  const names = existsSync(tables) ? readdirSync(tables).filter((name) => name.endsWith(".json")) : [];
  return names.sort().map((file) => {
    const table = readJson(join(tables, file), "evaluate the run again") as ResultTable;
    return textPart(`tables/${file.slice(0, -5)}`, tableLines(table));
  });
}

/** Weights and pictures; a loop's partial checkpoint is no result. */
function fileParts(folder: string): ResultPart[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) =>
    name.split(sep).join("/"),
  );
  const results = names.filter(
    (name) =>
      (name.endsWith(".safetensors") && !name.endsWith(".partial.safetensors")) ||
      (name.startsWith("pictures/") && name.endsWith(".png")),
  );
  return results
    .sort()
    .map((name) => ({ name, sha256: sha256(readFileSync(join(folder, name))), lines: [] }));
}

/** All parts of the results in a run's folder. @throws CORRUPT_FILE */
export function resultParts(folder: string, scores: readonly ScoreSet[]): ResultPart[] {
  const judged = scores.map((set) => JSON.stringify(set));
  return [
    metricsPart(folder),
    ...(judged.length === 0 ? [] : [textPart("scores", judged)]),
    ...tableParts(folder),
    ...fileParts(folder),
  ];
}

/** The parts' hashes and the hash of all. */
export function digestOf(parts: readonly ResultPart[]): ResultDigest {
  const hashes = parts.map(({ name, sha256: hash }) => [name, hash] as const);
  return { version: 1, sha256: sha256(JSON.stringify(hashes)), parts: Object.fromEntries(hashes) };
}

/** Where two runs' results differ. */
export interface PartDifference {
  readonly name: string;
  /** First difference in words. */
  readonly detail: string;
}

function shortened(line: string | undefined): string {
  if (line === undefined) return "nothing";
  return line.length > 160 ? `${line.slice(0, 157)}...` : line;
}

/** The fields of two JSON lines that differ, or the lines themselves. */
function fieldsApart(before: string | undefined, after: string | undefined): string {
  if (before?.startsWith("{") && after?.startsWith("{")) {
    const [a, b] = [JSON.parse(before), JSON.parse(after)] as Record<string, unknown>[];
    const text = (record: Record<string, unknown>, key: string): string =>
      JSON.stringify(record[key]) ?? "nothing";
    const apart = Object.keys({ ...a, ...b }).filter((key) => text(a, key) !== text(b, key));
    const place = ["stage", "step", "label", "method", "seed"].filter(
      (key) => key in a && !apart.includes(key),
    );
    const where = place.map((key) => `${key} ${String(a[key])}`).join(", ");
    const told = apart
      .slice(0, 3)
      .map((key) => `${key} ${shortened(text(a, key))}, now ${shortened(text(b, key))}`);
    return `${where}${where === "" ? "" : ": "}${told.join("; ")}`;
  }
  return `${shortened(before)}, now ${shortened(after)}`;
}

function detailOf(before: ResultPart | undefined, after: ResultPart | undefined): string {
  if (before === undefined) return "is new";
  if (after === undefined) return "is missing";
  const length = Math.max(before.lines.length, after.lines.length);
  const at = Array.from({ length }, (_, i) => i).find((i) => before.lines[i] !== after.lines[i]);
  if (at === undefined) return "other bytes";
  return `line ${at + 1}: ${fieldsApart(before.lines[at], after.lines[at])}`;
}

/** Parts that differ between two runs of one config, in the order of the first; empty when all are equal. */
export function resultDifferences(
  before: readonly ResultPart[],
  after: readonly ResultPart[],
): PartDifference[] {
  const names = [...new Set([...before, ...after].map(({ name }) => name))];
  return names.flatMap((name) => {
    const [a, b] = [before, after].map((parts) => parts.find((part) => part.name === name));
    return a?.sha256 === b?.sha256 ? [] : [{ name, detail: detailOf(a, b) }];
  });
}
