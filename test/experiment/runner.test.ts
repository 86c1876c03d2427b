/** @file The runner: from a file to a finished run, from a folder to the same run again, and every way it is refused. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readSessions, readState } from "../../src/experiment/records/run-dir.ts";
import { evaluateRun, playRun, resumeExperiment, runExperiment } from "../../src/experiment/runner.ts";
import { fake } from "./fake.ts";
import { folderOf, newFolder, quiet, thrownBy } from "./folders.ts";

const options = { experiments: { fake }, handleSignals: false };

function yamlOf(text: string): string {
  return join(folderOf({ "tiny.yaml": text }), "tiny.yaml");
}

async function runTiny(overrides: string[] = [], seed?: number): Promise<string> {
  const runDir = join(newFolder(), "run");
  await runExperiment(yamlOf("experiment: fake"), overrides, { ...options, runDir, seed, output: quiet() });
  return runDir;
}

function curve(folder: string): string {
  return readFileSync(join(folder, "metrics.jsonl"), "utf8").replace(/"time":[\d.]+,/g, "");
}

describe("a run from a file", () => {
  it("prints its folder, its table and its report, and returns the tables", async () => {
    const output = quiet();
    const runDir = join(newFolder(), "run");
    const result = await runExperiment(yamlOf("experiment: fake"), [], { ...options, runDir, output });
    expect(result.tables.map(({ title }) => title)).toEqual(["Final table"]);
    expect(output.text).toContain(`run folder: ${runDir}`);
    expect(output.text).toMatch(/▶ learned/);
    expect(output.text).toContain(`report: ${join(runDir, "report.html")}`);
    expect(readSessions(runDir)[0].outcome).toBe("done");
  });

  it("takes the seed of the command line over the file's", async () => {
    const runDir = await runTiny(["seed=4"], 9);
    expect(readFileSync(join(runDir, "config.yaml"), "utf8")).toContain("seed: 9");
  });

  it("is repeated by the config.yaml of its own folder alone", async () => {
    const first = await runTiny(["train.steps=12", "train.rate=0.3"], 5);
    const again = join(newFolder(), "again");
    await runExperiment(join(first, "config.yaml"), [], { ...options, runDir: again, output: quiet() });
    expect(curve(again)).toBe(curve(first));
    expect(readFileSync(join(again, "config.yaml"))).toEqual(readFileSync(join(first, "config.yaml")));
  });

  it("is not begun when the config is wrong or the experiment unknown", async () => {
    const runDir = join(newFolder(), "run");
    const begin = (text: string) => thrownBy(() => runExperiment(yamlOf(text), [], { ...options, runDir }));
    expect((await begin("experiment: fake\ntrain: { stesp: 3 }")).message).toContain(
      'did you mean "train.steps"?',
    );
    const unknown = await begin("\nexperiment: fakee");
    expect(unknown.code).toBe("UNKNOWN_NAME");
    expect(unknown.message).toMatch(/tiny\.yaml:2:1: unknown experiment "fakee"[^]*did you mean "fake"\?/);
    expect((await begin("seed: 1")).message).toContain('"experiment" names what to run');
    expect((await begin("experiment: toString")).code).toBe("UNKNOWN_NAME");
    expect(existsSync(runDir)).toBe(false);
  });

  it("with a NaN loss fails with stage, step and metric, and keeps what it had", async () => {
    const runDir = join(newFolder(), "run");
    const error = await thrownBy(() =>
      runExperiment(yamlOf("experiment: fake"), ["train.poisonAt=7"], {
        ...options,
        runDir,
        output: quiet(),
      }),
    );
    expect(error.code).toBe("NOT_FINITE");
    expect(error.message).toContain('stage train, step 7: metric "loss"');
    expect(readState(runDir).stages.collect.status).toBe("done");
    expect(readSessions(runDir)[0].outcome).toBe("NOT_FINITE");
    expect(curve(runDir).split("\n")).toHaveLength(3 + 7 + 1);
    expect(existsSync(join(runDir, "run.lock"))).toBe(false);
  });
});

describe("a finished run", () => {
  it("is left as it is by resuming it, and shows its table again", async () => {
    const runDir = await runTiny();
    const before = curve(runDir);
    const output = quiet();
    await resumeExperiment(runDir, { ...options, output });
    expect(curve(runDir)).toBe(before);
    expect(output.text).toContain("train: done before");
    expect(output.text).toContain("▶ learned");
  });

  it("is judged again with as many episodes as asked", async () => {
    const runDir = await runTiny();
    const { tables } = await evaluateRun(runDir, { episodes: 123 }, { ...options, output: quiet() });
    expect(tables[0].notes).toEqual(["123 episodes, seed 0"]);
    expect(readFileSync(join(runDir, "report.html"), "utf8")).toContain("123 episodes");
    expect(readState(runDir).stages).not.toHaveProperty("evaluate");
  });

  it("has to be finished to be judged", async () => {
    const runDir = join(newFolder(), "run");
    await thrownBy(() =>
      runExperiment(yamlOf("experiment: fake"), ["train.poisonAt=3"], {
        ...options,
        runDir,
        output: quiet(),
      }),
    );
    const error = await thrownBy(() => evaluateRun(runDir, {}, options));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain('stage "train" is still to do');
  });

  it("whose experiment cannot be judged or played says so", async () => {
    const runDir = await runTiny();
    const mute = { experiments: { fake: { ...fake, evaluate: undefined } }, output: quiet() };
    expect((await thrownBy(() => evaluateRun(runDir, {}, mute))).code).toBe("NOT_SUPPORTED");
    expect((await thrownBy(() => playRun(runDir, mute))).code).toBe("NOT_SUPPORTED");
  });
});
