/** @file The study: every policy's real returns once per run, its imagined ones in the run's model and in the models of each diet. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { PolicyReturns, ReturnsOptions } from "../../src/experiment/policy-returns.ts";
import type { Workspace } from "../../src/experiment/loop/workspace.ts";
import {
  dreamAlso,
  driveReally,
  gradedPolicies,
  type GradedPolicy,
  type RealHalf,
} from "../../src/experiment/worldmodel-report/graded-policies.ts";
import { openStarts } from "../../src/experiment/worldmodel-report/start-contexts.ts";
import { ablationFile, diets, loadAblation, openRun, type Diet } from "./ablation.ts";
import { earlyClones } from "./clones.ts";

/** One world model's dreams of one run's policies. */
export interface StudyPart {
  readonly seed: number;
  /** The run's own model, or the diet of one trained for the comparison. */
  readonly model: "own" | Diet;
  readonly points: readonly PolicyReturns[];
}

interface StoredHalf {
  readonly name: string;
  readonly split: PolicyReturns["split"];
  readonly returnsByStep: readonly (readonly number[])[];
  readonly ended: readonly number[];
}

/** What was really earned, from its file where a stopped study left one. */
async function realHalves(
  work: Workspace,
  policies: readonly GradedPolicy[],
  options: ReturnsOptions,
  file: string,
): Promise<RealHalf[]> {
  if (!existsSync(file)) {
    const halves = await driveReally(work, policies, options);
    const stored = halves.map(({ name, starts: { split }, real }) => ({
      name,
      split,
      returnsByStep: real.returnsByStep.map((row) => [...row]),
      ended: [...real.ended],
    }));
    writeFileSync(file, JSON.stringify(stored));
    return halves;
  }
  const stored = JSON.parse(readFileSync(file, "utf8")) as StoredHalf[];
  const starts = new Map(
    await Promise.all(
      options.splits.map(async (split) => [split, await openStarts(work, split, options.starts)] as const),
    ),
  );
  return stored.flatMap(({ name, split, returnsByStep, ended }) => {
    const [policy, from] = [policies.find((each) => each.name === name), starts.get(split)];
    if (policy === undefined || from === undefined) return [];
    const real = {
      returnsByStep: returnsByStep.map((row) => Float64Array.from(row)),
      ended: Float64Array.from(ended),
    };
    return [{ ...policy, starts: from, real }];
  });
}

/** Study one finished run into a file, part after part; a stopped study goes on where it was. Untrained diets are left out. */
export async function studyRun(
  path: string,
  options: ReturnsOptions & { readonly folder: string; readonly json: string },
): Promise<void> {
  const { folder, json } = options;
  const work = openRun(path);
  const policies = [...gradedPolicies(work), ...(await earlyClones(work))];
  const { seed } = work;
  const halves = await realHalves(work, policies, options, `${json}.seed-${seed}.real`);
  const parts = existsSync(json) ? (JSON.parse(readFileSync(json, "utf8")) as StudyPart[]) : [];
  for (const model of ["own", ...diets] as const) {
    if (parts.some((part) => part.seed === seed && part.model === model)) continue;
    if (model !== "own" && !existsSync(ablationFile(folder, work, model))) continue;
    const world = model === "own" ? work.model() : loadAblation(work, folder, model);
    parts.push({ seed, model, points: await dreamAlso(world, halves, options) });
    writeFileSync(json, JSON.stringify(parts));
  }
}
