/** @file A sweep over a real server and three worker processes ends as the same sweep on one machine, whatever is killed. */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { openNatsHub } from "../../../src/experiment/machines/nats-hub.ts";
import { makeMemoryHub } from "../../../src/experiment/machines/memory-hub.ts";
import type { Hub } from "../../../src/experiment/machines/hub.ts";
import { packJson } from "../../../src/experiment/machines/hub.ts";
import { openWork, placeOf } from "../../../src/experiment/machines/work.ts";
import { joinHub } from "../../../src/experiment/machines/worker.ts";
import { readSweep, resumeConfig, runConfig } from "../../../src/experiment/sweep/sweep.ts";
import type { SweepResult } from "../../../src/experiment/sweep/sweep.ts";
import { describeNeeding, natsServer } from "../../needing.ts";
import { fake } from "../fake.ts";
import { folderOf, newFolder, quiet, thrownBy } from "../folders.ts";
import { startNats } from "./nats-server.ts";
import { startWorker } from "./workers.ts";

const identity = { reverie: "0", code: "test" };
const options = { experiments: { fake }, handleSignals: false } as const;
const at = (hub: string | Hub) => ({ hub, identity, leaseSeconds: 2 });
const sweep =
  "experiment: fake\nsweep: { grid: { train.rate: [0.1, 0.3, 0.5], train.poisonAt: [2, 99] }, metric: train/loss }\n";
const overrides = ["train.steps=60", "train.checkpointEvery=5", "train.stepMs=20"];

const yamlOf = (): string => join(folderOf({ "tiny.yaml": sweep }), "tiny.yaml");

/** What every run found, without times. */
function results(folder: string): Record<string, string> {
  const runs = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return Object.fromEntries(
    runs.map(({ name }) => {
      const metrics = readFileSync(join(folder, name, "metrics.jsonl"), "utf8");
      return [name, metrics.replace(/"time":[\d.]+,/g, "")];
    }),
  );
}

describeNeeding(natsServer, "a sweep with workers", () => {
  it(
    "survives a killed worker and a restarted server: every run once, to the same results",
    { timeout: 60_000 },
    async () => {
      const [server, yaml, local, spread] = [await startNats(), yamlOf(), newFolder(), newFolder()];
      const workers = [1, 2, 3].map(() => startWorker("fake-worker.ts", [server.url]));
      const output = quiet();
      const done = runConfig(yaml, overrides, {
        ...options,
        workers: at(server.url),
        runDir: join(spread, "s"),
        output,
      });
      await runConfig(yaml, [...overrides, "train.stepMs=0"], {
        ...options,
        runDir: join(local, "s"),
        output: quiet(),
      });
      // Whoever is first: under load a worker may come too late for any run that lasts.
      const victim = await Promise.race(
        workers.map(async (worker) => {
          await worker.printed(/=== \d+-rate=0\.\d-poisonAt=99[^]*\n/);
          return worker;
        }),
      );
      await new Promise((resolve) => {
        setTimeout(resolve, 300);
      });
      await victim.kill();
      await server.restart();
      const result = (await done) as SweepResult;
      expect(result.runs).toHaveLength(3);
      expect(Object.keys(result.failed)).toHaveLength(3);
      expect(results(join(spread, "s"))).toEqual(results(join(local, "s")));
      expect(readSweep(join(spread, "s"))).toEqual(readSweep(join(local, "s")));
      expect(output.text.match(/: (done|failed)/g)).toHaveLength(6);
      expect(workers.map((worker) => worker.text()).join("")).toContain("(attempt 2)");
      expect(readFileSync(join(spread, "s", "comparison.html"), "utf8")).toContain("rate=0.5");
      const hub = await openNatsHub(server.url);
      expect(await (await openWork(hub)).keys()).toEqual([]);
      await hub.close();
      await server.kill();
    },
  );
});

