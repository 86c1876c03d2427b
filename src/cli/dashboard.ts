/** @file `reverie dashboard`, and the one that `reverie run --dashboard` starts beside the run. */

import { fork } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { openDashboard } from "../dashboard/server.ts";

/** Options as the command line gives them. */
export interface DashboardFlags {
  readonly host?: string;
  readonly port?: number;
  readonly bridge?: readonly string[];
  readonly play?: boolean;
}

/** Show runs until Ctrl-C, or until the run that started it ends. @throws UNAUTHORIZED, IO_FAILED, INVALID_ARGUMENT */
export async function dashboard(runs: readonly string[], flags: DashboardFlags): Promise<void> {
  const { bridge: bridges, ...rest } = flags;
  const token = process.env.REVERIE_DASHBOARD_TOKEN;
  const bridgeToken = process.env.REVERIE_BRIDGE_TOKEN;
  const page = await openDashboard({
    runs: runs.length === 0 ? ["runs"] : runs,
    bridges,
    bridgeToken,
    token,
    ...rest,
  });
  process.stdout.write(`dashboard: ${page.url}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
    process.once("disconnect", () => resolve());
  });
  await page.close();
}

/** Show a run that has just begun from a process of its own, so that training never holds the page up. */
export function dashboardBeside(runPath: string, port: number): void {
  const above = dirname(runPath);
  const shown = existsSync(join(above, "sweep.json")) ? above : runPath;
  const child = fork(process.argv[1], ["dashboard", shown, "--port", String(port)]);
  child.channel?.unref();
  child.unref();
}
