/** @file LeRobotDatasets written and read here: everything that an episode holds comes back. */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { assert, asyncProperty, boolean, integer, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { float32, ndarray, zeros } from "../../../src/core/ndarray.ts";
import type { Episode } from "../../../src/data/episode.ts";
import { openLerobot } from "../../../src/data/lerobot/reader.ts";
import { openLerobotWriter, writeLerobot } from "../../../src/data/lerobot/writer.ts";
import { counterEpisode, movingFrames } from "./episodes.ts";
import { newFolder, readAll } from "./folders.ts";

const fps = 10;

describe("a data set with pictures in its tables", () => {
  it("gives back every episode exactly", async () => {
    const folder = newFolder();
    const episodes = [
      counterEpisode("a", 5, { terminated: true, truncated: false }),
      counterEpisode("b", 1, { terminated: true, truncated: true }),
      counterEpisode("c", 7, { terminated: false, truncated: false }),
    ];
    await writeLerobot(folder, episodes, { fps });
    expect(await readAll(folder)).toEqual(episodes);
  });

  it("gives back any episode exactly, whatever its shapes and ends", async () => {
    const shapes = record({
      steps: integer({ min: 1, max: 4 }),
      size: integer({ min: 0, max: 5 }),
      width: integer({ min: 0, max: 3 }),
      actions: integer({ min: 1, max: 3 }),
      terminated: boolean(),
      truncated: boolean(),
    });
    await assert(
      asyncProperty(shapes, async ({ steps, size, width, actions, terminated, truncated }) => {
        const folder = newFolder();
        const episode: Episode = {
          id: "any",
          meta: {},
          frames: movingFrames(steps + 1, size),
          states: float32(new Float32Array((steps + 1) * width).fill(0.1), [steps + 1, width]),
          actions: float32(new Float32Array(steps * actions).fill(-0.3), [steps, actions]),
          rewards: float32(new Float32Array(steps).fill(1e-30)),
          terminated,
          truncated,
        };
        await writeLerobot(folder, [episode], { fps });
        expect(await readAll(folder)).toEqual([episode]);
      }),
      { numRuns: 6 },
    );
  });

  it("gives back extras of every type, those of observations with their last row", async () => {
    const folder = newFolder();
    const steps = 3;
    const extras = {
      commanded: float32([0.1, 0.2, 0.3], [steps, 1]),
      stepMs: ndarray("float64", [steps], Float64Array.of(1.5, NaN, 2)),
      "observation/left": movingFrames(steps + 1, 6, 3),
      "observation/imu": ndarray(
        "int16",
        [steps + 1, 2, 2],
        Int16Array.from({ length: 16 }, (_, i) => i - 8),
      ),
      big: ndarray("uint64", [steps], BigUint64Array.of(0n, 2n ** 64n - 1n, 2n ** 63n)),
      small: ndarray("int64", [steps], BigInt64Array.of(-(2n ** 63n), -1n, 2n ** 62n)),
      bits: ndarray("bool", [steps, 3], Uint8Array.of(1, 0, 1, 0, 0, 1, 1, 1, 0)),
      bytes: ndarray("uint8", [steps], Uint8Array.of(0, 200, 255)),
      words: ndarray("uint32", [steps], Uint32Array.of(0, 4_000_000_000, 1)),
      shorts: ndarray("int8", [steps, 1, 1], Int8Array.of(-128, 127, 0)),
    };
    const episode = { ...counterEpisode("x", steps), extras };
    await writeLerobot(folder, [episode], { fps });
    const [read] = await readAll(folder);
    expect(read).toEqual(episode);
  });

  it("stores the action taken in a frame beside that frame", async () => {
    const folder = newFolder();
    await writeLerobot(folder, [counterEpisode("a", 6), counterEpisode("b", 4)], { fps });
    const dataset = await openLerobot(folder);
    const { readParquet } = await import("../../../src/data/parquet.ts");
    const rows = await readParquet(join(folder, dataset.metadata.episodes[0].dataPath));
    await dataset.close();
    expect(rows).toHaveLength(10);
    rows.forEach((row, i) => {
      const t = i < 6 ? i : i - 6;
      // The counter shows t, the action adds one, and the reward is what it led to.
      expect((row["observation.state"] as number[])[0]).toBe(t);
      expect(row.action).toBeCloseTo((t + 1) / 100);
      expect(row["next.reward"]).toBe(t + 1);
      expect(row.timestamp).toBeCloseTo(t / fps);
      expect([row.frame_index, row.index, row.episode_index]).toEqual([t, i, i < 6 ? 0 : 1].map(BigInt));
      expect(row["next.done"]).toBe(i === 5 || i === 9);
    });
  });

  it("names tasks, once each", async () => {
    const folder = newFolder();
    const writer = openLerobotWriter(folder, { fps });
    await writer.add(counterEpisode("a", 2), "count up");
    await writer.add(counterEpisode("b", 2), "count down");
    await writer.add(counterEpisode("c", 2), "count up");
    await writer.finish();
    const { metadata, info } = await openLerobot(folder);
    expect(metadata.tasks).toEqual(["count up", "count down"]);
    expect(metadata.episodes.map(({ tasks }) => tasks)).toEqual([["count up"], ["count down"], ["count up"]]);
    expect(info.total_tasks).toBe(2);
  });

  it("spreads over files and folders by size, and reads across them in any order", async () => {
    const folder = newFolder();
    const episodes = Array.from({ length: 7 }, (_, i) => counterEpisode(`e${i}`, 12 + i));
    await writeLerobot(folder, episodes, { fps, dataFileMegabytes: 0.006, filesPerChunk: 2 });
    const files = readdirSync(join(folder, "data"), { recursive: true, encoding: "utf8" });
    expect(files.filter((name) => name.endsWith(".parquet")).length).toBeGreaterThan(3);
    expect(existsSync(join(folder, "data/chunk-001/file-001.parquet"))).toBe(true);
    const dataset = await openLerobot(folder);
    for (const i of [6, 0, 3, 2, 3]) expect(await dataset.episode(i)).toEqual(episodes[i]);
    await dataset.close();
  });

  it("leaves no other file behind than those of the format and its own folder", async () => {
    const folder = newFolder();
    await writeLerobot(folder, [counterEpisode("a", 2)], { fps });
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
      /\.\w+$/.test(name),
    );
    expect(files.toSorted()).toEqual([
      "data/chunk-000/file-000.parquet",
      "meta/episodes/chunk-000/file-000.parquet",
      "meta/info.json",
      "meta/stats.json",
      "meta/tasks.parquet",
      "reverie/episodes.parquet",
      "reverie/manifest.json",
    ]);
    const info = JSON.parse(readFileSync(join(folder, "meta/info.json"), "utf8")) as Record<string, unknown>;
    expect(info).toMatchObject({ codebase_version: "v3.0", total_frames: 2, video_path: null });
  });
});

