/** @file The PPO experiment: one learner, actors in this process or on any machine, judged on unseen seeds. */

import type { Experiment } from "../experiment.ts";
import { act } from "./actor.ts";
import { ppoSchema, type PpoExperimentConfig } from "./config.ts";
import { judge, ppoScores } from "./stage-judge.ts";
import { learn } from "./stage-learn.ts";

/** `experiment: ppo` */
export const ppoExperiment: Experiment<PpoExperimentConfig> = {
  title: "PPO in a simulator, from actors in this process or on many machines",
  schema: ppoSchema,
  stages: () => [
    { name: "learn", weight: 20, run: learn },
    { name: "judge", run: async (config, context) => judge(config, context) },
  ],
  act,
  evaluate: async (config, context, { episodes }) => judge(config, context, episodes),
  scores: ppoScores,
};
