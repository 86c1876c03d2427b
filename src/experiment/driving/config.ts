/** @file Everything that can be set in a driving experiment, with its default and meaning. */

import { z } from "zod";
import { runFields, section } from "../config/config-schema.ts";
import { collectFields, loopFields } from "../loop/config.ts";

const fraction = (value: number) => z.number().min(0).max(1).default(value);

const collect = section({
  ...collectFields,
  speedMps: z
    .tuple([z.number().min(0), z.number().positive()])
    .optional()
    .describe("Range of the behaviour's target speeds in m/s; the task's own unless given"),
  inattentiveShare: fraction(0.5).describe(
    "Share of behaviour episodes with lapses and without care for bends or distance",
  ),
  stressRandomShare: fraction(0.5).describe("Share of the worst drivers that act at random"),
  mirror: z
    .boolean()
    .default(true)
    .describe("Train the model and the clones on every episode's mirror image too: driving is symmetric"),
});

/** The config of `experiment: driving`. */
export const drivingSchema = z.strictObject({
  ...runFields,
  env: z.enum(["DriveTrack-v0", "DriveTraffic-v0"]).default("DriveTrack-v0").describe("The driving task"),
  collect: collect.describe("Recording real episodes"),
  ...loopFields,
});

/** A validated config of a driving experiment. */
export type DrivingConfig = z.infer<typeof drivingSchema>;
