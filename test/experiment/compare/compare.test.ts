/** @file Comparing runs: seeds of one config from several folders become one table, and what must not be mixed is not. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ComparedRun } from "../../../src/experiment/compare/compare-groups.ts";
import { groupRuns } from "../../../src/experiment/compare/compare-groups.ts";
import { joinSeeds } from "../../../src/experiment/compare/compare-curves.ts";
import { compareRuns } from "../../../src/experiment/compare/compare.ts";
import { comparisonTables } from "../../../src/experiment/compare/compare-tables.ts";
import { compareFolders } from "../../../src/experiment/compare/comparing.ts";
import type { ScoreSet } from "../../../src/experiment/scores.ts";
import { runExperiment } from "../../../src/experiment/runner.ts";
import { tableText } from "../../../src/experiment/report/table.ts";
import { fake } from "../fake.ts";
import { folderOf, newFolder, quiet, thrownBy } from "../folders.ts";

type Config = Record<string, unknown> & { env?: string; name?: string; seed?: number; seeds?: number };

/** A run of `config` whose learned method scores `level + seed`, beside a floor of 0 and a ceiling of 10. */
function runOf(path: string, config: Config, level = 5, startedAt = "2026-01-01"): ComparedRun {
  const { seed = 0, seeds = 1 } = config;
  const all = Array.from({ length: seeds }, (_, k) => seed + k);
  const set = (method: string, s: number, value: number, role: ScoreSet["role"]): ScoreSet => ({
    task: `${config.env ?? "Env"}, unseen`,
    method,
    label: method,
    seed: s,
    scores: [value - 1, value + 1],
    role,
  });
  return {
    path,
    config: { experiment: "e", name: "run", ...config, seed },
    sessions: [{ startedAt } as ComparedRun["sessions"][number]],
    seeds: all,
    finished: true,
    lines: [],
    scores: all.flatMap((s) => [
      set("learned", s, level + s, "emphasis"),
      set("random", s, 0, "floor"),
      set("expert", s, 10, "ceiling"),
    ]),
  };
}

const options = { resamples: 500 };

function textOf(runs: readonly ComparedRun[]): string {
  return comparisonTables(compareRuns(runs, options)).map(tableText).join("\n\n");
}

describe("comparing runs", () => {
  it("puts seeds of one config together that lie in different folders", () => {
    const { groups, entries } = compareRuns(
      [runOf("/a", { seeds: 2 }), runOf("/b", { seed: 2, name: "x" })],
      options,
    );
    expect(groups).toHaveLength(1);
    const [learned] = entries;
    expect(learned.sets.map(({ seed }) => seed)).toEqual([0, 1, 2]);
    expect(learned.seedMeans).toEqual([5, 6, 7]);
    expect([learned.mean.value, learned.median]).toEqual([6, 6]);
    expect(learned.iqm.low).toBeLessThan(6);
  });

  it("keeps other configs apart and calls them after the field that differs", () => {
    const runs = [
      runOf("/a", { train: { rate: 0.1, steps: 3 } }),
      runOf("/b", { train: { steps: 3, rate: 0.2 } }, 8),
    ];
    expect(groupRuns(runs).map(({ label }) => label)).toEqual(["rate=0.1", "rate=0.2"]);
    const text = textOf(runs);
    expect(text).toMatch(/learned · rate=0\.2 +1 +8\.00 /);
    expect(text).toMatch(/Configs: what differs[^]*train\.rate +0\.1 +0\.2/);
    expect(text).not.toContain("train.steps");
  });

  it("takes groups' own names where they tell them apart", () => {
    const runs = [runOf("/a", { name: "small", rate: 1 }), runOf("/b", { name: "big", rate: 2 })];
    expect(groupRuns(runs).map(({ label }) => label)).toEqual(["small", "big"]);
  });

  it("counts a seed once: the later of two runs that judged it", () => {
    const runs = [runOf("/late", {}, 9, "2026-02-01"), runOf("/early", {}, 5, "2026-01-01")];
    const { entries, notes } = compareRuns(runs, options);
    expect(entries[0].seedMeans).toEqual([9]);
    expect(notes.join()).toContain("Seed 0 was judged twice; the later run counts, not /early.");
  });

  it("says which seeds are missing, unless another folder has them", () => {
    const cut = { ...runOf("/cut", { seeds: 3 }), scores: runOf("/cut", {}).scores };
    expect(compareRuns([cut], options).notes.join()).toContain("seed 1 of /cut, seed 2 of /cut");
    const rest = runOf("/rest", { seed: 1, seeds: 2 });
    expect(compareRuns([cut, rest], options).notes.join()).not.toContain("Not judged");
  });

  it("draws over episodes and says so where there is one seed", () => {
    const { entries, notes } = compareRuns([runOf("/a", {})], options);
    expect(entries[0].mean).toEqual({ value: 5, low: 4, high: 6 });
    expect(notes[0]).toContain("One seed");
  });

  it("pairs differences by seed, and the probability follows the goal", () => {
    const runs = [runOf("/a", { seeds: 3, rate: 1 }), runOf("/b", { seeds: 3, rate: 2 }, 8)];
    const [{ baseline, others }] = compareRuns(runs, options).versus;
    expect(baseline.seedMeans).toEqual([5, 6, 7]);
    const other = others.find(({ entry }) => entry.group.label === "rate=2" && entry.role === "emphasis");
    // Every seed loses by exactly 3: paired, the interval has no width.
    expect(other).toMatchObject({ paired: true, difference: { value: -3, low: -3, high: -3 } });
    expect(other?.better.value).toBe(0);
    const [{ others: flipped }] = compareRuns(runs, { ...options, goal: "min" }).versus;
    expect(flipped[2].better.value).toBe(1);
  });

  it("normalizes between floor and ceiling over several tasks", () => {
    const runs = [runOf("/a", { env: "A", seeds: 2 }), runOf("/b", { env: "B", seeds: 2 }, 8)];
    const learned = compareRuns(runs, options).aggregates.find(({ role }) => role === "emphasis");
    expect(learned?.tasks).toBe(2);
    expect(learned?.mean.value).toBeCloseTo((0.55 + 0.85) / 2, 12);
    expect(learned?.optimalityGap.value).toBeCloseTo(1 - 0.7, 12);
  });

  it("refuses methods that nobody has, naming those there are", async () => {
    const error = await thrownBy(() => compareRuns([runOf("/a", {})], { methods: ["lerned"] }));
    expect(error.message).toContain("methods among learned, random, expert");
  });
});

