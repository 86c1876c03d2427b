/** @file The PPO experiment: it learns from actors at a hub, goes on after a stop, and its bytes and joins are exact. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { float32, ndarray } from "../../../src/core/ndarray.ts";
import { makeMemoryHub } from "../../../src/experiment/machines/memory-hub.ts";
import { joinHub } from "../../../src/experiment/machines/worker.ts";
import { readMetrics } from "../../../src/experiment/records/metrics.ts";
import { ppoExperiment } from "../../../src/experiment/ppo/experiment.ts";
import { binOf, makeSimulator } from "../../../src/experiment/ppo/simulator.ts";
import { decodeExperience, encodeExperience, joinRollouts } from "../../../src/experiment/ppo/wire.ts";
import { readTables } from "../../../src/experiment/records/run-dir.ts";
import { resumeExperiment, runExperiment } from "../../../src/experiment/runner.ts";
import type { Estimate } from "../../../src/experiment/report/table.ts";
import type { Rollout } from "../../../src/policy/rollout.ts";
import { folderOf, newFolder, quiet, thrownBy } from "../folders.ts";

const experiments = { ppo: ppoExperiment };
const updates = 14;
const yaml = `experiment: ppo
actors: { count: 3, numEnvs: 8, steps: 64 }
learning: { updates: ${updates}, trajectories: 3, minibatches: 4 }
judge: { episodes: 20 }
`;

/** Every number says which actor, step and row it is. */
function rolloutOf(actor: number, steps: number, rows: number): Rollout {
  const at = (width: number) =>
    Float32Array.from({ length: steps * rows * width }, (_, i) => {
      const row = Math.floor(i / width);
      return actor * 1000 + Math.floor(row / rows) * 100 + (row % rows) * 10 + (i % width);
    });
  const column = at(1);
  return {
    steps,
    rows,
    observations: ndarray("float32", [steps * rows, 3], at(3)),
    actions: ndarray("float32", [steps * rows, 2], at(2)),
    logProbabilities: column,
    values: column,
    rewards: column,
    continues: column,
    ends: Uint8Array.from(column, (x) => x % 7),
    nextValues: column,
    weights: column,
  };
}

describe("the PPO experiment", () => {
  it(
    "learns CartPole from three actors at a hub, stopped in the middle and resumed: each trajectory counted once",
    { timeout: 120_000 },
    async () => {
      const [hub, stopWorkers, stop] = [makeMemoryHub(), new AbortController(), new AbortController()];
      const identity = { reverie: "0", code: "test" };
      const settings = { experiments, output: quiet(), handleSignals: false };
      const workers = [1, 2, 3].map(() =>
        joinHub(hub, { ...settings, identity, signal: stopWorkers.signal }),
      );
      const path = join(folderOf({ "cartpole.yaml": yaml }), "cartpole.yaml");
      const runDir = join(newFolder(), "run");
      const own = { ...settings, workers: { hub, identity } };
      const metrics = join(runDir, "metrics.jsonl");
      // By what has been learned, not by the clock: a fast machine shows no progress in between.
      const watching = setInterval(() => {
        if (existsSync(metrics) && readFileSync(metrics, "utf8").split("\n").length > 2) stop.abort();
      }, 2);
      const begun = runExperiment(path, [], { ...own, runDir, signal: stop.signal });
      expect((await thrownBy(() => begun)).message).toContain("INTERRUPTED");
      clearInterval(watching);
      const before = readMetrics(join(runDir, "metrics.jsonl")).length;
      expect(before).toBeGreaterThan(0);
      expect(before).toBeLessThan(updates);
      await resumeExperiment(runDir, own);
      stopWorkers.abort();
      await Promise.all(workers);
      const steps = readMetrics(join(runDir, "metrics.jsonl")).filter(({ stage }) => stage === "learn");
      expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: updates }, (_, i) => i));
      const [untrained, learned] = readTables(runDir)[0].rows.map(({ cells }) => cells.return as Estimate);
      expect(learned.mean).toBeGreaterThan(2 * untrained.mean);
    },
  );

  it("learns in one process without any hub, and compares its runs", async () => {
    const path = join(folderOf({ "tiny.yaml": yaml }), "tiny.yaml");
    const runDir = join(newFolder(), "run");
    const small = ["learning.updates=2", "actors.steps=8", "judge.episodes=2", "actors.count=2"];
    await runExperiment(path, small, { experiments, runDir, output: quiet(), handleSignals: false });
    const scores = ppoExperiment.scores?.(
      ppoExperiment.schema.parse({ experiment: "ppo", name: "tiny", seed: 0 }),
      runDir,
    );
    expect(scores?.map(({ method, role, scores: list }) => [method, role, list.length])).toEqual([
      ["untrained", "floor", 2],
      ["ppo", "emphasis", 2],
    ]);
  });

  it("refuses an environment whose observations are no vectors, by code", async () => {
    const error = await thrownBy(() => makeSimulator("DriveTrack-v0", 1, "same-step"));
    expect(error.code).toBe("NOT_SUPPORTED");
    expect(error.message).toContain("learns from vectors");
  });

  it("acts in discrete spaces by equal parts of [-1, 1]", () => {
    expect([-1, -0.01, 0, 1].map((x) => binOf(x, 2))).toEqual([0, 0, 1, 1]);
    expect([-1.5, -0.4, -0.3, 0.3, 0.4, 1.5].map((x) => binOf(x, 3))).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

describe("trajectories of PPO", () => {
  it("come back from their bytes as they were", () => {
    const rollout = rolloutOf(3, 4, 2);
    expect(decodeExperience(encodeExperience({ rollout, returns: [5, 7] }))).toEqual({
      rollout,
      returns: [5, 7],
    });
    expect(decodeExperience(encodeExperience({ rollout, returns: [] })).returns).toEqual([]);
  });

  it("of several actors lie side by side, time first", () => {
    const joined = joinRollouts([rolloutOf(1, 2, 2), rolloutOf(2, 2, 1)]);
    expect([joined.steps, joined.rows]).toEqual([2, 3]);
    expect(joined.rewards).toEqual(Float32Array.from([1000, 1010, 2000, 1100, 1110, 2100]));
    expect(joined.actions).toEqual({
      ...float32([1000, 1001, 1010, 1011, 2000, 2001, 1100, 1101, 1110, 1111, 2100, 2101]),
      shape: [6, 2],
    });
    expect([...joined.ends]).toEqual([1000, 1010, 2000, 1100, 1110, 2100].map((x) => x % 7));
  });
});
