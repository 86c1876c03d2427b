/** @file LeRobotDatasets in the eyes of others: Apache Arrow's Parquet reader in Rust, ffprobe, and the numbers of LeRobot's own code. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { readParquet } from "parquet-wasm";
import { describe, expect, it } from "vitest";
import { decodeImage, frameAt } from "../../../src/data/image.ts";
import { writeLerobot } from "../../../src/data/lerobot/writer.ts";
import { describeNeeding, ffmpeg } from "../../needing.ts";
import { counterEpisode, movingFrames } from "./episodes.ts";
import { newFolder, readAll } from "./folders.ts";

const fps = 10;

interface ArrowTable {
  readonly types: Readonly<Record<string, string>>;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly facts: ReadonlyMap<string, string>;
}

function arrowTable(file: string): ArrowTable {
  const table = tableFromIPC(readParquet(readFileSync(file)).intoIPCStream());
  return {
    types: Object.fromEntries(table.schema.fields.map(({ name, type }) => [name, String(type)])),
    rows: table.toArray().map((row) => (row as { toJSON(): Record<string, unknown> }).toJSON()),
    facts: table.schema.metadata,
  };
}

const numbers = (cell: unknown): number[] => Array.from(cell as Iterable<number>);

describe("an independent Parquet reader", () => {
  it("finds LeRobot's columns, types and values in the frames' table", async () => {
    const folder = newFolder();
    const episode = counterEpisode("a", 4, { terminated: true, truncated: false });
    await writeLerobot(folder, [episode], { fps, camera: "front" });
    const { types, rows, facts } = arrowTable(join(folder, "data/chunk-000/file-000.parquet"));
    expect(types).toEqual({
      "observation.images.front": "Struct<{bytes:Binary, path:Utf8}>",
      "observation.state": "List<Float32>",
      action: "Float32",
      "next.reward": "Float32",
      "next.done": "Bool",
      "next.terminated": "Bool",
      "next.truncated": "Bool",
      timestamp: "Float32",
      frame_index: "Int64",
      episode_index: "Int64",
      index: "Int64",
      task_index: "Int64",
    });
    expect(rows.map((row) => numbers(row["observation.state"]))).toEqual([
      [0, -1],
      [1, -3],
      [2, -5],
      [3, -7],
    ]);
    expect(rows.map((row) => row["next.done"])).toEqual([false, false, false, true]);
    const picture = rows[2]["observation.images.front"] as { bytes: Uint8Array; path: string };
    expect(await decodeImage(new Uint8Array(picture.bytes))).toEqual(frameAt(episode.frames, 2));
    expect(picture.path).toBe("frame-000002.png");
    const { info } = JSON.parse(facts.get("huggingface") ?? "") as {
      info: { features: Record<string, unknown> };
    };
    expect(info.features).toMatchObject({
      "observation.images.front": { _type: "Image" },
      "observation.state": { feature: { dtype: "float32", _type: "Value" }, length: 2, _type: "Sequence" },
      action: { dtype: "float32", _type: "Value" },
    });
  });

  it("finds the episodes with their places and statistics, and the tasks as pandas indexes them", async () => {
    const folder = newFolder();
    await writeLerobot(folder, [counterEpisode("a", 4), counterEpisode("b", 6)], { fps });
    const { types, rows } = arrowTable(join(folder, "meta/episodes/chunk-000/file-000.parquet"));
    expect(rows.map((row) => [row.length, row.dataset_from_index, row.dataset_to_index])).toEqual([
      [4n, 0n, 4n],
      [6n, 4n, 10n],
    ]);
    expect(rows.map((row) => [...(row.tasks as Iterable<string>)])).toEqual([["Counter-v0"], ["Counter-v0"]]);
    expect(types["stats/observation.images.front/mean"]).toBe("List<List<List<Float64>>>");
    expect(types["stats/action/count"]).toBe("List<Int64>");
    expect(numbers(rows[1]["stats/next.reward/max"])).toEqual([6]);
    expect(numbers(rows[1]["stats/observation.state/min"])).toEqual([0, -11]);
    const tasks = arrowTable(join(folder, "meta/tasks.parquet"));
    expect(tasks.rows).toEqual([{ task_index: 0n, task: "Counter-v0" }]);
    expect(JSON.parse(tasks.facts.get("pandas") ?? "")).toMatchObject({ index_columns: ["task"] });
  });
});

describeNeeding(ffmpeg, "videos", () => {
  const probe = (file: string, entries: string): string =>
    spawnSync("ffprobe", ["-v", "error", "-show_entries", entries, "-of", "csv=p=0", file]).stdout.toString();

  it("are H.264 of every frame at its time, in the eyes of ffprobe", async () => {
    const folder = newFolder();
    await writeLerobot(folder, [counterEpisode("a", 4), counterEpisode("b", 6)], {
      fps: 30,
      images: "video",
    });
    const file = join(folder, "videos/observation.images.front/chunk-000/file-000.mp4");
    expect(probe(file, "stream=codec_name,width,height,pix_fmt,avg_frame_rate,nb_frames").trim()).toBe(
      "h264,16,16,yuv420p,30/1,10",
    );
    const times = probe(file, "packet=pts_time").trim().split("\n").map(Number.parseFloat);
    times.forEach((seconds, t) => expect(Math.abs(seconds - t / 30)).toBeLessThan(1e-4));
    const keys = probe(file, "packet=flags").trim().split("\n");
    expect(keys.map((flags) => flags.startsWith("K"))).toEqual(keys.map((_, t) => t % 2 === 0));
  });

  it("give back episodes with everything exact but the frames, and those alike", async () => {
    const folder = newFolder();
    const episodes = [5, 9, 3].map((steps, i) => ({
      ...counterEpisode(`e${i}`, steps, { terminated: i === 1, truncated: i !== 1 }),
      frames: movingFrames(steps + 1, 32, i),
      extras: { "observation/rear": movingFrames(steps + 1, 32, i + 5) },
    }));
    await writeLerobot(folder, episodes, { fps, images: "video" });
    const read = await readAll(folder);
    for (const [i, episode] of episodes.entries()) {
      const { frames, extras, ...rest } = read[i];
      expect({ ...episode, frames, extras }).toEqual({ ...rest, frames, extras });
      expect(meanError(frames.data, episode.frames.data)).toBeLessThan(6);
      const rear = extras?.["observation/rear"].data as Uint8Array;
      expect(meanError(rear, episode.extras["observation/rear"].data)).toBeLessThan(6);
      // The last observation is beside the video, as a PNG.
      expect(frameAt(frames, frames.shape[0] - 1)).toEqual(frameAt(episode.frames, frames.shape[0] - 1));
    }
  });

  it("begin a new file before one grows too large, and are found again in any order", async () => {
    const folder = newFolder();
    const episodes = Array.from({ length: 5 }, (_, i) => counterEpisode(`e${i}`, 20));
    await writeLerobot(folder, episodes, { fps, images: "video", videoFileMegabytes: 0.004 });
    const { openLerobot } = await import("../../../src/data/lerobot/reader.ts");
    const dataset = await openLerobot(folder);
    const files = new Set(dataset.metadata.episodes.map(({ videos }) => Object.values(videos)[0].path));
    expect(files.size).toBeGreaterThan(1);
    for (const i of [4, 1, 0, 2])
      expect(meanError((await dataset.episode(i)).frames.data, episodes[i].frames.data)).toBeLessThan(8);
    await dataset.close();
  });

  it("of odd pictures or of rates that do not divide their clock are refused", async () => {
    const odd = { ...counterEpisode("a", 2), frames: movingFrames(3, 15) };
    await expect(writeLerobot(newFolder(), [odd], { fps, images: "video" })).rejects.toThrow(
      /cannot be stored as video/,
    );
    const even = counterEpisode("a", 2);
    await expect(writeLerobot(newFolder(), [even], { fps: 7, images: "video" })).rejects.toThrow(
      /divide 90000/,
    );
  });
});

function meanError(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}
