/** @file A run killed with SIGKILL at any moment, or stopped with SIGINT, resumes to the same curve. */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { runExperiment } from "../../src/experiment/runner.ts";
import { fake } from "./fake.ts";
import { folderOf, newFolder, quiet } from "./folders.ts";

const script = fileURLToPath(new URL("fake-run.ts", import.meta.url));
const steps = 60;
const overrides = [`train.steps=${steps}`, "train.checkpointEvery=7", "train.stepMs=4"];

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ["--import", "tsx", script, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}

/** metrics.jsonl without its times, byte for byte. */
function curve(folder: string): string {
  return readFileSync(join(folder, "metrics.jsonl"), "utf8").replace(/"time":[\d.]+,/g, "");
}

function lineCount(folder: string): number {
  const path = join(folder, "metrics.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
}

/** Wait until the child has logged `lines`, or has ended. */
async function untilLogged(child: ChildProcess, folder: string, lines: number): Promise<void> {
  const ended = once(child, "exit");
  while (child.exitCode === null && lineCount(folder) < lines) {
    await Promise.race([
      ended,
      new Promise((resolve) => {
        setTimeout(resolve, 3);
      }),
    ]);
  }
}

async function killAt(
  child: ChildProcess,
  folder: string,
  lines: number,
  signal: NodeJS.Signals,
): Promise<string> {
  let errors = "";
  child.stderr?.on("data", (data: Buffer) => (errors += data.toString()));
  const exit = once(child, "exit");
  await untilLogged(child, folder, lines);
  child.kill(signal);
  await exit;
  return errors;
}

/** Seven processes one after another, on a machine that may be busy. */
const patience = { timeout: 180_000 };

describe("a run", patience, () => {
  let yaml = "";
  let expected = "";

  beforeAll(async () => {
    yaml = join(folderOf({ "fake.yaml": "experiment: fake\nseed: 3\n" }), "fake.yaml");
    const runDir = join(newFolder(), "whole");
    await runExperiment(yaml, [...overrides, "train.stepMs=0"], {
      experiments: { fake },
      runDir,
      output: quiet(),
      handleSignals: false,
    });
    expected = curve(runDir);
  });

  it("killed three times goes on each time from its folder alone, to the same metrics", async () => {
    const runDir = join(newFolder(), "killed");
    await killAt(start(["run", yaml, runDir, ...overrides]), runDir, 12, "SIGKILL");
    expect(lineCount(runDir)).toBeLessThan(steps);
    await killAt(start(["resume", runDir]), runDir, 25, "SIGKILL");
    expect(existsSync(join(runDir, "run.lock"))).toBe(true);
    await killAt(start(["resume", runDir]), runDir, 40, "SIGKILL");
    expect(existsSync(join(runDir, "report.html"))).toBe(false);
    const last = start(["resume", runDir]);
    await once(last, "exit");
    expect(last.exitCode).toBe(0);
    expect(curve(runDir)).toBe(expected);
    expect(readFileSync(join(runDir, "report.html"), "utf8")).toContain("Final table");
  });

  it("stopped with SIGINT saves its checkpoint, says how to go on, and resumes to the same metrics", async () => {
    const runDir = join(newFolder(), "stopped");
    const errors = await killAt(start(["run", yaml, runDir, ...overrides]), runDir, 20, "SIGINT");
    expect(errors).toContain("[INTERRUPTED]");
    expect(errors).toContain(`reverie resume ${runDir}`);
    expect(existsSync(join(runDir, "run.lock"))).toBe(false);
    const last = start(["resume", runDir]);
    await once(last, "exit");
    expect(curve(runDir)).toBe(expected);
  });
});
