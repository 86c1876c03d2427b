/** @file Everything that can be set in an experiment with the robot arm, with its default and meaning. */

import { z } from "zod";
import { runFields, section } from "../config/config-schema.ts";
import { collectFields, goalPlanner, loopFields } from "../loop/config.ts";

const fraction = (value: number) => z.number().min(0).max(1).default(value);
const range = (low: number, high: number) =>
  z.tuple([z.number().min(0), z.number().min(0)]).default([low, high]);

const collect = section({
  ...collectFields,
  noise: range(0.2, 0.8).describe(
    "Range of the demonstrators' noise (deviation, of actions in [-1, 1]), drawn per episode",
  ),
  lapseRate: range(0, 0.1).describe(
    "Range of their chance per step of eight random actions, drawn per episode",
  ),
  mistakenShare: fraction(0.3).describe("Share of demonstrations that take another place for the goal"),
  stressAimlessShare: fraction(0.5).describe(
    "Share of the worst demonstrators that wander about; the others take another place for the goal",
  ),
});

/** The config of `experiment: arm`. */
export const armSchema = z.strictObject({
  ...runFields,
  env: z
    .enum(["ArmReach-v0", "ArmPush-v0", "ArmReach-v0+ArmPush-v0"])
    .default("ArmReach-v0")
    .describe(
      "The arm's task; with a plus both, learned by one tokenizer, one world model and one policy that are told the task by a number in the state: frames and validation episodes are shared out between them, judged episodes alternate",
    ),
  collect: collect.describe("Recording demonstrations, failures among them"),
  ...loopFields,
  goalPlanner,
});

/** A validated config of an arm experiment. */
export type ArmConfig = z.infer<typeof armSchema>;
