/** @file `reverie run` and `reverie resume`. */

import { resumeConfig, runConfig } from "../experiment/sweep/sweep.ts";

/** Options as the command line gives them. */
export interface RunFlags {
  readonly runDir?: string;
  readonly seed?: number;
  readonly checkReads?: boolean;
  /** Port of a page that shows the run while it lasts. */
  readonly dashboard?: number;
  /** Server over which machines share the work. */
  readonly workers?: string;
}

/** Start a new run, or a sweep. */
export async function run(yaml: string, overrides: readonly string[], options: RunFlags): Promise<void> {
  const { dashboard, ...rest } = options;
  await runConfig(yaml, overrides, { ...rest, onStart: await shownFrom(dashboard) });
}

/** Go on with a stopped run, or a sweep. */
export async function resume(
  path: string,
  options: Pick<RunFlags, "dashboard" | "workers"> = {},
): Promise<void> {
  const { dashboard, workers } = options;
  await resumeConfig(path, { workers, onStart: await shownFrom(dashboard) });
}

/** Opens the dashboard when the first run begins; nothing without a port. */
async function shownFrom(port: number | undefined): Promise<((path: string) => void) | undefined> {
  if (port === undefined) return undefined;
  const { dashboardBeside } = await import("./dashboard.ts");
  let open = false;
  return (path) => {
    if (!open) dashboardBeside(path, port);
    open = true;
  };
}
