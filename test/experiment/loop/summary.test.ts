/** @file The final tables from verdicts made by hand: means, errors over the right thing, pairing. */

import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { drivingSchema } from "../../../src/experiment/driving/config.ts";
import { drivingTask } from "../../../src/experiment/driving/task.ts";
import { summarizeRun } from "../../../src/experiment/loop/stage-summary.ts";
import type { SeedVerdict } from "../../../src/experiment/loop/stage-judge.ts";
import type { TaskWords } from "../../../src/experiment/loop/task.ts";
import type { StageContext } from "../../../src/experiment/stages.ts";
import type { Estimate, ResultTable } from "../../../src/experiment/report/table.ts";

const scores = (...returns: number[]) =>
  returns.map((value) => ({ return: value, length: 10, terminated: value < 0, truncated: value >= 0 }));

function verdict(seed: number, imagined: number[], filtered: number[]): SeedVerdict {
  const policy = (id: string, values: number[]) => ({
    id,
    label: id,
    realFrames: 100,
    minutes: 2,
    test: scores(...values),
    train: scores(...values),
  });
  const horizon = {
    horizon: 1,
    psnr: 20,
    ssim: 0.9,
    copyLastSsim: 0.5,
    copyLast: 15,
    meanFrame: 16,
    reconstruction: 25,
    shuffledActions: 18,
    actionGain: [2, 1, 3] as const,
    stateError: [0.1, 0.2, 0.3],
  };
  const gap = {
    horizon: 15,
    imaginedReturn: 3,
    realReturn: 2,
    standardError: 0.5,
    imaginedHazard: 0.1,
    realHazard: 0.2,
  };
  const crash = [{ label: "1-3", probability: 0.9, standardError: 0.01, windows: 10 }];
  return {
    seed,
    policies: [policy("filtered", filtered), policy("imagined", imagined)],
    horizons: [horizon],
    ends: { behaviour: crash, policy: [] },
    gap,
  };
}

async function tablesOf(
  verdicts: SeedVerdict[],
  words: Partial<TaskWords> = {},
): Promise<Record<string, ResultTable>> {
  const folder = mkdtempSync(join(tmpdir(), "reverie-summary-"));
  for (const one of verdicts) {
    const path = join(folder, `seed-${one.seed}`, "verdict.json");
    mkdirSync(dirname(path));
    writeFileSync(path, JSON.stringify(one));
  }
  const tables: Record<string, ResultTable> = {};
  const runDir = {
    file: (...parts: string[]) => join(folder, ...parts),
    writeTable: (id: string, table: ResultTable) => void (tables[id] = table),
  };
  const config = drivingSchema.parse({ experiment: "driving", name: "t", seeds: verdicts.length });
  const task = drivingTask(config);
  await summarizeRun({ ...task, words: { ...task.words, ...words } }, config, {
    runDir,
  } as unknown as StageContext);
  return tables;
}

const cellOf = (table: ResultTable, row: number, key: string): Estimate =>
  table.rows[row].cells[key] as Estimate;

describe("the final table", () => {
  it("gives the standard error over episodes for one seed", async () => {
    const tables = await tablesOf([verdict(0, [10, 20, 30, 40], [0, 0, 0, 0])]);
    const estimate = cellOf(tables["1-policies"], 1, "test");
    expect(estimate.mean).toBe(25);
    expect(estimate.se).toBeCloseTo(Math.sqrt(500 / 3 / 4), 6);
  });

  it("gives mean and error over the seeds' means, and their median, for several", async () => {
    const tables = await tablesOf([
      verdict(0, [10, 30], [1, 1]),
      verdict(1, [30, 50], [1, 1]),
      verdict(2, [90, 110], [1, 1]),
    ]);
    const estimate = cellOf(tables["1-policies"], 1, "test");
    expect(estimate.mean).toBeCloseTo(160 / 3, 6);
    expect(estimate.se).toBeCloseTo(Math.sqrt((33.333 ** 2 + 13.333 ** 2 + 46.667 ** 2) / 2 / 3), 2);
    expect(tables["1-policies"].rows[1].cells.median).toBe(40);
    expect(cellOf(tables["3-seeds"], 1, "seed1").mean).toBe(40);
  });

  it("counts crashes, and pairs differences episode by episode", async () => {
    const tables = await tablesOf([verdict(0, [10, -5], [8, -7])]);
    expect(tables["1-policies"].rows[1].cells.crash).toBe(0.5);
    const difference = cellOf(tables["2-comparison"], 0, "difference");
    expect([difference.mean, difference.se]).toEqual([2, 0]);
  });

  it("puts success first where ends are wanted, and pairs it episode by episode", async () => {
    const words = { wanted: true, ended: "succeeded", places: "goals" };
    const tables = await tablesOf([verdict(0, [-5, -5, -5, 5], [-7, 7, 7, 7])], words);
    const [first] = tables["1-policies"].columns.slice(1);
    expect([first.label, first.format]).toEqual(["succeeded, unseen", "percent"]);
    expect(cellOf(tables["1-policies"], 1, "success").mean).toBe(0.75);
    const difference = cellOf(tables["2-comparison"], 0, "ends");
    expect(difference.mean).toBe(0.5);
    expect(difference.se).toBeCloseTo(Math.sqrt(1 / 3 / 4), 6);
    expect(cellOf(tables["2-comparison"], 0, "difference").mean).toBeCloseTo(-6, 6);
  });

  it("shows a dash where the policy never crashed so", async () => {
    const tables = await tablesOf([verdict(0, [1, 1], [1, 1])]);
    expect(cellOf(tables["5-crashes"], 0, "behaviour").mean).toBe(0.9);
    expect(tables["5-crashes"].rows[0].cells.policy).toBeNull();
  });
});
