/** @file LeRobotDatasets from elsewhere: v2.1's layout, tables of another writer, units of a real robot, and no last observation. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  Bool,
  Field,
  FixedSizeList,
  Float32,
  Int64,
  Utf8,
  Table as ArrowTable,
  tableToIPC,
  vectorFromArray,
} from "apache-arrow";
import type { DataType } from "apache-arrow";
import { Compression, Table, WriterPropertiesBuilder, writeParquet } from "parquet-wasm";
import { describe, expect, it } from "vitest";
import { openLerobot } from "../../../src/data/lerobot/reader.ts";
import { newFolder, readAll } from "./folders.ts";

type Column = readonly [type: DataType, values: readonly unknown[]];

const pair = new FixedSizeList(2, new Field("item", new Float32(), true));

/** A table by Apache Arrow's writer in Rust. */
function writeTable(file: string, columns: Readonly<Record<string, Column>>, compression: Compression): void {
  const vectors = Object.entries(columns).map(([name, [type, values]]) => [
    name,
    vectorFromArray(values, type),
  ]);
  const table = new ArrowTable(
    Object.fromEntries(vectors) as Record<string, ReturnType<typeof vectorFromArray>>,
  );
  const properties = new WriterPropertiesBuilder().setCompression(compression).build();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, writeParquet(Table.fromIPCStream(tableToIPC(table, "stream")), properties));
}