describe.concurrent("a sweep with a worker at the same hub", () => {
  const settings = { experiments: { fake }, identity, output: quiet(), handleSignals: false } as const;

  it("stopped at the launcher goes on at the workers, and a resume collects it", async () => {
    const [hub, folder] = [makeMemoryHub(), join(newFolder(), "s")];
    const [stop, stopWorker] = [new AbortController(), new AbortController()];
    const own = { ...options, workers: at(hub) };
    const worker = joinHub(hub, { ...settings, signal: stopWorker.signal });
    const output = quiet();
    const begun = runConfig(yamlOf(), ["train.steps=6"], {
      ...own,
      runDir: folder,
      signal: stop.signal,
      output: {
        write(part: string) {
          output.write(part);
          if (part.includes("done")) stop.abort();
        },
      },
    });
    expect((await thrownBy(() => begun)).message).toContain(`reverie resume ${folder} --workers`);
    const result = (await resumeConfig(folder, { ...own, output: quiet() })) as SweepResult;
    expect(result.runs).toHaveLength(3);
    stopWorker.abort();
    await worker;
  });

  it("stopped at the worker is saved and goes on at another from there", async () => {
    const [hub, folder] = [makeMemoryHub(), join(newFolder(), "s")];
    const one = join(
      folderOf({ "one.yaml": "experiment: fake\nsweep: { seeds: [4], metric: train/loss }\n" }),
      "one.yaml",
    );
    const done = runConfig(one, overrides, {
      ...options,
      workers: at(hub),
      runDir: folder,
      output: quiet(),
    });
    const stop = new AbortController();
    const first = quiet();
    const stopping = {
      write(part: string) {
        first.write(part);
        if (part.includes("[2/3] train")) setTimeout(() => stop.abort(), 200);
      },
    };
    await joinHub(hub, { ...settings, output: stopping, signal: stop.signal });
    expect(first.text).toContain("worker stopped");
    const second = quiet();
    await joinHub(hub, { ...settings, output: second, idleSeconds: 0 });
    await done;
    expect(second.text).toContain("collect: done before");
    expect(readFileSync(join(folder, "0-seed=4", "metrics.jsonl"), "utf8").match(/"train"/g)).toHaveLength(
      60,
    );
  });

  it("is refused by a worker that runs another program, or makes another config of it", async () => {
    const [hub, stop] = [makeMemoryHub(), new AbortController()];
    const own = { ...options, workers: at(hub), signal: stop.signal, output: quiet() };
    const begun = thrownBy(() => runConfig(yamlOf(), [], { ...own, runDir: join(newFolder(), "s") }));
    const joined = (other: object): Promise<Error> =>
      thrownBy(() => joinHub(hub, { ...settings, ...other, idleSeconds: 3 }));
    while ((await (await openWork(hub)).keys()).length === 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    }
    const program = await joined({ identity: { reverie: "0", code: "other" } });
    expect(program.message).toMatch(/\[VERSION_MISMATCH\][^]*s on [^]*code test[^]*code other/);
    const longer = fake.schema.transform((config) => ({ ...config, seed: 9 }));
    const config = await joined({ experiments: { fake: { ...fake, schema: longer } } });
    expect(config.message).toMatch(/\[VERSION_MISMATCH\] run \S+ has another config/);
    stop.abort();
    expect((await begun).message).toContain("INTERRUPTED");
  });

  it("of runs that take every worker with them gives up after five", async () => {
    const [hub, folder] = [makeMemoryHub(), join(newFolder(), "s")];
    const own = { ...options, workers: at(hub), output: quiet() };
    const done = runConfig(yamlOf(), [], { ...own, runDir: folder });
    await vi.waitFor(async () => expect(await (await openWork(hub)).keys()).toHaveLength(1));
    const [id] = await (await openWork(hub)).keys();
    const records = await hub.records(placeOf(id));
    for (let i = 0; i < 5; i++) await records.set(`begun-${i}`, packJson({ by: "a lost one", times: 5 }));
    await joinHub(hub, { ...settings, idleSeconds: 0 });
    const { failed, runs } = (await done) as SweepResult;
    expect(Object.values(failed)).toEqual(Array.from({ length: 5 }, () => "5 workers were lost at it"));
    expect(runs).toHaveLength(1);
  });
});
