/** @file A tiny experiment with known arithmetic, which drives the experiment layer in its tests. */

import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { runFields, section } from "../../src/experiment/config/config-schema.ts";
import type { Experiment } from "../../src/experiment/experiment.ts";
import type { Stage, StageContext } from "../../src/experiment/stages.ts";
import { safePoint } from "../../src/experiment/stages.ts";

const schema = z.strictObject({
  ...runFields,
  experiment: z.literal("fake"),
  collect: section({ episodes: z.int().min(1).default(3).describe("Episodes to collect") }),
  train: section({
    steps: z.int().min(1).default(20).describe("Updates"),
    rate: z.number().positive().default(0.1).describe("Share of the error taken away by one update"),
    checkpointEvery: z.int().min(1).default(5).describe("Updates between checkpoints"),
    stepMs: z.number().min(0).default(0).describe("Time that one update takes"),
    poisonAt: z.int().optional().describe("Step whose loss is NaN"),
  }),
});

/** Config of the fake experiment. */
export type FakeConfig = z.output<typeof schema>;

const collect: Stage<FakeConfig> = {
  name: "collect",
  async run(config, { metrics, progress, runDir, seed }) {
    for (let episode = 0; episode < config.collect.episodes; episode++) {
      metrics.log("collect", episode, { "rollout/ep_rew_mean": seed + episode });
      progress((episode + 1) / config.collect.episodes);
    }
    runDir.write("episodes/sum.txt", `${config.collect.episodes}`);
  },
};

async function trainStage(config: FakeConfig, context: StageContext): Promise<void> {
  const { metrics, progress, runDir, signal } = context;
  const { steps, rate, checkpointEvery, stepMs, poisonAt } = config.train;
  const path = runDir.file("checkpoints", "train.json");
  let [start, error] = [0, 1];
  if (existsSync(path)) {
    [start, error] = JSON.parse(readFileSync(path, "utf8")) as [number, number];
    metrics.rewind("train", start - 1);
  }
  for (let step = start; step < steps; step++) {
    metrics.log("train", step, { loss: step === poisonAt ? Number.NaN : error });
    error *= 1 - rate;
    if ((step + 1) % checkpointEvery === 0) {
      runDir.write("checkpoints/train.json", JSON.stringify([step + 1, error]));
      await safePoint(signal);
    }
    if (stepMs > 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, stepMs);
      });
    }
    progress((step + 1) / steps, `loss ${error.toFixed(3)}`);
  }
  runDir.write("checkpoints/result.json", JSON.stringify(error));
}

function judge(config: FakeConfig, { runDir }: StageContext, episodes = 20): void {
  const error = JSON.parse(readFileSync(runDir.file("checkpoints", "result.json"), "utf8")) as number;
  runDir.writeTable("10-final", {
    title: "Final table",
    columns: [
      { key: "label", label: "policy" },
      { key: "return", label: "return" },
      { key: "crashes", label: "crashes", format: "percent", digits: 0 },
    ],
    rows: [
      { cells: { label: "random", return: { mean: 1.5, se: 0.25, n: episodes }, crashes: 1 } },
      {
        style: "emphasis",
        cells: { label: "learned", return: { mean: 1 - error, se: 0, n: episodes }, crashes: 0.05 },
      },
    ],
    notes: [`${episodes} episodes, seed ${config.seed}`],
  });
}

/** The fake experiment: collects constants, "trains" an error away geometrically, and reports it. */
export const fake: Experiment<FakeConfig> = {
  title: "Arithmetic that behaves like an experiment",
  schema,
  stages: () => [
    collect,
    { name: "train", weight: 8, run: trainStage },
    { name: "judge", run: async (config, context) => judge(config, context) },
  ],
  evaluate: async (config, context, options) => judge(config, context, options.episodes),
};
