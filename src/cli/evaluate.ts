/** @file `reverie evaluate` and `reverie evaluate worldmodel`. */

import { fail } from "../core/errors.ts";
import { evaluateRun } from "../experiment/runner.ts";
import { evaluateWorldModel, type WorldModelEvaluation } from "../experiment/worldmodel-report/evaluate.ts";

/** Judge a run again. @throws INVALID_ARGUMENT when `episodes` is no count, and as `evaluateRun` */
export async function evaluate(path: string, options: { readonly episodes?: string }): Promise<void> {
  const { episodes: text } = options;
  const episodes = text === undefined ? undefined : Number(text);
  if (episodes !== undefined && !(Number.isSafeInteger(episodes) && episodes > 0)) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "--episodes is how many episodes each row is judged on",
      expected: "a whole number above 0",
      got: `"${text}"`,
    });
  }
  await evaluateRun(path, { episodes });
}

/** Options as the command line gives them. */
export interface WorldModelFlags extends Pick<
  WorldModelEvaluation,
  "episodes" | "report" | "seed" | "windows" | "starts"
> {
  readonly samplingSteps?: "1" | "2" | "4";
}

/** Measure a world model and write its report. */
export async function evaluateModel(path: string, flags: WorldModelFlags): Promise<void> {
  const { samplingSteps, ...settings } = flags;
  const passes = samplingSteps && ({ "1": 1, "2": 2, "4": 4 } as const)[samplingSteps];
  await evaluateWorldModel(path, { ...settings, samplingSteps: passes });
}
