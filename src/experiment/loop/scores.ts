/** @file Verdicts of a run as scores that runs are compared by. */

import { join } from "node:path";
import { summarize } from "../../policy/evaluate.ts";
import { readJson } from "../records/run-dir.ts";
import type { ScoreSet } from "../scores.ts";
import type { LoopConfig } from "./config.ts";
import type { PolicyVerdict, SeedVerdict } from "./stage-judge.ts";
import { imaginedPolicy } from "./stage-imagination.ts";
import { partsOf, rowsOfPart, type LoopTask } from "./task.ts";

const roles: Readonly<Record<string, ScoreSet["role"]>> = {
  [imaginedPolicy]: "emphasis",
  random: "floor",
  expert: "ceiling",
};

function scoreSet(task: LoopTask, seed: number, policy: PolicyVerdict): ScoreSet {
  const { id, label, test, realFrames } = policy;
  const { ended, places } = task.words;
  const ends = { key: ended, label: ended, format: "percent", digits: 0 } as const;
  const frames = { key: "frames", label: "real frames", digits: 0 } as const;
  return {
    task: `${task.id}, unseen ${places}`,
    method: id,
    label,
    seed,
    scores: test.map((score) => score.return),
    role: roles[id],
    facts: [
      { column: ends, value: summarize(test).terminatedRate },
      ...(realFrames === 0 ? [] : [{ column: frames, value: realFrames }]),
    ],
  };
}

/** Every policy's returns on unseen test worlds or goals, of every seed that the run has judged. */
export function loopScores(task: LoopTask, config: LoopConfig, runPath: string): ScoreSet[] {
  const seeds = Array.from({ length: config.seeds }, (_, k) => config.seed + k);
  return seeds.flatMap((seed) => {
    const path = join(runPath, `seed-${seed}`, "verdict.json");
    const verdict = readJson(path, "evaluate the run again") as SeedVerdict | undefined;
    return (verdict?.policies ?? []).flatMap((policy) =>
      partsOf(task).map((part, index) =>
        scoreSet(part, seed, { ...policy, test: rowsOfPart(task, policy.test, index) }),
      ),
    );
  });
}
