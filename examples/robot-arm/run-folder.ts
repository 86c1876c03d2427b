/** @file The workspace of an arm experiment's run, opened to act with it or to go on learning in it. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

import { armSchema } from "../../src/experiment/arm/config.ts";
import { armTask } from "../../src/experiment/arm/task.ts";
import { Workspace } from "../../src/experiment/loop/workspace.ts";
import { openMetrics } from "../../src/experiment/records/metrics.ts";
import type { StageContext } from "../../src/experiment/stages.ts";

/** Open a seed of a run; `rounds` Dyna rounds are allowed in it. Close it when done. */
export function openArmRun(run: string, options: { seed?: number; rounds: number }) {
  const stored = armSchema.parse(parse(readFileSync(join(run, "config.yaml"), "utf8")));
  const config = { ...stored, imagination: { ...stored.imagination, rounds: options.rounds } };
  const files = {
    path: run,
    file: (...parts: string[]) => join(run, ...parts),
    log: (line: string) => void process.stderr.write(`${line}\n`),
  };
  const work = new Workspace(armTask(config), config, files, options.seed ?? config.seed);
  const metrics = openMetrics(run);
  const context = {
    runDir: { path: run, file: files.file },
    metrics,
    progress: () => undefined,
    signal: new AbortController().signal,
    seed: config.seed,
    log: files.log,
  };
  work.attach(context as unknown as StageContext);
  return { work, close: () => metrics.close() };
}
