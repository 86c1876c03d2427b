/** @file The arm experiment: the loop of learning in an imagined world, on the arm's tasks. */

import type { Experiment } from "../experiment.ts";
import { makeLoop } from "../loop/stages.ts";
import { armSchema, type ArmConfig } from "./config.ts";
import { armTask } from "./task.ts";

/** `experiment: arm` */
export const armExperiment: Experiment<ArmConfig> = {
  title: "A robot arm's policy learned from pictures inside an imagined world, judged in the simulator",
  schema: armSchema,
  ...makeLoop(armTask),
};
