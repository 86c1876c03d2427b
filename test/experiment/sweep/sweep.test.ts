/** @file Sweeps: what a file's grid and distributions become, and that a sweep runs, survives failures and stops, and compares. */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkConfig } from "../../../src/experiment/runner.ts";
import { expandSweeps, readSweep, resumeConfig, runConfig } from "../../../src/experiment/sweep/sweep.ts";
import type { SweepResult } from "../../../src/experiment/sweep/sweep.ts";
import { planSweep, sweepSchema } from "../../../src/experiment/sweep/sweep-plan.ts";
import { fake } from "../fake.ts";
import { folderOf, newFolder, quiet, thrownBy } from "../folders.ts";

const options = { experiments: { fake }, handleSignals: false };

function yamlOf(text: string): string {
  return join(folderOf({ "tiny.yaml": `experiment: fake\n${text}` }), "tiny.yaml");
}

const plan = (spec: unknown, seed = 0) => planSweep(sweepSchema.parse(spec), seed);

describe("the plan of a sweep", () => {
  it("is every combination of the grid, with every seed", () => {
    const children = plan({ grid: { "train.steps": [3, 4], "train.rate": [0.1, 0.2] }, seeds: [0, 7] });
    expect(children).toHaveLength(8);
    expect(children[1]).toEqual({
      name: "1-steps=3-rate=0.1-seed=7",
      overrides: ["train.steps=3", "train.rate=0.1", "seed=7"],
    });
  });

  it("draws within the bounds, the same for the same seed, and a point does not depend on how many there are", () => {
    const random = {
      a: { uniform: [2, 3] },
      b: { log: [1e-4, 1e-2] },
      c: { integer: [1, 3] },
      d: { choice: ["x", [1]] },
    };
    const few = plan({ random, samples: 40 }, 5);
    expect(
      plan({ random, samples: 60 }, 5)
        .slice(0, 40)
        .map((child) => child.overrides),
    ).toEqual(few.map((child) => child.overrides));
    expect(plan({ random, samples: 40 }, 6)).not.toEqual(few);
    const drawn = (key: string): unknown[] =>
      few.flatMap(({ overrides }) =>
        overrides.filter((o) => o.startsWith(`${key}=`)).map((o) => JSON.parse(o.slice(2))),
      );
    for (const value of drawn("a") as number[]) expect(value >= 2 && value < 3).toBe(true);
    const logs = (drawn("b") as number[]).map(Math.log10);
    expect(Math.min(...logs)).toBeGreaterThanOrEqual(-4);
    // On a log scale half of the draws lie below 1e-3; evenly they would be a tenth.
    expect(logs.filter((value) => value < -3).length).toBeGreaterThan(10);
    expect(new Set(drawn("c"))).toEqual(new Set([1, 2, 3]));
    expect(new Set(drawn("d").map((value) => JSON.stringify(value)))).toEqual(new Set(['"x"', "[1]"]));
  });

  it.each([
    ["sweep: { gird: {} }", /tiny\.yaml:2:10: unknown key "sweep\.gird"[^]*did you mean "sweep\.grid"/],
    ["sweep: { samples: 3 }", /tiny\.yaml:2:1: "sweep" varies nothing/],
    ["sweep: { random: { train.rate: { log: [0, 1] } } }", /two positive numbers/],
    ["sweep: { grid: { train.stesp: [1] } }", /run 0-stesp=1 of the sweep[^]*did you mean "train\.steps"/],
    [
      "sweep: { grid: { train.steps: [5, many] } }",
      /run 1-steps=many of the sweep[^]*"train\.steps" has the wrong type/,
    ],
  ])("of %j is refused before anything runs", async (text, message) => {
    const runDir = join(newFolder(), "sweep");
    const error = await thrownBy(() => runConfig(yamlOf(text), [], { ...options, runDir, output: quiet() }));
    expect(error.message).toMatch(message);
    expect(existsSync(runDir)).toBe(false);
  });
});

describe("a sweep", () => {
  const text = "sweep: { grid: { train.rate: [0.1, 0.5] }, metric: train/loss, goal: min }";

  it("runs every combination in a folder of its own and compares them", async () => {
    const runDir = join(newFolder(), "sweep");
    const output = quiet();
    await runConfig(yamlOf(text), ["train.steps=6"], { ...options, runDir, output });
    expect(readdirSync(runDir).sort()).toEqual([
      "0-rate=0.1",
      "1-rate=0.5",
      "base.yaml",
      "comparison.html",
      "sweep.json",
    ]);
    expect(readFileSync(join(runDir, "1-rate=0.5", "config.yaml"), "utf8")).toMatch(/steps: 6\n +rate: 0\.5/);
    expect(output.text).toMatch(/train\/loss · rate=0\.5 +1 +0\.0313/);
    expect(output.text).toContain("best: train/loss · rate=0.5 (train/loss, last value)");
    expect(readFileSync(join(runDir, "comparison.html"), "utf8")).toContain("rate=0.1");
    expect(expandSweeps([runDir, "/other"])).toEqual([
      join(runDir, "0-rate=0.1"),
      join(runDir, "1-rate=0.5"),
      "/other",
    ]);
  });

  it("goes on after a run that fails, and says so", async () => {
    const runDir = join(newFolder(), "sweep");
    const poisoned = "sweep: { grid: { train.poisonAt: [2, 99] }, metric: train/loss }";
    const result = (await runConfig(yamlOf(poisoned), [], {
      ...options,
      runDir,
      output: quiet(),
    })) as SweepResult;
    expect(result.runs).toEqual([join(runDir, "1-poisonAt=99")]);
    expect(Object.keys(result.failed)).toEqual(["0-poisonAt=2"]);
    expect(readSweep(runDir)?.failed["0-poisonAt=2"]).toContain("NOT_FINITE");
    const output = quiet();
    await resumeConfig(runDir, { ...options, output });
    expect(output.text).not.toContain("run 1 of 2");
  });

  it("stopped in the middle goes on from its own folder alone", async () => {
    const runDir = join(newFolder(), "sweep");
    const stop = new AbortController();
    const output = quiet();
    const watched = {
      ...output,
      write(part: string) {
        output.write(part);
        if (part.includes("run 2 of 2")) stop.abort();
      },
    };
    const yaml = yamlOf(text);
    const error = await thrownBy(() =>
      runConfig(yaml, [], { ...options, runDir, output: watched, signal: stop.signal }),
    );
    expect(error.message).toContain(`reverie resume ${runDir}`);
    expect(existsSync(join(runDir, "comparison.html"))).toBe(false);
    const begun = readFileSync(join(runDir, "0-rate=0.1", "metrics.jsonl"), "utf8");
    const again = (await resumeConfig(runDir, { ...options, output: quiet() })) as SweepResult;
    expect(again.runs).toHaveLength(2);
    expect(readFileSync(join(runDir, "0-rate=0.1", "metrics.jsonl"), "utf8")).toBe(begun);
    expect(existsSync(join(runDir, "comparison.html"))).toBe(true);
  });

  it("is no part of a single run's config", async () => {
    const { config, sweep } = await checkConfig(yamlOf(text), [], options);
    expect(config).not.toHaveProperty("sweep");
    expect(sweep?.goal).toBe("min");
  });
});
