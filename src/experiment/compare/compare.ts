/** @file Compares methods over runs and seeds: interquartile means with stratified bootstrap intervals, and paired differences. */

import type { ComparedRun, RunGroup, SeedSource } from "./compare-groups.ts";
import { groupRuns, seedsOf } from "./compare-groups.ts";
import { fail } from "../../core/errors.ts";
import type { ScoreSet } from "../scores.ts";
import type { BootstrapOptions, Interval, Strata } from "../report/statistics.ts";
import {
  iqmOf,
  meanOf,
  medianOf,
  optimalityGapOf,
  pairBootstrap,
  probabilityOfImprovement,
  stratifiedBootstrap,
} from "../report/statistics.ts";

/** One method of one group on one task, over its seeds. */
export interface Entry {
  readonly group: RunGroup;
  readonly method: string;
  readonly label: string;
  readonly task: string;
  readonly role: ScoreSet["role"];
  /** One per seed, in the order of seeds. */
  readonly sets: readonly ScoreSet[];
  /** Means over episodes, one per seed. */
  readonly seedMeans: readonly number[];
  readonly mean: Interval;
  readonly iqm: Interval;
  readonly median: number;
}

/** An entry against the one that the comparison is about. */
export interface Versus {
  readonly entry: Entry;
  /** Baseline minus entry: over the seeds that both have, or of the means where they share too few. */
  readonly difference: Interval;
  readonly paired: boolean;
  /** Probability that a repetition of the baseline does better than one of the entry. */
  readonly better: Interval;
}

/** Scores over several tasks, each normalized so that its floor is 0 and its ceiling 1. */
export interface Aggregate {
  readonly group: RunGroup;
  readonly label: string;
  readonly role: ScoreSet["role"];
  readonly tasks: number;
  readonly median: Interval;
  readonly iqm: Interval;
  readonly mean: Interval;
  readonly optimalityGap: Interval;
}

/** Everything that a comparison shows. */
export interface Comparison {
  readonly groups: readonly RunGroup[];
  readonly sources: readonly { readonly group: RunGroup; readonly taken: readonly SeedSource[] }[];
  readonly tasks: readonly string[];
  readonly entries: readonly Entry[];
  /** By task; empty where there is nothing to compare with. */
  readonly versus: readonly { readonly baseline: Entry; readonly others: readonly Versus[] }[];
  readonly aggregates: readonly Aggregate[];
  readonly goal: "max" | "min";
  readonly notes: readonly string[];
}

/** What to compare, and how. */
export interface CompareOptions extends BootstrapOptions {
  /** Keys of methods; all unless given. */
  readonly methods?: readonly string[];
  /** What counts as better; `max` unless given. */
  readonly goal?: "max" | "min";
}

/** The strata that intervals are drawn from: seeds, or the episodes of the only seed. */
function samplesOf(sets: readonly ScoreSet[]): readonly number[] {
  return sets.length === 1 ? sets[0].scores : sets.map(({ scores }) => meanOf(scores));
}

const statistics = {
  mean: (strata: Strata) => meanOf(strata.flat()),
  iqm: (strata: Strata) => iqmOf(strata.flat()),
};

function entriesOf(group: RunGroup, taken: readonly SeedSource[], options: CompareOptions): Entry[] {
  const sets = taken.flatMap(({ seed, run }) => run.scores.filter((set) => set.seed === seed));
  const chosen = sets.filter(({ method }) => options.methods?.includes(method) ?? true);
  const keys = new Map(chosen.map((set) => [`${set.task}\n${set.method}`, set]));
  return [...keys.values()].map(({ task, method, label, role }) => {
    const own = chosen.filter((set) => set.task === task && set.method === method);
    const seedMeans = own.map(({ scores }) => meanOf(scores));
    const intervals = stratifiedBootstrap([samplesOf(own)], statistics, options);
    return {
      group,
      method,
      label,
      task,
      role,
      sets: own,
      seedMeans,
      ...intervals,
      median: medianOf(seedMeans),
    };
  });
}

function differenceOf(
  a: Entry,
  b: Entry,
  options: CompareOptions,
): { difference: Interval; paired: boolean } {
  const seedsOfB = new Map(b.sets.map((set, i) => [set.seed, b.seedMeans[i]]));
  const shared = a.sets.flatMap(({ seed }, i) => {
    const other = seedsOfB.get(seed);
    return other === undefined ? [] : [a.seedMeans[i] - other];
  });
  if (shared.length >= 2) {
    return { difference: stratifiedBootstrap([shared], statistics, options).mean, paired: true };
  }
  const [x, y] = [samplesOf(a.sets), samplesOf(b.sets)];
  const gap = (left: Strata, right: Strata): number => meanOf(left.flat()) - meanOf(right.flat());
  return { difference: pairBootstrap([x], [y], gap, options), paired: false };
}

function versusOf(baseline: Entry, entry: Entry, options: CompareOptions): Versus {
  const [x, y] = [[samplesOf(baseline.sets)], [samplesOf(entry.sets)]];
  const sides = (a: Strata, b: Strata): number =>
    options.goal === "min" ? probabilityOfImprovement(b, a) : probabilityOfImprovement(a, b);
  const better = pairBootstrap(x, y, sides, options);
  return { entry, ...differenceOf(baseline, entry, options), better };
}

