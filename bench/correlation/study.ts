/** @file The study: every policy's real returns once per run, its imagined ones in the run's model and in the models of each diet. */

import { existsSync } from "node:fs";
import type { PolicyReturns, ReturnsOptions } from "../../src/experiment/policy-returns.ts";
import {
  dreamAlso,
  driveReally,
  gradedPolicies,
} from "../../src/experiment/worldmodel-report/graded-policies.ts";
import { ablationFile, diets, loadAblation, openRun, type Diet } from "./ablation.ts";
import { earlyClones } from "./clones.ts";

/** One world model's dreams of one run's policies. */
export interface StudyPart {
  readonly seed: number;
  /** The run's own model, or the diet of one trained for the comparison. */
  readonly model: "own" | Diet;
  readonly points: readonly PolicyReturns[];
}

/** Study one finished run, part after part; models of a diet that have not been trained are left out. */
export async function* studyRun(
  path: string,
  folder: string,
  options: ReturnsOptions,
): AsyncGenerator<StudyPart> {
  const work = openRun(path);
  const policies = [...gradedPolicies(work), ...(await earlyClones(work))];
  const halves = await driveReally(work, policies, options);
  const { seed } = work;
  yield { seed, model: "own", points: await dreamAlso(work.model(), halves, options) };
  for (const diet of diets) {
    if (!existsSync(ablationFile(folder, work, diet))) continue;
    const points = await dreamAlso(loadAblation(work, folder, diet), halves, options);
    yield { seed, model: diet, points };
  }
}