describe("joined curves", () => {
  it("reach as far as the shortest seed, with the mean in between and the interval around it", () => {
    const x = [0, 10, 20, 30];
    const joined = joinSeeds("loss", [
      { x, y: [1, 1, 1, 1] },
      { x: [0, 20], y: [3, 3] },
    ]);
    expect(joined.x).toEqual([0, 20]);
    expect(joined.y).toEqual([2, 2]);
    expect(joined.band).toEqual({ low: [1, 1], high: [3, 3] });
    expect(joinSeeds("loss", [{ x, y: x }])).toEqual({ label: "loss", x, y: x });
  });
});

describe("reverie compare", () => {
  async function runs(...seeds: number[]): Promise<string[]> {
    const yaml = join(folderOf({ "tiny.yaml": "experiment: fake" }), "tiny.yaml");
    const top = newFolder();
    for (const seed of seeds) {
      const runDir = join(top, `run-${seed}`);
      await runExperiment(yaml, [], {
        experiments: { fake },
        handleSignals: false,
        runDir,
        seed,
        output: quiet(),
      });
    }
    return seeds.map((seed) => join(top, `run-${seed}`));
  }

  it("compares a metric's last values where nothing was judged, and writes a page that loads nothing", async () => {
    const folders = await runs(1, 4);
    const html = join(newFolder(), "c.html");
    const output = quiet();
    const named = { experiments: { fake }, output, html, resamples: 200 };
    await compareFolders(folders, { ...named, metric: "collect/rollout/ep_rew_mean" });
    expect(output.text).toMatch(/▶ collect\/rollout\/ep_rew_mean +2 +4\.500 \[3\.000, 6\.000\]/);
    const page = readFileSync(html, "utf8");
    expect(page).toContain("ep_rew_mean");
    expect(page).toContain('class="band"');
    expect(page).not.toMatch(/<script|(?:src|href)="(?!data:)/);
  });

  it("without scores and without a metric names the metrics; a wrong one gets the nearest", async () => {
    const folders = await runs(1);
    const html = join(newFolder(), "c.html");
    const bare = await thrownBy(() =>
      compareFolders(folders, { experiments: { fake }, html, output: quiet() }),
    );
    expect(bare.message).toContain("train/loss");
    const wrong = await thrownBy(() =>
      compareFolders(folders, { experiments: { fake }, metric: "train/los", output: quiet() }),
    );
    expect([wrong.code, wrong.message]).toEqual([
      "UNKNOWN_NAME",
      expect.stringContaining('did you mean "train/loss"?'),
    ]);
    expect(existsSync(html)).toBe(false);
  });
});
