/** @file Training from a folder: which episodes are taken, where they go, and what is refused. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { float32 } from "../../../src/core/ndarray.ts";
import { loadEpisodes, saveEpisode } from "../../../src/data/episode-store.ts";
import type { Episode } from "../../../src/data/episode.ts";
import { writeLerobot } from "../../../src/data/lerobot/writer.ts";
import { drivingSchema } from "../../../src/experiment/driving/config.ts";
import { drivingTask } from "../../../src/experiment/driving/task.ts";
import { collect } from "../../../src/experiment/loop/stage-data.ts";
import { Workspace } from "../../../src/experiment/loop/workspace.ts";
import type { StageContext } from "../../../src/experiment/stages.ts";
import { digest, movingFrames } from "../../data/lerobot/episodes.ts";
import { newFolder } from "../../data/lerobot/folders.ts";

function episode(id: string, steps: number, meta: Record<string, unknown> = {}, size = 64): Episode {
  const filled = (rows: number, width: number, value: number): Episode["states"] =>
    float32(new Float32Array(rows * width).fill(value), [rows, width]);
  return {
    id,
    meta,
    frames: movingFrames(steps + 1, size),
    states: filled(steps + 1, 3, 0.5),
    actions: filled(steps, 2, -0.25),
    rewards: float32(new Float32Array(steps).fill(2)),
    terminated: id.endsWith("1"),
    truncated: !id.endsWith("1"),
  };
}

/** Run the collecting stage with `from`; returns the episodes of both splits and what was logged. */
async function collected(
  from: string,
  limits: { frames: number; validationEpisodes: number },
): Promise<{ train: Episode[]; validation: Episode[]; metrics: Record<string, number>; lines: string[] }> {
  const config = drivingSchema.parse({ experiment: "driving", name: "x", collect: { from, ...limits } });
  const path = mkdtempSync(join(tmpdir(), "run-"));
  const lines: string[] = [];
  let metrics: Record<string, number> = {};
  const work = new Workspace(
    drivingTask(config),
    config,
    { path, file: (...parts) => join(path, ...parts), log: () => undefined },
    0,
  );
  work.attach({
    signal: new AbortController().signal,
    log: (line: string) => void lines.push(line),
    progress: () => undefined,
    metrics: {
      rewind: () => undefined,
      log: (_: string, __: number, values: Record<string, number>) => void (metrics = values),
    },
  } as unknown as StageContext);
  await collect(work);
  const [train, validation] = await Promise.all(
    ["train", "validation"].map((split) => loadEpisodes(work.episodeFolder(split))),
  );
  return { train, validation, metrics, lines };
}

const ids = (episodes: readonly Episode[]): string[] => episodes.map(({ id }) => id);

describe("a run that trains from a LeRobotDataset", () => {
  it("takes its episodes exactly, training steps up to the limit, each split its own", async () => {
    const folder = newFolder();
    const all = [
      episode("train-0", 80, { split: "train", policy: "behaviour-stress" }),
      episode("validation-0", 5, { split: "validation" }),
      episode("test-0", 5, { split: "test" }),
      episode("train-1", 130, { split: "train" }),
      episode("train-2", 5, { split: "train" }),
    ];
    await writeLerobot(folder, all, { fps: 10 });
    const { train, validation, metrics } = await collected(folder, { frames: 200, validationEpisodes: 3 });
    expect(train.map(digest)).toEqual([all[0], all[3]].map(digest));
    expect(validation.map(digest)).toEqual([digest(all[1])]);
    expect(metrics).toEqual({ episodes: 2, crashes: 1, steps: 210, meanReturn: 210 });
  });

  it("holds out a tenth where nothing says what is for validation", async () => {
    const folder = newFolder();
    const all = Array.from({ length: 20 }, (_, i) => episode(`e${String(i).padStart(2, "0")}`, 2));
    await writeLerobot(folder, all, { fps: 10 });
    const { train, validation } = await collected(folder, { frames: 200, validationEpisodes: 32 });
    expect(ids(validation)).toEqual(["e18", "e19"]);
    expect(ids(train)).toEqual(ids(all.slice(0, 18)));
  });
});

describe("a run that trains from a folder of episodes", () => {
  it("takes them as they are", async () => {
    const folder = newFolder();
    for (const id of ["a", "b", "c"]) await saveEpisode(folder, episode(id, 3));
    const { train, validation } = await collected(folder, { frames: 200, validationEpisodes: 1 });
    expect([ids(train), ids(validation)]).toEqual([["a", "b"], ["c"]]);
  });

  it.each([
    ["another task's", [episode("a", 2, {}, 32)], /episode "a"[^]*frames \[64,64,3\][^]*frames \[32,32,3\]/],
    ["a single one", [episode("a", 2)], /too few episodes/],
  ])("refuses %s", async (_, all, message) => {
    const folder = newFolder();
    for (const one of all) await saveEpisode(folder, one);
    await expect(collected(folder, { frames: 200, validationEpisodes: 1 })).rejects.toThrow(message);
  });
});
