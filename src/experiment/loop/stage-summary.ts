/** @file The last stage: verdicts of all seeds become the run's tables. */

import { readFileSync } from "node:fs";
import type { EpisodeScore } from "../../policy/evaluate.ts";
import { summarize } from "../../policy/evaluate.ts";
import type { StageContext } from "../stages.ts";
import type { Cell, Estimate, ResultTable } from "../report/table.ts";
import type { LoopConfig } from "./config.ts";
import { endTable, gapTable, horizonTable } from "./model-tables.ts";
import type { ModelVerdict } from "./model-verdict.ts";
import type { PolicyVerdict, SeedVerdict } from "./stage-judge.ts";
import { mean, median, standardError } from "./summary-statistics.ts";
import { rowsOfPart, type LoopTask } from "./task.ts";

/** Over episodes with one seed, over the seeds' means with several. */
function estimate(groups: readonly (readonly EpisodeScore[])[]): Estimate {
  const means = groups.map((scores) => summarize(scores));
  if (means.length === 1) return { mean: means[0].mean, se: means[0].standardError, n: means[0].episodes };
  const values = means.map((summary) => summary.mean);
  return { mean: mean(values), se: standardError(values), n: values.length };
}

/** The same episodes, scored by whether they terminated. */
function successes(scores: readonly EpisodeScore[]): EpisodeScore[] {
  return scores.map((score) => ({ ...score, return: score.terminated ? 1 : 0 }));
}

function endRate(groups: readonly (readonly EpisodeScore[])[]): number {
  return mean(groups.map((scores) => summarize(scores).terminatedRate));
}

function policyRow(
  id: string,
  verdicts: readonly SeedVerdict[],
  wanted: boolean,
): ResultTable["rows"][number] {
  const found = verdicts.map(
    (verdict) => verdict.policies.find((policy) => policy.id === id) as PolicyVerdict,
  );
  const [{ label, realFrames }] = found;
  const test = found.map((policy) => policy.test);
  const train = found.map((policy) => policy.train);
  const cells: Record<string, Cell> = {
    label,
    ...(wanted ? { success: estimate(test.map(successes)) } : {}),
    test: estimate(test),
    median: median(test.map((scores) => summarize(scores).mean)),
    crash: endRate(test),
    train: estimate(train),
    trainCrash: endRate(train),
    frames: realFrames === 0 ? null : realFrames,
    minutes: realFrames === 0 ? null : mean(found.map((policy) => policy.minutes)),
  };
  const style = id === "imagined" ? "emphasis" : id === "expert" || id === "random" ? "reference" : undefined;
  return { style, cells };
}

function finalTable(task: LoopTask, config: LoopConfig, verdicts: readonly SeedVerdict[]): ResultTable {
  const { places, ended, wanted } = task.words;
  const several = verdicts.length > 1;
  const over = several ? `${verdicts.length} seeds` : `${config.judge.episodes} episodes`;
  return {
    title: `${task.id}: ${wanted ? "success and return" : "return"} on unseen test ${places} and on training ${places}`,
    caption: `Mean ± standard error over ${over}; ${config.judge.episodes} test and ${config.judge.trainEpisodes} training episodes per policy and seed, the same for every policy.`,
    columns: [
      { key: "label", label: "policy" },
      ...(wanted
        ? [{ key: "success", label: `${ended}, unseen`, format: "percent" as const, bar: true }]
        : []),
      { key: "test", label: "return, unseen", digits: 1, bar: !wanted },
      ...(several ? [{ key: "median", label: "median seed", digits: 1 }] : []),
      ...(wanted ? [] : [{ key: "crash", label: ended, format: "percent" as const, digits: 0 }]),
      { key: "train", label: "return, training", digits: 1 },
      { key: "trainCrash", label: ended, format: "percent" as const, digits: 0 },
      { key: "frames", label: "real frames", digits: 0 },
      { key: "minutes", label: "time", unit: "min", digits: 1, varies: true },
    ],
    rows: verdicts[0].policies.map(({ id }) => policyRow(id, verdicts, wanted)),
    notes: [
      `real frames: what training used. Checkpoints of imagination and of model-free PPO are chosen on validation ${places}, whose frames are not counted.`,
      "time: everything the row needs, tokenizer and recording included, on the machine of provenance.json.",
    ],
  };
}

/** Imagined policy minus another one on the same test episodes: mean and error over seeds, over episodes with one seed. */
function paired(id: string, verdicts: readonly SeedVerdict[], of: (score: EpisodeScore) => number): Estimate {
  const perSeed = verdicts.map((verdict) => {
    const own = verdict.policies.find((policy) => policy.id === "imagined") as PolicyVerdict;
    const other = verdict.policies.find((policy) => policy.id === id) as PolicyVerdict;
    return other.test.map((score, i) => of(own.test[i]) - of(score));
  });
  const values = verdicts.length === 1 ? perSeed[0] : perSeed.map(mean);
  return { mean: mean(values), se: standardError(values), n: values.length };
}