describe("what cannot be written", () => {
  const write = (episodes: Episode[], options = { fps }): Promise<unknown> =>
    writeLerobot(newFolder(), episodes, options);

  it.each([
    ["a fractional rate", [counterEpisode("a", 2)], { fps: 12.5 }, /whole number of frames per second/],
    ["nothing", [], { fps }, /no episode/],
    [
      "episodes with other features",
      [counterEpisode("a", 2), { ...counterEpisode("b", 2), states: zeros("float32", [3, 5]) }],
      { fps },
      /"b" has other features[^]*observation\.state float32 \[2\][^]*observation\.state float32 \[5\]/,
    ],
    [
      "two arrays of one feature name",
      [{ ...counterEpisode("a", 2), extras: { "observation/state": zeros("float32", [3, 1]) } }],
      { fps },
      /two arrays are the feature "observation.state"/,
    ],
  ])("refuses %s", async (_, episodes, options, message) => {
    await expect(write(episodes, options)).rejects.toThrow(message);
  });

  it("refuses a folder that holds something", async () => {
    const folder = newFolder();
    await writeLerobot(folder, [counterEpisode("a", 2)], { fps });
    await expect(writeLerobot(folder, [counterEpisode("a", 2)], { fps })).rejects.toThrow(/is not empty/);
  });
});
