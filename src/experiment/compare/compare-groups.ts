/** @file Runs of one config, their seeds put together: which runs repeat one another, and what tells the others apart. */

import type { RunFields } from "../config/config-schema.ts";
import { configDifferences } from "../config/config-diff.ts";
import type { MetricLine } from "../records/metrics.ts";
import type { Session } from "../records/provenance.ts";
import type { ScoreSet } from "../scores.ts";

/** A run as comparison sees it. */
export interface ComparedRun {
  /** Absolute folder. */
  readonly path: string;
  readonly config: RunFields;
  readonly sessions: readonly Session[];
  /** Seeds of its repetitions, judged or not. */
  readonly seeds: readonly number[];
  readonly scores: readonly ScoreSet[];
  readonly lines: readonly MetricLine[];
  /** Every stage done. */
  readonly finished: boolean;
}

/** Runs whose configs differ in nothing but name and seeds. */
export interface RunGroup {
  readonly label: string;
  readonly config: unknown;
  readonly runs: readonly ComparedRun[];
}

/** The config without what makes a repetition of it. */
function essence(config: RunFields): Record<string, unknown> {
  const { name: _name, seed: _seed, ...rest } = config as RunFields & Record<string, unknown>;
  delete rest.seeds;
  return rest;
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, canonical(inner)]));
}

const longestLabel = 60;

/** Groups are called after their runs where every group's name is its own, and after what tells them apart otherwise. */
function labelsOf(groups: readonly { readonly config: unknown; readonly runs: ComparedRun[] }[]): string[] {
  const names = groups.map(({ runs }) => [...new Set(runs.map(({ config }) => config.name))].join(", "));
  if (new Set(names).size === names.length) return names;
  const differences = configDifferences(groups.map(({ config }) => config));
  const told = groups.map((_, i) =>
    differences.map(({ path, values }) => `${path.split(".").at(-1)}=${values[i]}`).join(", "),
  );
  return told.map((text, i) => (text.length > longestLabel ? `${names[i]} #${i + 1}` : text));
}

/** Put runs of one config together, in the order in which they were given. */
export function groupRuns(runs: readonly ComparedRun[]): RunGroup[] {
  const groups = new Map<string, { config: unknown; runs: ComparedRun[] }>();
  for (const run of runs) {
    const config = canonical(essence(run.config));
    const key = JSON.stringify(config);
    const group = groups.get(key) ?? { config: essence(run.config), runs: [] };
    groups.set(key, group);
    group.runs.push(run);
  }
  const list = [...groups.values()];
  const labels = labelsOf(list);
  return list.map((group, i) => ({ label: labels[i], ...group }));
}

/** One seed of a group and the run that it comes from. */
export interface SeedSource {
  readonly seed: number;
  readonly run: ComparedRun;
}

function startedAt({ sessions }: ComparedRun): string {
  return sessions[0]?.startedAt ?? "";
}

/**
 * Which run each judged seed is taken from: the one begun last where several runs judged the same seed, because two
 * copies of a seed are not two independent repetitions.
 */
export function seedsOf(group: RunGroup): { readonly taken: SeedSource[]; readonly left: SeedSource[] } {
  const bySeed = new Map<number, ComparedRun[]>();
  for (const run of group.runs) {
    for (const seed of new Set(run.scores.map((set) => set.seed)))
      bySeed.set(seed, [...(bySeed.get(seed) ?? []), run]);
  }
  const taken: SeedSource[] = [];
  const left: SeedSource[] = [];
  for (const [seed, runs] of [...bySeed].sort(([a], [b]) => a - b)) {
    const [newest, ...older] = [...runs].sort((a, b) => (startedAt(a) < startedAt(b) ? 1 : -1));
    taken.push({ seed, run: newest });
    left.push(...older.map((run) => ({ seed, run })));
  }
  return { taken, left };
}
