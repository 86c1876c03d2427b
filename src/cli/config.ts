/** @file `reverie config check|explain|schema`. */

import { existsSync, writeFileSync } from "node:fs";
import { unknownName } from "../core/errors.ts";
import { explainConfig, explainText, fileJsonSchema } from "../experiment/config/config-explain.ts";
import type { Experiment } from "../experiment/experiment.ts";
import { experiments } from "../experiment/registry.ts";
import { checkConfig } from "../experiment/runner.ts";
import { checkSweep } from "../experiment/sweep/sweep.ts";

/** Check a file without running it. @throws INVALID_CONFIG, UNKNOWN_NAME */
export async function check(yaml: string, overrides: readonly string[]): Promise<void> {
  const { config, sweep } = await checkConfig(yaml, overrides);
  const runs = sweep === undefined ? [] : await checkSweep(yaml, overrides);
  const told = runs.length === 0 ? "" : `, a sweep of ${runs.length} runs`;
  process.stdout.write(`${yaml}: a sound config of experiment "${config.experiment}"${told}\n`);
  for (const { name, overrides: own } of runs) process.stdout.write(`  ${name}: ${own.join(" ")}\n`);
}

function named(name: string): Experiment {
  if (!Object.hasOwn(experiments, name)) throw unknownName("experiment", name, Object.keys(experiments));
  return experiments[name];
}

/** Explain the fields of an experiment, or of a file with its values. @throws UNKNOWN_NAME with the nearest field */
export async function explain(target: string, field?: string): Promise<void> {
  if (!existsSync(target) && !/\.ya?ml$/.test(target)) {
    process.stdout.write(`${explainText(explainConfig(named(target).schema, field))}\n`);
    return;
  }
  const { experiment, config, source } = await checkConfig(target);
  process.stdout.write(`${explainText(explainConfig(experiment.schema, field, { config, source }))}\n`);
}

/** Print the JSON Schema of config files, or write it. */
export function schema(name: string | undefined, out: string | undefined): void {
  const chosen = name === undefined ? experiments : { [name]: named(name) };
  const text = `${JSON.stringify(fileJsonSchema(chosen), null, 2)}\n`;
  if (out === undefined) process.stdout.write(text);
  else writeFileSync(out, text);
}
