/** @file A comparison as result tables: scores with intervals, seeds side by side, differences, configs and sources. */

import { memory } from "../progress.ts";
import type { Comparison, Entry } from "./compare.ts";
import type { ComparedRun } from "./compare-groups.ts";
import { configDifferences } from "../config/config-diff.ts";
import { meanOf } from "../report/statistics.ts";
import type { Cell, Column, ResultTable } from "../report/table.ts";

type Row = ResultTable["rows"][number];

/** An entry's name: the method, with its group where there are several. */
export function entryName(entry: Entry, groups: number): string {
  return groups > 1 ? `${entry.label} · ${entry.group.label}` : entry.label;
}

function styleOf({ role }: Pick<Entry, "role">): Row["style"] {
  return role === undefined ? undefined : role === "emphasis" ? "emphasis" : "reference";
}

/** Enough digits that a spread is visible: 1 for scores about a hundred, 4 for losses about a hundredth. */
export function digitsFor(values: readonly number[]): number {
  const largest = Math.max(...values.map(Math.abs).filter(Number.isFinite), 1e-6);
  return Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(largest))));
}

function factColumns(entries: readonly Entry[]): Column[] {
  const columns = entries.flatMap(({ sets }) => sets.flatMap(({ facts }) => facts ?? []));
  return [...new Map(columns.map(({ column }) => [column.key, column])).values()];
}

function factCell({ sets }: Entry, key: string): Cell {
  const values = sets.flatMap(({ facts }) =>
    (facts ?? []).filter(({ column }) => column.key === key).map(({ value }) => value),
  );
  return values.length === 0 ? null : meanOf(values);
}

function scoreTable(
  { groups, goal, notes }: Comparison,
  task: string,
  entries: readonly Entry[],
): ResultTable {
  const digits = digitsFor(entries.map(({ mean }) => mean.value));
  const facts = factColumns(entries);
  const episodes = entries.some(({ sets }) => sets.some(({ scores }) => scores.length > 1));
  return {
    title: task,
    caption: `${episodes ? "Scores are means over the judged episodes of a seed. " : ""}Interval: 95 %.`,
    columns: [
      { key: "label", label: "method" },
      { key: "seeds", label: "seeds", digits: 0 },
      { key: "iqm", label: "interquartile mean", digits },
      { key: "mean", label: "mean", digits },
      { key: "median", label: "median seed", digits },
      { key: "worst", label: "worst seed", digits },
      ...facts,
    ],
    rows: entries.map((entry) => ({
      style: styleOf(entry),
      cells: {
        label: entryName(entry, groups.length),
        seeds: entry.sets.length,
        iqm: entry.iqm,
        mean: entry.mean.value,
        median: entry.median,
        worst: goal === "max" ? Math.min(...entry.seedMeans) : Math.max(...entry.seedMeans),
        ...Object.fromEntries(facts.map(({ key }) => [key, factCell(entry, key)])),
      },
    })),
    notes,
  };
}

function versusTable(
  { groups }: Comparison,
  { baseline, others }: Comparison["versus"][number],
): ResultTable {
  const digits = digitsFor([baseline.mean.value]);
  const paired = others.some((other) => other.paired);
  return {
    title: `${entryName(baseline, groups.length)} against the others: ${baseline.task}`,
    caption: `Difference of means${paired ? ", paired by seed where both have at least two" : ""}, and the probability that one repetition of it does better than one of the other. 95 % intervals.`,
    columns: [
      { key: "label", label: "against" },
      { key: "difference", label: "difference", digits, bar: true },
      { key: "better", label: "P(better)", digits: 2 },
    ],
    rows: others.map(({ entry, difference, better }) => ({
      cells: { label: entryName(entry, groups.length), difference, better },
    })),
  };
}