function versusByTask(
  tasks: readonly string[],
  entries: readonly Entry[],
  options: CompareOptions,
): Comparison["versus"] {
  return tasks.flatMap((task) => {
    const own = entries.filter((entry) => entry.task === task);
    const baseline = own.find(({ role }) => role === "emphasis") ?? own[0];
    const others = own.filter((entry) => entry !== baseline);
    if (others.length === 0) return [];
    return [{ baseline, others: others.map((entry) => versusOf(baseline, entry, options)) }];
  });
}

/** Floor and ceiling of each task, over all groups; undefined where an experiment names none. */
function scaleOf(entries: readonly Entry[], task: string): ((score: number) => number) | undefined {
  const levelOf = (role: ScoreSet["role"]): number =>
    meanOf(entries.filter((e) => e.task === task && e.role === role).flatMap((e) => e.seedMeans));
  const [floor, ceiling] = [levelOf("floor"), levelOf("ceiling")];
  return ceiling > floor ? (score) => (score - floor) / (ceiling - floor) : undefined;
}

const aggregateStatistics = {
  median: (strata: Strata) => medianOf(strata.map(meanOf)),
  iqm: (strata: Strata) => iqmOf(strata.flat()),
  mean: (strata: Strata) => meanOf(strata.map(meanOf)),
  optimalityGap: (strata: Strata) => optimalityGapOf(strata.flat()),
};

/** Over tasks where there are several: methods that were scored on all of them, whatever config the task came with. */
function aggregatesOf(
  tasks: readonly string[],
  entries: readonly Entry[],
  options: CompareOptions,
): Aggregate[] {
  const scales = tasks.map((task) => scaleOf(entries, task));
  if (tasks.length < 2 || scales.some((scale) => scale === undefined)) return [];
  const methods = [...new Set(entries.map(({ method }) => method))];
  return methods.flatMap((method) => {
    const own = tasks.map((task) => entries.filter((e) => e.task === task && e.method === method));
    if (own.some((list) => list.length !== 1)) return [];
    const found = own.map(([entry]) => entry);
    const strata = found.map(({ seedMeans }, i) => seedMeans.map((mean) => scales[i]?.(mean) ?? Number.NaN));
    const { group, label, role } = found[0];
    const intervals = stratifiedBootstrap(strata, aggregateStatistics, options);
    return [{ group, label, role, tasks: tasks.length, ...intervals }];
  });
}

function notesOf(
  groups: readonly RunGroup[],
  left: readonly SeedSource[],
  entries: readonly Entry[],
): string[] {
  const runs = groups.flatMap((group) => group.runs);
  const commits = new Set(runs.flatMap(({ sessions }) => sessions.map(({ git }) => git?.commit ?? "none")));
  const missing = groups.flatMap((group) => {
    const judged = new Set(group.runs.flatMap(({ scores }) => scores.map(({ seed }) => seed)));
    return group.runs.flatMap(({ path, seeds }) =>
      seeds.filter((seed) => !judged.has(seed)).map((seed) => `seed ${seed} of ${path}`),
    );
  });
  const most = Math.max(0, ...entries.map(({ sets }) => sets.length));
  return [
    most === 1
      ? "One seed: intervals are over its episodes and say nothing of how another seed would turn out."
      : "Intervals: 95 % percentile bootstrap over seeds (stratified by task). With few seeds they are narrow: three seeds can only be drawn in ten ways.",
    ...(most > 1 && most < 4 ? ["Of fewer than four seeds the interquartile mean is the plain mean."] : []),
    ...(missing.length === 0 ? [] : [`Not judged, and left out: ${missing.join(", ")}.`]),
    ...left.map(({ seed, run }) => `Seed ${seed} was judged twice; the later run counts, not ${run.path}.`),
    ...(commits.size > 1 ? [`The runs were made by ${commits.size} different commits.`] : []),
  ];
}

/**
 * Compare runs. Runs of one config become one group with all its seeds; every other config is a group of its own.
 * @throws INVALID_ARGUMENT when none of them has scores, or none of the methods asked for
 */
export function compareRuns(runs: readonly ComparedRun[], options: CompareOptions = {}): Comparison {
  const groups = groupRuns(runs);
  const sources = groups.map((group) => ({ group, ...seedsOf(group) }));
  const entries = sources.flatMap(({ group, taken }) => entriesOf(group, taken, options));
  if (entries.length === 0) {
    const known = [...new Set(runs.flatMap(({ scores }) => scores.map(({ method }) => method)))];
    fail({
      code: "INVALID_ARGUMENT",
      what: "there is nothing to compare",
      expected: known.length === 0 ? "runs that have judged a seed" : `methods among ${known.join(", ")}`,
      got: known.length === 0 ? "runs without scores" : (options.methods ?? []).join(", "),
      fix: known.length === 0 ? "finish a run, or name a metric with --metric" : "name one of these",
    });
  }
  const tasks = [...new Set(entries.map(({ task }) => task))];
  const left = sources.flatMap((source) => source.left);
  return {
    groups,
    sources,
    tasks,
    entries,
    versus: versusByTask(tasks, entries, options),
    aggregates: aggregatesOf(tasks, entries, options),
    goal: options.goal ?? "max",
    notes: notesOf(groups, left, entries),
  };
}
