/** @file Runs a finished run again from its own config and says whether, and where, the results differ. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../core/errors.ts";
import { configDifferences } from "./config/config-diff.ts";
import type { PartDifference, ResultPart } from "./records/digest.ts";
import { digestOf, resultDifferences, resultParts } from "./records/digest.ts";
import type { Session } from "./records/provenance.ts";
import { readSessions } from "./records/run-dir.ts";
import type { RunOptions } from "./runner.ts";
import { openRun, requireFinished, runExperiment } from "./runner.ts";

/** Options of `reverie reproduce`. */
export interface ReproduceOptions extends RunOptions {
  /** A finished run to compare with instead of running again. */
  readonly against?: string;
}

/** What came of it. */
export interface Reproduction {
  readonly path: string;
  /** Hash of the first run's results, and of the second's. */
  readonly sha256: readonly [string, string];
  readonly differences: readonly PartDifference[];
  /** What was not the same between the two: versions, machine, threads. */
  readonly circumstances: readonly string[];
}

async function partsOf(path: string, options: RunOptions): Promise<ResultPart[]> {
  const run = await openRun(path, options);
  requireFinished(run.path, run.experiment.stages(run.config));
  return resultParts(run.path, run.experiment.scores?.(run.config, run.path) ?? []);
}

/** The session's facts that results may depend on. */
function factsOf(session: Session | undefined): unknown {
  if (session === undefined) return {};
  const { reverie, node, dependencies, git, machine, threads } = session;
  return { reverie, node, dependencies, commit: git?.commit, changed: git?.dirty, machine, threads };
}

function circumstancesOf(first: string, second: string): string[] {
  const [before, after] = [first, second].map((path) => factsOf(readSessions(path).at(-1)));
  return configDifferences([before, after]).map(({ path, values: [a, b] }) => `${path}: ${a}, now ${b}`);
}

function freeFolder(path: string): string {
  const base = `${path.replace(/\/+$/, "")}-again`;
  for (let i = 1; ; i++) {
    const folder = i === 1 ? base : `${base}-${i}`;
    if (!existsSync(folder)) return folder;
  }
}

/**
 * Repeat a finished run with its own seed and compare the results.
 * @param path folder of the run; the repetition goes to `<path>-again` unless `runDir` is given
 * @throws NOT_REPRODUCED naming every part that differs; INVALID_ARGUMENT when a run is not finished
 */
export async function reproduceRun(path: string, options: ReproduceOptions = {}): Promise<Reproduction> {
  const output = options.output ?? process.stdout;
  const before = await partsOf(path, options);
  const second = options.against ?? options.runDir ?? freeFolder(path);
  if (options.against === undefined)
    await runExperiment(join(path, "config.yaml"), [], { ...options, runDir: second });
  const after = await partsOf(second, options);
  const differences = resultDifferences(before, after);
  const circumstances = circumstancesOf(path, second);
  const hashes = [digestOf(before).sha256, digestOf(after).sha256] as const;
  output.write(`\nresults of ${path}: sha256 ${hashes[0]}\nresults of ${second}: sha256 ${hashes[1]}\n`);
  for (const line of circumstances) output.write(`not the same: ${line}\n`);
  if (differences.length > 0) refuse(path, differences, { parts: before.length, circumstances });
  output.write(`reproduced: all ${before.length} parts are equal\n`);
  return { path: second, sha256: hashes, differences, circumstances };
}

function refuse(
  path: string,
  differences: readonly PartDifference[],
  facts: { readonly parts: number; readonly circumstances: readonly string[] },
): never {
  const list = differences.map(({ name, detail }) => `\n  ${name}: ${detail}`).join("");
  return fail({
    code: "NOT_REPRODUCED",
    what: `${path} was not reproduced: ${differences.length} of ${facts.parts} parts differ${list}`,
    expected: "the same results from the same config and seed",
    fix:
      facts.circumstances.length === 0
        ? "look at the first part above: something there is not decided by the seed"
        : `run it as it was run before (${facts.circumstances[0]})`,
  });
}
