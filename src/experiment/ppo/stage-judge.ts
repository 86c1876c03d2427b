/** @file The judging stage: the learned policy and the one it began as, on episodes that no actor has seen. */

import { join } from "node:path";
import type { NdArray } from "../../core/ndarray.ts";
import { loadCheckpoint, restoreParams } from "../../nn/checkpoint.ts";
import { evaluatePolicy, summarize, type EpisodeScore } from "../../policy/evaluate.ts";
import { readJson } from "../records/run-dir.ts";
import type { ScoreSet } from "../scores.ts";
import type { StageContext } from "../stages.ts";
import { makePolicy } from "./actor.ts";
import type { PpoExperimentConfig } from "./config.ts";
import { makeSimulator } from "./simulator.ts";
import { policyFile } from "./stage-learn.ts";

const scoresFile = "scores.json";

/** Begin of the judged episodes' seeds; actors draw theirs below it. */
const firstSeed = 2 ** 31;

interface Judged {
  readonly key: string;
  readonly label: string;
  readonly scores: readonly EpisodeScore[];
}

async function judgeBoth(
  config: PpoExperimentConfig,
  context: StageContext,
  episodes: number,
): Promise<Judged[]> {
  const env = await makeSimulator(config.env, episodes, "disabled");
  const policy = makePolicy(config, env);
  const seed = firstSeed + config.seed;
  const untrained = await evaluatePolicy({ env, policy, seed });
  const path = context.runDir.file(policyFile);
  policy.setParams(
    restoreParams(policy.params(), loadCheckpoint(path).tensors as Record<string, NdArray>, path),
  );
  const learned = await evaluatePolicy({ env, policy, seed });
  await env.close();
  return [
    { key: "untrained", label: "untrained", scores: untrained },
    { key: "ppo", label: "PPO", scores: learned },
  ];
}

/** Judge, write the table and the scores. */
export async function judge(
  config: PpoExperimentConfig,
  context: StageContext,
  episodes: number = config.judge.episodes,
): Promise<void> {
  const judged = await judgeBoth(config, context, episodes);
  context.runDir.write(scoresFile, `${JSON.stringify(judged)}\n`);
  context.runDir.writeTable("1-policies", {
    title: `${config.env}, mean actions, seeds that no actor has seen`,
    columns: [
      { key: "label", label: "policy" },
      { key: "return", label: "return", bar: true },
      { key: "length", label: "steps" },
    ],
    rows: judged.map(({ key, label, scores }) => {
      const { mean, standardError: se, episodes: n, meanLength } = summarize(scores);
      const style = key === "ppo" ? "emphasis" : "reference";
      return { style, cells: { label, return: { mean, se, n }, length: meanLength } } as const;
    }),
    notes: [`${episodes} episodes each, ± standard error over episodes; ${config.learning.updates} updates`],
  });
}

/** What `reverie compare` works on. */
export function ppoScores(config: PpoExperimentConfig, runPath: string): ScoreSet[] {
  const judged = readJson(join(runPath, scoresFile), "evaluate the run again") as Judged[] | undefined;
  return (judged ?? []).map(({ key, label, scores }) => ({
    task: `${config.env}, unseen seeds`,
    method: key,
    label,
    seed: config.seed,
    scores: scores.map((score) => score.return),
    role: key === "ppo" ? "emphasis" : "floor",
  }));
}
