/** @file Running a run again: equal results are told equal, and a difference is named with its place and its likely cause. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ResultDigest } from "../../src/experiment/records/digest.ts";
import { reproduceRun } from "../../src/experiment/reproduce.ts";
import { runExperiment } from "../../src/experiment/runner.ts";
import type { ResultTable } from "../../src/experiment/report/table.ts";
import { fake } from "./fake.ts";
import { folderOf, newFolder, quiet, thrownBy } from "./folders.ts";

const options = { experiments: { fake }, handleSignals: false };

async function runTiny(...overrides: string[]): Promise<string> {
  const yaml = join(folderOf({ "tiny.yaml": "experiment: fake" }), "tiny.yaml");
  const runDir = join(newFolder(), "run");
  await runExperiment(yaml, overrides, { ...options, runDir, output: quiet() });
  return runDir;
}

function edit(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, "utf8")));
}

describe("reproducing a run", () => {
  it("finds the same hash, which the finished run has on record", async () => {
    const run = await runTiny();
    const output = quiet();
    const { path, sha256, differences } = await reproduceRun(run, { ...options, output });
    expect([path, differences]).toEqual([`${run}-again`, []]);
    expect(sha256[0]).toBe(sha256[1]);
    const digest = JSON.parse(readFileSync(join(run, "results.json"), "utf8")) as ResultDigest;
    expect(digest.sha256).toBe(sha256[0]);
    expect(Object.keys(digest.parts)).toEqual(["metrics", "tables/10-final"]);
    expect(output.text).toContain("reproduced: all 2 parts are equal");
  });

  it("names the part, the line and the numbers that differ", async () => {
    const [run, other] = [await runTiny(), await runTiny()];
    edit(join(other, "metrics.jsonl"), (text) =>
      text.replace(/("step":7,"time":[\d.]+,"loss":)[\d.]+/, "$10.25"),
    );
    const error = await thrownBy(() => reproduceRun(run, { ...options, against: other, output: quiet() }));
    expect(error.code).toBe("NOT_REPRODUCED");
    expect(error.message).toMatch(
      /1 of 2 parts differ\n +metrics: line 11: stage train, step 7: loss 0\.478\d+, now 0\.25/,
    );
    expect(error.message).toContain("not decided by the seed");
  });

  it("does not take the clock's columns for results", async () => {
    const [run, other] = [await runTiny(), await runTiny()];
    const setMinutes = (path: string, minutes: number, title?: string): void =>
      edit(join(path, "tables", "10-final.json"), (text) => {
        const table = JSON.parse(text) as ResultTable;
        const columns = [...table.columns, { key: "minutes", label: "time", varies: true }];
        const rows = table.rows.map((row) => ({ ...row, cells: { ...row.cells, minutes } }));
        return JSON.stringify({ ...table, title: title ?? table.title, columns, rows });
      });
    setMinutes(run, 1);
    setMinutes(other, 2);
    const { differences } = await reproduceRun(run, { ...options, against: other, output: quiet() });
    expect(differences).toEqual([]);
    setMinutes(other, 2, "Another");
    const error = await thrownBy(() => reproduceRun(run, { ...options, against: other, output: quiet() }));
    expect(error.message).toContain("tables/10-final: line 1: Final table, now Another");
  });

  it("says what was not the same around the two runs", async () => {
    const [run, other] = [await runTiny(), await runTiny("train.steps=19")];
    edit(join(other, "provenance.json"), (text) => text.replace(/"node": "[^"]+"/, '"node": "v99"'));
    const output = quiet();
    const error = await thrownBy(() => reproduceRun(run, { ...options, against: other, output }));
    expect(output.text).toContain(`not the same: node: ${process.version}, now v99`);
    expect(error.message).toContain(`run it as it was run before (node: ${process.version}, now v99)`);
  });

  it("wants a finished run", async () => {
    const yaml = join(folderOf({ "tiny.yaml": "experiment: fake" }), "tiny.yaml");
    const runDir = join(newFolder(), "run");
    await thrownBy(() => runExperiment(yaml, ["train.poisonAt=3"], { ...options, runDir, output: quiet() }));
    expect((await thrownBy(() => reproduceRun(runDir, options))).message).toContain(
      'stage "train" is still to do',
    );
  });
});
