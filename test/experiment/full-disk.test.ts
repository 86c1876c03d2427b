/** @file A disk that fills up in the middle of a run: a coded error, nothing written before is lost, and the run resumes. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readMetrics } from "../../src/experiment/records/metrics.ts";
import { resumeExperiment, runExperiment } from "../../src/experiment/runner.ts";
import { fake } from "./fake.ts";
import { folderOf, newFolder, quiet, thrownBy } from "./folders.ts";

/** A file system of 256 KiB, where this process may mount one. */
function mountSmall(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "reverie-small-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], { stdio: "ignore" });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
}

const small = process.platform === "linux" ? mountSmall() : undefined;

afterAll(() => {
  if (small === undefined) return;
  execFileSync("umount", [small]);
  rmSync(small, { recursive: true });
});

const options = { experiments: { fake }, handleSignals: false };

async function referenceSteps(yaml: string): Promise<string[]> {
  const runDir = join(newFolder(), "whole");
  await runExperiment(yaml, [], { ...options, runDir, output: quiet() });
  return stepsOf(runDir);
}

function stepsOf(runDir: string): string[] {
  return readMetrics(join(runDir, "metrics.jsonl")).map(
    ({ stage, step, loss }) => `${stage} ${step} ${loss}`,
  );
}

describe.skipIf(small === undefined)("a full disk (needs the right to mount a tmpfs)", () => {
  it("stops the run with STORAGE_FULL, keeps what was written, and resumes to the same curve", async () => {
    const folder = small ?? "";
    const yaml = join(folderOf({ "fake.yaml": "experiment: fake\ntrain: { steps: 1500 }" }), "fake.yaml");
    const runDir = join(folder, "run");
    writeFileSync(join(folder, "ballast"), new Uint8Array(96 * 1024));
    const error = await thrownBy(() => runExperiment(yaml, [], { ...options, runDir, output: quiet() }));
    expect(error.code).toBe("STORAGE_FULL");
    expect(error.message).toContain("stages done: collect");
    expect(error.message).toContain(`reverie resume ${runDir}`);
    const kept = stepsOf(runDir);
    expect(kept.length).toBeGreaterThan(100);
    expect(readFileSync(join(runDir, "metrics.jsonl"), "utf8").endsWith("}\n")).toBe(true);
    rmSync(join(folder, "ballast"));
    rmSync(join(runDir, "tensorboard"), { recursive: true });
    await resumeExperiment(runDir, { ...options, output: quiet() });
    expect(stepsOf(runDir)).toEqual(await referenceSteps(yaml));
  });
});
