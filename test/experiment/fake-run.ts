/** @file Runs or resumes the fake experiment in a process of its own, which a test can kill: fake-run.ts run|resume <path> [overrides]. */

import { resumeExperiment, runExperiment } from "../../src/experiment/runner.ts";
import { fake } from "./fake.ts";

const [verb, path, runDir, ...overrides] = process.argv.slice(2);
const options = { experiments: { fake } };

try {
  if (verb === "run") await runExperiment(path, overrides, { ...options, runDir });
  else await resumeExperiment(path, options);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
