/** @file The only file that names implementations: every experiment by the name that a config gives it. */

import { armExperiment } from "./arm/experiment.ts";
import { drivingExperiment } from "./driving/experiment.ts";
import type { Experiments } from "./experiment.ts";
import { finetuneExperiment } from "./finetune/experiment.ts";
import { ppoExperiment } from "./ppo/experiment.ts";

/** All experiments by the name in a config's `experiment:` field. */
export const experiments: Experiments = {
  arm: armExperiment,
  driving: drivingExperiment,
  finetune: finetuneExperiment,
  ppo: ppoExperiment,
};
