/** @file The config of the PPO experiment: any simulator with vectors as observations, actors here or on many machines. */

import { z } from "zod";
import { runFields, section } from "../config/config-schema.ts";

const positive = z.number().positive();
const share = z.number().min(0).max(1);

/** `experiment: ppo` */
export const ppoSchema = z.strictObject({
  ...runFields,
  experiment: z.literal("ppo"),
  env: z.string().default("CartPole-v1").describe("Environment, by id; its observations are float32 vectors"),
  network: section({
    hidden: z
      .array(z.int().min(1))
      .default([64, 64])
      .describe("Sizes of the hidden layers, actor and critic"),
    initialLogStd: z.number().default(-0.5).describe("Log standard deviation of the first actions"),
    valueScale: positive
      .default(50)
      .describe("About the scale of returns; the critic's output is multiplied by it"),
  }),
  actors: section({
    count: z.int().min(1).default(3).describe("Actors; each one steps environments of its own"),
    numEnvs: z.int().min(1).default(16).describe("Environments of one actor, stepped together"),
    steps: z.int().min(1).default(64).describe("Steps of one trajectory, for each environment of the actor"),
    waiting: z
      .int()
      .min(1)
      .default(6)
      .describe("Trajectories that may wait for the learner; an actor that has one more waits itself"),
    maxStaleness: z
      .int()
      .min(0)
      .default(4)
      .describe(
        "Updates that a trajectory's weights may be behind; older trajectories are dropped and counted",
      ),
  }),
  learning: section({
    updates: z.int().min(1).default(60).describe("Updates of the policy; each ends with a checkpoint"),
    trajectories: z.int().min(1).default(3).describe("Trajectories of one update"),
    learningRate: positive.default(0.002).describe("Peak learning rate of the actor"),
    discount: share.default(0.98).describe("Discount per step"),
    gaeLambda: share.default(0.95).describe("Decay of generalized advantages"),
    clip: positive.default(0.2).describe("Bound of the probability ratio's distance from 1"),
    epochs: z.int().min(1).default(6).describe("Passes of the actor over a batch"),
    criticEpochs: z.int().min(1).default(6).describe("Passes of the critic over a batch"),
    criticRate: positive.default(2).describe("The critic's learning rate relative to the actor's"),
    minibatches: z.int().min(1).default(8).describe("Minibatches of one pass"),
    entropyCoefficient: z.number().min(0).default(0).describe("Weight of the entropy bonus"),
    clipNorm: positive.default(1).describe("Largest norm of a gradient"),
    klLimit: positive
      .default(0.05)
      .describe("A batch's passes end when the policy has moved further than this"),
  }),
  judge: section({
    episodes: z
      .int()
      .min(2)
      .default(50)
      .describe("Episodes with the mean action, begun from seeds of their own"),
  }),
});

/** The validated config. */
export type PpoExperimentConfig = z.output<typeof ppoSchema>;
