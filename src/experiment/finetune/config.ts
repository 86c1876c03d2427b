/** @file The config of fine-tuning: which base, on which episodes, how, how long, and what it is judged by. */

import { z } from "zod";
import { runFields, section } from "../config/config-schema.ts";

const lora = z.strictObject({
  kind: z.literal("lora"),
  rank: z.int().min(1).default(8).describe("Rank of each layer's change"),
  alpha: z.number().positive().default(16).describe("The change is scaled by alpha / rank"),
  targets: z
    .array(z.string())
    .optional()
    .describe("Only layers whose name holds one of these, such as attention; all layers unless given"),
});

/** Schema of a fine-tuning run. */
export const finetuneSchema = z.strictObject({
  ...runFields,
  base: z.string().describe("World model to begin with (latent or causal flow)"),
  tokenizer: z.string().describe("The continuous tokenizer that it was trained with"),
  data: z.string().describe("New episodes: a folder of episodes or of a LeRobotDataset"),
  validation: z
    .string()
    .optional()
    .describe("Episodes for validation; unless given, those of the data marked so, or its last tenth"),
  old: z
    .string()
    .optional()
    .describe("Episodes of the old domain, not seen in training: what is forgotten is measured on them"),
  method: z
    .discriminatedUnion("kind", [z.strictObject({ kind: z.literal("full") }), lora])
    .default({ kind: "lora", rank: 8, alpha: 16 })
    .describe("All weights, or a low-rank adapter beside them"),
  training: section({
    epochs: z.int().min(1).default(4).describe("Passes over the new transitions"),
    batchSize: z.int().min(1).default(32).describe("Windows per step"),
    horizon: z.int().min(1).default(5).describe("Steps that the latent kind is unrolled over"),
    terminalFraction: z
      .number()
      .min(0)
      .max(1)
      .default(0.15)
      .describe("Share of windows with an episode's end"),
    learningRate: z
      .number()
      .positive()
      .default(0.002)
      .describe("Peak of the learning rate; adapters take about ten times that of all weights"),
    saveSeconds: z.number().min(0).default(20).describe("Time between two checkpoints of the training"),
  }),
  evaluation: section({
    windows: z.int().min(2).default(64).describe("Windows of the open-loop scores"),
    horizons: z.array(z.int().min(1)).min(1).default([1, 5, 15]).describe("Steps ahead that are scored"),
    lossBatches: z.int().min(1).default(8).describe("Batches of a validation loss"),
  }),
});

/** A validated config. */
export type FinetuneConfig = z.infer<typeof finetuneSchema>;
