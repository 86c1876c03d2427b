/** @file `reverie finetune`: the config of a fine-tuning run from options, and the run. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runExperiment } from "../experiment/runner.ts";

/** Options as the command line gives them. */
export interface FinetuneFlags {
  readonly base: string;
  readonly tokenizer: string;
  readonly data: string;
  readonly validation?: string;
  readonly old?: string;
  readonly method: "full" | "lora";
  readonly rank: number;
  readonly alpha?: number;
  readonly epochs: number;
  readonly learningRate?: number;
  readonly runDir?: string;
  readonly seed?: number;
}

/** The config that options stand for; paths become absolute, so that the run can be resumed from anywhere. */
export function finetuneConfigOf(flags: FinetuneFlags): Record<string, unknown> {
  const { base, tokenizer, data, validation, old, rank, method, epochs, learningRate } = flags;
  const adapter = { kind: "lora", rank, alpha: flags.alpha ?? 2 * rank };
  return {
    experiment: "finetune",
    base: resolve(base),
    tokenizer: resolve(tokenizer),
    data: resolve(data),
    ...(validation !== undefined && { validation: resolve(validation) }),
    ...(old !== undefined && { old: resolve(old) }),
    method: method === "lora" ? adapter : { kind: "full" },
    training: { epochs, learningRate: learningRate ?? (method === "lora" ? 0.002 : 0.0005) },
  };
}

/** Fine-tune a world model. */
export async function finetune(flags: FinetuneFlags, overrides: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "reverie-finetune-"));
  const yaml = join(folder, "finetune.yaml");
  try {
    // JSON is YAML.
    writeFileSync(yaml, JSON.stringify(finetuneConfigOf(flags)));
    await runExperiment(yaml, overrides, { runDir: flags.runDir, seed: flags.seed });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
