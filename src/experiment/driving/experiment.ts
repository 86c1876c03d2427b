/** @file The driving experiment: the loop of learning in an imagined world, on the driving tasks. */

import type { Experiment } from "../experiment.ts";
import { makeLoop } from "../loop/stages.ts";
import { drivingSchema, type DrivingConfig } from "./config.ts";
import { playDriving } from "./play.ts";
import { drivingTask } from "./task.ts";

/** `experiment: driving` */
export const drivingExperiment: Experiment<DrivingConfig> = {
  title: "A driving planner learned inside an imagined world, judged in the real simulator",
  schema: drivingSchema,
  ...makeLoop(drivingTask),
  play: playDriving,
};