function seedTable({ groups }: Comparison, task: string, entries: readonly Entry[]): ResultTable | undefined {
  const seeds = [...new Set(entries.flatMap(({ sets }) => sets.map(({ seed }) => seed)))].sort(
    (a, b) => a - b,
  );
  if (seeds.length < 2) return undefined;
  const digits = digitsFor(entries.map(({ mean }) => mean.value));
  return {
    title: `Seeds: ${task}`,
    columns: [
      { key: "label", label: "method" },
      ...seeds.map((seed) => ({ key: String(seed), label: `seed ${seed}`, digits })),
    ],
    rows: entries.map((entry) => ({
      style: styleOf(entry),
      cells: {
        label: entryName(entry, groups.length),
        ...Object.fromEntries(entry.sets.map(({ seed }, i) => [seed, entry.seedMeans[i]])),
      },
    })),
  };
}

function aggregateTable({ aggregates }: Comparison): ResultTable | undefined {
  if (aggregates.length === 0) return undefined;
  return {
    title: `Over ${aggregates[0].tasks} tasks, normalized`,
    caption: "0 is each task's floor, 1 its ceiling. Intervals: 95 % stratified bootstrap.",
    columns: [
      { key: "label", label: "method" },
      { key: "iqm", label: "interquartile mean", digits: 3, bar: true },
      { key: "median", label: "median", digits: 3 },
      { key: "mean", label: "mean", digits: 3 },
      { key: "optimalityGap", label: "optimality gap", digits: 3 },
    ],
    rows: aggregates.map(({ label, role, iqm, median, mean, optimalityGap }) => ({
      style: styleOf({ role }),
      cells: { label, iqm, median, mean, optimalityGap },
    })),
  };
}

function configTable({ groups }: Comparison): ResultTable | undefined {
  const differences = configDifferences(groups.map(({ config }) => config));
  if (differences.length === 0) return undefined;
  return {
    title: "Configs: what differs",
    columns: [{ key: "path", label: "field" }, ...groups.map(({ label }, i) => ({ key: String(i), label }))],
    rows: differences.map(({ path, values }) => ({
      cells: { path, ...Object.fromEntries(values.map((value, i) => [i, value])) },
    })),
  };
}

function runRow(run: ComparedRun, group: string, seeds: readonly number[]): Row {
  const session = run.sessions.at(-1);
  const { git, machine, node, reverie } = session ?? {};
  return {
    cells: {
      path: run.path,
      group,
      seeds: seeds.join(", ") || "none",
      state: run.finished ? "finished" : "unfinished",
      commit: git === undefined ? null : `${git.commit.slice(0, 10)}${git.dirty ? " (changed)" : ""}`,
      version: reverie === undefined ? null : `${reverie}, Node ${node}`,
      machine:
        machine === undefined
          ? null
          : `${machine.cpu}, ${machine.cores} cores, ${memory(machine.memoryBytes)}`,
    },
  };
}

function sourceTable({ sources }: Comparison): ResultTable {
  const columns = ["path", "group", "seeds", "state", "commit", "version", "machine"];
  const labels: Readonly<Record<string, string>> = { path: "run", group: "config", seeds: "seeds taken" };
  return {
    title: "Sources",
    columns: columns.map((key) => ({ key, label: labels[key] ?? key })),
    rows: sources.flatMap(({ group, taken }) =>
      group.runs.map((run) =>
        runRow(
          run,
          group.label,
          taken.filter((s) => s.run === run).map((s) => s.seed),
        ),
      ),
    ),
  };
}

/** All tables of a comparison, the most telling first. */
export function comparisonTables(comparison: Comparison): ResultTable[] {
  const byTask = comparison.tasks.map((task) => ({
    task,
    entries: comparison.entries.filter((entry) => entry.task === task),
  }));
  const tables = [
    ...byTask.map(({ task, entries }) => scoreTable(comparison, task, entries)),
    aggregateTable(comparison),
    ...comparison.versus.map((versus) => versusTable(comparison, versus)),
    ...byTask.map(({ task, entries }) => seedTable(comparison, task, entries)),
    configTable(comparison),
    sourceTable(comparison),
  ];
  return tables.filter((table) => table !== undefined);
}