function writeText(folder: string, path: string, text: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const scalar = (dtype: string): object => ({ dtype, shape: [1], names: null });
const vector = { dtype: "float32", shape: [2], names: ["shoulder", "elbow"] };
const features = {
  "observation.state": vector,
  action: vector,
  "next.reward": scalar("float32"),
  "next.done": scalar("bool"),
  "next.success": scalar("bool"),
  timestamp: scalar("float32"),
  frame_index: scalar("int64"),
  episode_index: scalar("int64"),
  index: scalar("int64"),
  task_index: scalar("int64"),
};

const int64 = new Int64();

/** Frames of an episode: actions are degrees, -90 … 90 over the data set. */
function framesOf(episode: number, length: number, first: number): Record<string, Column> {
  const rows = Array.from({ length }, (_, t) => t);
  const flags = rows.map((t) => t === length - 1 && episode === 0);
  return {
    "observation.state": [pair, rows.map((t) => [episode * 100 + t, 9 - t])],
    action: [pair, rows.map((t) => [t === 0 ? -90 : 90, 45])],
    "next.reward": [new Float32(), rows.map((t) => t / 2)],
    "next.done": [new Bool(), flags],
    "next.success": [new Bool(), flags],
    timestamp: [new Float32(), rows.map((t) => t / 30)],
    frame_index: [int64, rows.map(BigInt)],
    episode_index: [int64, rows.map(() => BigInt(episode))],
    index: [int64, rows.map((t) => BigInt(first + t))],
    task_index: [int64, rows.map(() => BigInt(episode))],
  };
}

const range = { min: [-90, 45], max: [90, 45], mean: [0, 45], std: [90, 0], count: [3] };

function baseInfo(version: string, more: object): string {
  return JSON.stringify({
    codebase_version: version,
    robot_type: "so100",
    total_episodes: 2,
    total_frames: 5,
    total_tasks: 2,
    chunks_size: 1000,
    fps: 30,
    splits: { train: "0:2" },
    features,
    ...more,
  });
}

function writeLegacy(): string {
  const folder = newFolder();
  const data_path = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet";
  const video_path = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4";
  const info = baseInfo("v2.1", { data_path, video_path, total_videos: 0, total_chunks: 1 });
  writeText(folder, "meta/info.json", info);
  const lines = (values: object[]): string => `${values.map((value) => JSON.stringify(value)).join("\n")}\n`;
  const episode = (index: number, length: number, task: string): object => ({
    episode_index: index,
    tasks: [task],
    length,
  });
  writeText(folder, "meta/episodes.jsonl", lines([episode(0, 3, "lift"), episode(1, 2, "drop")]));
  const tasks = ["lift", "drop"].map((task, i) => ({ task_index: i, task }));
  writeText(folder, "meta/tasks.jsonl", lines(tasks));
  const stats = [0, 1].map((index) => ({ episode_index: index, stats: { action: range } }));
  writeText(folder, "meta/episodes_stats.jsonl", lines(stats));
  const table = (index: number): string => join(folder, `data/chunk-000/episode_00000${index}.parquet`);
  writeTable(table(0), framesOf(0, 3, 0), Compression.ZSTD);
  writeTable(table(1), framesOf(1, 2, 3), Compression.GZIP);
  return folder;
}

/** v3.0 as LeRobot's converter leaves it: all episodes in one row group, no statistics of quantiles, fixed-size lists. */
function writeConverted(): string {
  const folder = newFolder();
  const data_path = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";
  writeText(folder, "meta/info.json", baseInfo("v3.0", { data_path, video_path: null }));
  writeText(
    folder,
    "meta/stats.json",
    JSON.stringify({ action: range }).replace('"count":[3]', '"count":[3],"q01":NaN'),
  );
  const [first, second] = [framesOf(0, 3, 0), framesOf(1, 2, 3)];
  const all = Object.entries(first).map(([name, [type, values]]) => [
    name,
    [type, [...values, ...second[name][1]]],
  ]);
  writeTable(
    join(folder, "data/chunk-000/file-000.parquet"),
    Object.fromEntries(all) as Record<string, Column>,
    Compression.SNAPPY,
  );
  const tasks: Record<string, Column> = {
    task_index: [int64, [0n, 1n]],
    __index_level_0__: [new Utf8(), ["lift", "drop"]],
  };
  writeTable(join(folder, "meta/tasks.parquet"), tasks, Compression.SNAPPY);
  const zeros: Column = [int64, [0n, 0n]];
  const episodes: Record<string, Column> = {
    episode_index: [int64, [0n, 1n]],
    length: [int64, [3n, 2n]],
    dataset_from_index: [int64, [0n, 3n]],
    dataset_to_index: [int64, [3n, 5n]],
    "data/chunk_index": zeros,
    "data/file_index": zeros,
  };
  writeTable(join(folder, "meta/episodes/chunk-000/file-000.parquet"), episodes, Compression.SNAPPY);
  return folder;
}

describe.each([
  ["v2.1", writeLegacy],
  ["v3.0", writeConverted],
])("a data set %s by another writer", (_, write) => {
  it("is read with every action, reward and end, the last observation once more", async () => {
    const [lift, drop] = await readAll(write());
    expect(lift.states.shape).toEqual([4, 2]);
    expect([...lift.states.data]).toEqual([0, 9, 1, 8, 2, 7, 2, 7]);
    expect([...lift.rewards.data]).toEqual([0, 0.5, 1]);
    expect(lift).toMatchObject({ id: "episode-000000", terminated: true, truncated: false });
    expect(drop).toMatchObject({ id: "episode-000001", terminated: false, truncated: true });
    expect(lift.meta).toMatchObject({ rateHz: 30, robotType: "so100", lastObservation: "repeated" });
    expect([...lift.extras!["next.success"].data]).toEqual([0, 0, 1]);
  });

  it("is read without the last step where that is wanted, and then nothing is made up", async () => {
    const [lift] = await readAll(write(), { lastObservation: "drop" });
    expect([...lift.states.data]).toEqual([0, 9, 1, 8, 2, 7]);
    expect([...lift.rewards.data]).toEqual([0, 0.5]);
    expect(lift).toMatchObject({ terminated: false, truncated: true });
    expect(lift.meta.lastObservation).toBe("dropped");
  });

  it("has its actions in [-1, 1], and says which units those are", async () => {
    const [lift] = await readAll(write());
    expect([...lift.actions.data]).toEqual([-1, 0, 1, 0, 1, 0]);
    expect(lift.meta).toMatchObject({ actionLow: [-90, 45], actionHigh: [90, 45] });
  });

  it("tells its tasks", async () => {
    const dataset = await openLerobot(write());
    expect(dataset.metadata.tasks).toEqual(["lift", "drop"]);
    await dataset.close();
  });
});
