/** @file Stages: order, skipping, stopping, and what the terminal is told. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { StageStatus } from "../../src/experiment/progress.ts";
import { clock, memory, openProgress, statusLine } from "../../src/experiment/progress.ts";
import type { RunDir } from "../../src/experiment/records/run-dir.ts";
import { createRunDir } from "../../src/experiment/records/run-dir.ts";
import type { Stage } from "../../src/experiment/stages.ts";
import { runStages, safePoint } from "../../src/experiment/stages.ts";
import { newFolder, quiet, thrownBy } from "./folders.ts";

type Config = { readonly experiment: string; readonly name: string; readonly seed: number };
const config: Config = { experiment: "fake", name: "tiny", seed: 7 };

function makeDir(): RunDir {
  return createRunDir(config, join(newFolder(), "run"));
}

function noting(names: readonly string[], seen: string[], failing?: string): Stage<Config>[] {
  return names.map((name) => ({
    name,
    async run() {
      seen.push(name);
      if (name === failing) throw new RangeError("boom");
    },
  }));
}

describe("running stages", () => {
  it("runs each once in order, and none again that is done", async () => {
    const runDir = makeDir();
    const seen: string[] = [];
    const options = { seed: 7, output: quiet(), handleSignals: false };
    const error = await thrownBy(() =>
      runStages(noting(["a", "b", "c"], seen, "b"), config, runDir, options),
    );
    expect(error).toBeInstanceOf(RangeError);
    await runStages(noting(["a", "b", "c"], seen), config, runDir, options);
    expect(seen).toEqual(["a", "b", "b", "c"]);
    expect(Object.values(runDir.state.stages).map(({ status }) => status)).toEqual(["done", "done", "done"]);
    runDir.close("done");
  });

  it("adds up a stage's time over its sessions and remembers its peak memory", async () => {
    const runDir = makeDir();
    runDir.writeStage("a", { status: "running", seconds: 100, peakMemoryBytes: 2 ** 50 });
    await runStages(noting(["a"], []), config, runDir, { seed: 0, output: quiet(), handleSignals: false });
    expect(runDir.state.stages.a.seconds).toBeGreaterThanOrEqual(100);
    expect(runDir.state.stages.a.peakMemoryBytes).toBe(2 ** 50);
    runDir.close("done");
  });

  it("refuses two stages of one name, because their records would be one", async () => {
    const runDir = makeDir();
    const error = await thrownBy(() =>
      runStages(noting(["a", "a"], []), config, runDir, { seed: 0, output: quiet() }),
    );
    expect(error.message).toContain('"a"');
    runDir.close("done");
  });

  it("stops at the next safe point when told to, and says how to go on", async () => {
    const runDir = makeDir();
    const stop = new AbortController();
    const seen: string[] = [];
    const stopping: Stage<Config> = {
      name: "long",
      async run(_, { signal, runDir: run }) {
        for (let step = 0; ; step++) {
          if (step === 3) stop.abort();
          run.write("checkpoints/long", String(step));
          await safePoint(signal);
        }
      },
    };
    const stages = [...noting(["first"], seen), stopping, ...noting(["last"], seen)];
    const options = { seed: 0, output: quiet(), signal: stop.signal, handleSignals: false };
    const error = await thrownBy(() => runStages(stages, config, runDir, options));
    expect(error.code).toBe("INTERRUPTED");
    expect(error.message).toContain("stages done: first");
    expect(error.message).toContain(`reverie resume ${runDir.path}`);
    expect(readFileSync(join(runDir.path, "checkpoints", "long"), "utf8")).toBe("3");
    expect(seen).toEqual(["first"]);
    runDir.close("INTERRUPTED");
  });

  it("heeds a stop that came while a stage which never looks was finishing", async () => {
    const runDir = makeDir();
    const stop = new AbortController();
    const seen: string[] = [];
    const deaf: Stage<Config> = { name: "deaf", run: async () => stop.abort() };
    const options = { seed: 0, output: quiet(), signal: stop.signal, handleSignals: false };
    const error = await thrownBy(() => runStages([deaf, ...noting(["next"], seen)], config, runDir, options));
    expect(error.code).toBe("INTERRUPTED");
    expect([runDir.state.stages.deaf.status, seen]).toEqual(["done", []]);
    runDir.close("INTERRUPTED");
  });

  it("does not take a stage's own failure for a stop", async () => {
    const runDir = makeDir();
    const stop = new AbortController();
    const failing: Stage<Config> = {
      name: "a",
      async run() {
        stop.abort();
        throw new TypeError("a bug");
      },
    };
    const options = { seed: 0, output: quiet(), signal: stop.signal, handleSignals: false };
    expect(await thrownBy(() => runStages([failing], config, runDir, options))).toBeInstanceOf(TypeError);
    runDir.close("failed");
  });

  it("leaves no signal handlers behind", async () => {
    const before = process.listenerCount("SIGINT");
    const runDir = makeDir();
    await runStages(noting(["a"], []), config, runDir, { seed: 0, output: quiet() });
    expect(process.listenerCount("SIGINT")).toBe(before);
    runDir.close("done");
  });
});

const status: StageStatus = {
  index: 1,
  count: 3,
  name: "train",
  fraction: 0.256,
  elapsedSeconds: 187,
  etaSeconds: 42,
  totalEtaSeconds: 3765,
  memoryBytes: 1.5 * 2 ** 30,
  note: "loss 0.1",
};

describe("progress", () => {
  it("tells place, share, times, memory and the note in one line", () => {
    expect(statusLine(status)).toBe("[2/3] train  25 % | 3:07, ETA 42 s, all 1:02:45 | 1.5 GiB | loss 0.1");
    expect([clock(undefined), clock(59.6), memory(5e8)]).toEqual(["?", "1:00", "477 MiB"]);
  });

  it("rewrites one line on a terminal, at most ten times a second, and keeps other lines above it", () => {
    let now = 0;
    const output = quiet(true);
    const view = openProgress(output, () => now);
    for (now = 0; now < 1000; now += 10) view.show(status);
    expect(output.text.split("\r")).toHaveLength(11);
    expect(output.text).not.toContain("\n");
    view.line("note");
    expect(output.text).toContain("\r\u001b[Knote\n[2/3] train");
    view.end();
    expect(output.text.endsWith("\r\u001b[K")).toBe(true);
  });

  it("is quiet where nobody watches: a line per tenth or half minute", () => {
    let now = 0;
    const output = quiet();
    const view = openProgress(output, () => now);
    for (now = 0; now <= 60_000; now += 100) view.show({ ...status, fraction: now / 60_000 });
    const lines = output.text.trimEnd().split("\n");
    expect(lines.length).toBeGreaterThanOrEqual(10);
    expect(lines.length).toBeLessThanOrEqual(12);
  });
});
