/** @file `reverie run` and `reverie resume`. */

import { resumeExperiment, runExperiment } from "../experiment/runner.ts";

/** Start a new run. */
export async function run(
  yaml: string,
  overrides: readonly string[],
  options: { readonly runDir?: string; readonly seed?: number },
): Promise<void> {
  await runExperiment(yaml, overrides, options);
}

/** Go on with a stopped run. */
export async function resume(path: string): Promise<void> {
  await resumeExperiment(path);
}
