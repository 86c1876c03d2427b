/** @file Imagined returns against what the run's own judgement found over whole test episodes, from other starts. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { correlationOf, type Correlation } from "../../src/experiment/policy-returns.ts";
import { comparedHorizons } from "../../src/experiment/worldmodel-report/tables.ts";
import { meanOf } from "../../src/experiment/report/statistics.ts";
import type { StudyPart } from "./study.ts";

interface Verdict {
  readonly policies: readonly {
    readonly id: string;
    readonly test: readonly { readonly return: number }[];
  }[];
}

/** Mean return over whole test episodes by policy; empty where the run has not been judged. */
function judgedReturns(run: string, seed: number): Map<string, number> {
  const file = join(run, `seed-${seed}`, "verdict.json");
  if (!existsSync(file)) return new Map();
  const { policies } = JSON.parse(readFileSync(file, "utf8")) as Verdict;
  return new Map(policies.map(({ id, test }) => [id, meanOf(test.map((score) => score.return))]));
}

function lineOf(part: StudyPart, judged: ReadonlyMap<string, number>, horizon: number): string {
  const points = part.points.filter(({ policy, split }) => split === "test" && judged.has(policy));
  const { policies, pearson, spearman }: Correlation = correlationOf(
    points.map(({ imagined }) => imagined[horizon].mean),
    points.map(({ policy }) => judged.get(policy) as number),
  );
  return `| ${part.seed} | ${part.model} | ${horizon} | ${policies} | ${pearson.value.toFixed(3)} | ${spearman.value.toFixed(3)} |`;
}

/** Correlations over the policies that the runs have judged, as Markdown. */
export function judgedTable(parts: readonly StudyPart[], runs: readonly string[]): string {
  const lines = runs.flatMap((run) =>
    parts.flatMap((part) => {
      const judged = judgedReturns(run, part.seed);
      if (judged.size === 0) return [];
      return comparedHorizons(part.points).map((horizon) => lineOf(part, judged, horizon));
    }),
  );
  return [
    "| seed | model | imagined steps | policies | Pearson r | Spearman ρ |",
    "|---:|---|---:|---:|---:|---:|",
    ...lines,
  ].join("\n");
}