const inErrors = ({ mean: value, se }: Estimate): number => value / Math.max(1e-9, se);

/** Imagined policy minus every other one on the same test episodes. */
function comparisonTable({ words }: LoopTask, verdicts: readonly SeedVerdict[]): ResultTable {
  const others = verdicts[0].policies.filter(({ id }) => id !== "imagined");
  const { ended, places, wanted } = words;
  const rows = others.map(({ id, label }) => {
    const difference = paired(id, verdicts, (score) => score.return);
    const ends = wanted ? paired(id, verdicts, (score) => (score.terminated ? 1 : 0)) : undefined;
    const first: Record<string, Cell> = ends === undefined ? {} : { ends, endErrors: inErrors(ends) };
    return { cells: { label, ...first, difference, errors: inErrors(difference) } };
  });
  const endColumns = [
    { key: "ends", label: `difference in ${ended}`, format: "percent" as const },
    { key: "endErrors", label: "in standard errors" },
  ];
  return {
    title: `PPO in imagination against the others, paired on unseen test ${places}`,
    caption: `Difference of returns, mean ± standard error over ${verdicts.length === 1 ? "episodes" : "seeds"}.`,
    columns: [
      { key: "label", label: "against" },
      ...(wanted ? endColumns : []),
      { key: "difference", label: wanted ? "difference in return" : "difference", digits: 1 },
      { key: "errors", label: "in standard errors", digits: 1 },
    ],
    rows,
  };
}

function seedTable({ words }: LoopTask, verdicts: readonly SeedVerdict[]): ResultTable {
  const { wanted, ended, places } = words;
  const style = wanted ? { format: "percent" as const } : {};
  const columns = verdicts.map(({ seed }) => ({
    key: `seed${seed}`,
    label: `seed ${seed}`,
    digits: 1,
    ...style,
  }));
  const scoresOf = ({ policies }: SeedVerdict, id: string): readonly EpisodeScore[] => {
    const { test } = policies.find((policy) => policy.id === id) as PolicyVerdict;
    return wanted ? successes(test) : test;
  };
  return {
    title: `${wanted ? `Episodes that ${ended}` : "Return"} on unseen test ${places}, per seed`,
    caption: "Mean ± standard error over the seed's test episodes.",
    columns: [{ key: "label", label: "policy" }, ...columns],
    rows: verdicts[0].policies.map(({ id, label }) => {
      const cells = verdicts.map((verdict) => [`seed${verdict.seed}`, estimate([scoresOf(verdict, id)])]);
      return {
        style: id === "imagined" ? ("emphasis" as const) : undefined,
        cells: { label, ...(Object.fromEntries(cells) as Record<string, Estimate>) },
      };
    }),
  };
}

function tablesOf(
  task: LoopTask,
  config: LoopConfig,
  verdicts: readonly SeedVerdict[],
): Record<string, ResultTable> {
  return {
    "1-policies": finalTable(task, config, verdicts),
    "2-comparison": comparisonTable(task, verdicts),
    ...(verdicts.length > 1 ? { "3-seeds": seedTable(task, verdicts) } : {}),
    "4-prediction": horizonTable(task, verdicts),
    "5-crashes": endTable(task, verdicts),
    "6-gap": gapTable(task, verdicts),
  };
}

/** What a verdict on a union says of its part `index`. */
function partVerdict(task: LoopTask, verdict: SeedVerdict, index: number): SeedVerdict {
  const policies = verdict.policies.map((policy) => ({
    ...policy,
    test: rowsOfPart(task, policy.test, index),
    train: rowsOfPart(task, policy.train, index),
  }));
  return { ...(verdict.parts as readonly ModelVerdict[])[index], seed: verdict.seed, policies };
}

/** Read every seed's verdict and write the tables: of a union for all its episodes, and for each task alone. */
export async function summarizeRun(task: LoopTask, config: LoopConfig, context: StageContext): Promise<void> {
  const { runDir } = context;
  const verdicts = Array.from({ length: config.seeds }, (_, k) => {
    const path = runDir.file(`seed-${config.seed + k}`, "verdict.json");
    return JSON.parse(readFileSync(path, "utf8")) as SeedVerdict;
  });
  for (const [id, table] of Object.entries(tablesOf(task, config, verdicts))) runDir.writeTable(id, table);
  for (const [index, part] of (task.union?.parts ?? []).entries()) {
    const own = verdicts.map((verdict) => partVerdict(task, verdict, index));
    const { test, train } = own[0].policies[0];
    const judge = { episodes: test.length, trainEpisodes: train.length };
    for (const [id, table] of Object.entries(tablesOf(part, { ...config, judge }, own))) {
      const title = table.title.includes(part.id) ? table.title : `${part.id}: ${table.title}`;
      runDir.writeTable(`${id}-${part.id}`, { ...table, title });
    }
  }
}
