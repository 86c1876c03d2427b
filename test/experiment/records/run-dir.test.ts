/** @file Run folders: what is refused, what a kill leaves behind, and what is recorded. */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  createRunDir,
  defaultRunPath,
  openRunDir,
  readExhibits,
  readSessions,
  readTables,
} from "../../../src/experiment/records/run-dir.ts";
import { newFolder, thrownBy } from "../folders.ts";

const config = { experiment: "fake", name: "tiny", seed: 7 };

function makeRun(): string {
  const path = join(newFolder(), "run");
  createRunDir(config, path, ["run", "tiny.yaml"]).close("done");
  return path;
}

describe("a run folder", () => {
  it("is called after name, seed and time unless told otherwise", () => {
    const path = defaultRunPath(config, new Date("2026-01-02T03:04:05Z"));
    expect(path).toBe(join("runs", "tiny-7-2026-01-02-030405"));
  });

  it("records versions, machine, command line and outcome of every session", () => {
    const path = makeRun();
    openRunDir(path, ["resume", path]).close("INTERRUPTED");
    const sessions = readSessions(path);
    expect(sessions.map(({ argv, outcome }) => [argv[0], outcome])).toEqual([
      ["run", "done"],
      ["resume", "INTERRUPTED"],
    ]);
    expect(sessions[0].node).toBe(process.version);
    expect(sessions[0].machine.cores).toBeGreaterThan(0);
    expect(sessions[0].dependencies).toHaveProperty("onnxruntime-node");
  });

  it("is never made over something that is already there", async () => {
    const path = makeRun();
    const again = await thrownBy(() => createRunDir(config, path));
    expect(again.code).toBe("INVALID_ARGUMENT");
    expect(again.message).toContain(`reverie resume ${path}`);
    const folder = newFolder();
    writeFileSync(join(folder, "thesis.tex"), "");
    expect((await thrownBy(() => createRunDir(config, folder))).message).toContain("thesis.tex");
  });

  it("is recognised by its config when opened", async () => {
    const error = await thrownBy(() => openRunDir(newFolder()));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain("config.yaml");
  });

  it("keeps tables in the order of their names and exhibits in the order of adding, replacing by name", () => {
    const path = makeRun();
    const run = openRunDir(path);
    run.writeTable("20-b", { title: "B", columns: [], rows: [] });
    run.writeTable("10-a", { title: "A", columns: [], rows: [] });
    run.addPicture("x.png", Uint8Array.of(1), "first");
    run.addPicture("y.png", Uint8Array.of(2), "second");
    run.addPicture("x.png", Uint8Array.of(3), "third");
    run.close("done");
    expect(readTables(path).map(({ title }) => title)).toEqual(["A", "B"]);
    expect(readExhibits(path, "pictures").map(({ caption }) => caption)).toEqual(["second", "third"]);
    expect([...readFileSync(join(path, "pictures", "x.png"))]).toEqual([3]);
  });

  it("with a damaged state is refused by name, with what to do; its checkpoints are untouched", async () => {
    const path = makeRun();
    const run = openRunDir(path);
    run.write("checkpoints/a", "x");
    run.close("done");
    for (const text of ['{"version": 1, "sta', "[]", '{"version": 2, "stages": {}}']) {
      writeFileSync(join(path, "state.json"), text);
      const error = await thrownBy(() => openRunDir(path));
      expect(error.code).toBe("CORRUPT_FILE");
      expect(error.message).toContain("delete state.json");
    }
    expect(existsSync(join(path, "run.lock"))).toBe(false);
    expect(readFileSync(join(path, "checkpoints", "a"), "utf8")).toBe("x");
  });

  it("whose config was edited after a stage ran is not gone on with", async () => {
    const path = makeRun();
    const run = openRunDir(path);
    run.writeStage("collect", { status: "done", seconds: 1, peakMemoryBytes: 1 });
    run.close("done");
    writeFileSync(join(path, "config.yaml"), "experiment: fake\nname: tiny\nseed: 8\n");
    const error = await thrownBy(() => openRunDir(path));
    expect(error.code).toBe("INVALID_CONFIG");
    expect(error.message).toContain("changed after the run began");
  });
});

describe("a folder left by a process that was killed while making it", () => {
  it("counts as empty", () => {
    const folder = newFolder();
    writeFileSync(join(folder, "run.lock"), '{"pid"');
    writeFileSync(join(folder, "config.yaml.12.tmp"), "exp");
    createRunDir(config, folder).close("done");
  });
});

describe("the lock of a run folder", () => {
  const write = (path: string, pid: number, startedAt: string, host = hostname()): void =>
    writeFileSync(join(path, "run.lock"), JSON.stringify({ pid, host, startedAt }));

  it("refuses a second process while the first lives", async () => {
    const path = makeRun();
    const run = openRunDir(path);
    const error = await thrownBy(() => openRunDir(path));
    expect(error.code).toBe("RUN_BUSY");
    expect(error.message).toContain(`process ${process.pid}`);
    run.close("done");
    openRunDir(path).close("done");
  });

  it("of a process that is dead does not hold", () => {
    const path = makeRun();
    write(path, spawnSync(process.execPath, ["-e", ""]).pid, "123");
    openRunDir(path).close("done");
  });

  it.runIf(existsSync("/proc/self/stat"))(
    "does not hold when its process id now belongs to another process",
    () => {
      const path = makeRun();
      write(path, process.pid, "1");
      openRunDir(path).close("done");
    },
  );

  it("half-written by a killed process does not hold", () => {
    const path = makeRun();
    writeFileSync(join(path, "run.lock"), '{"pid": 12');
    openRunDir(path).close("done");
  });

  it("of another machine holds, because nobody here can tell", async () => {
    const path = makeRun();
    write(path, 1, "1", "elsewhere");
    expect((await thrownBy(() => openRunDir(path))).message).toContain("elsewhere");
  });
});
