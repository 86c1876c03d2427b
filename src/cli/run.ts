/** @file `reverie run` and `reverie resume`. */

import { resumeConfig, runConfig } from "../experiment/sweep.ts";

/** Options as the command line gives them. */
export interface RunFlags {
  readonly runDir?: string;
  readonly seed?: number;
  readonly checkReads?: boolean;
}

/** Start a new run, or a sweep. */
export async function run(yaml: string, overrides: readonly string[], options: RunFlags): Promise<void> {
  await runConfig(yaml, overrides, options);
}

/** Go on with a stopped run, or a sweep. */
export async function resume(path: string): Promise<void> {
  await resumeConfig(path);
}
