/** @file Verdicts of a driving run as scores that runs are compared by. */

import { join } from "node:path";
import { summarize } from "../../policy/evaluate.ts";
import { readJson } from "../run-dir.ts";
import type { ScoreSet } from "../scores.ts";
import type { DrivingConfig } from "./config.ts";
import type { PolicyVerdict, SeedVerdict } from "./stage-judge.ts";
import { imaginedPolicy } from "./stage-imagination.ts";

const roles: Readonly<Record<string, ScoreSet["role"]>> = {
  [imaginedPolicy]: "emphasis",
  random: "floor",
  expert: "ceiling",
};

function scoreSet(config: DrivingConfig, seed: number, policy: PolicyVerdict): ScoreSet {
  const { id, label, test, realFrames } = policy;
  const crashes = { key: "crashed", label: "crashed", format: "percent", digits: 0 } as const;
  const frames = { key: "frames", label: "real frames", digits: 0 } as const;
  return {
    task: `${config.env}, unseen worlds`,
    method: id,
    label,
    seed,
    scores: test.map((score) => score.return),
    role: roles[id],
    facts: [
      { column: crashes, value: summarize(test).terminatedRate },
      ...(realFrames === 0 ? [] : [{ column: frames, value: realFrames }]),
    ],
  };
}

/** Every policy's returns on unseen test worlds, of every seed that the run has judged. */
export function drivingScores(config: DrivingConfig, runPath: string): ScoreSet[] {
  const seeds = Array.from({ length: config.seeds }, (_, k) => config.seed + k);
  return seeds.flatMap((seed) => {
    const path = join(runPath, `seed-${seed}`, "verdict.json");
    const verdict = readJson(path, "evaluate the run again") as SeedVerdict | undefined;
    return (verdict?.policies ?? []).map((policy) => scoreSet(config, seed, policy));
  });
}
