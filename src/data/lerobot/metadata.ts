/** @file What a LeRobotDataset says of its episodes and tasks: v3.0's tables, v2.1's lines of JSON, and what stands beside them. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { failStorage } from "../../core/storage.ts";
import { corruptFile, readParquet } from "../parquet.ts";
import type { ParquetRow } from "../parquet.ts";
import type { LerobotInfo } from "./info.ts";
import { cameraKeys, fillPath, paths, readJson } from "./info.ts";
import { checkHash } from "./series.ts";
import type { DatasetStats, FeatureStats } from "./stats.ts";
import { joinStats, statNames } from "./stats.ts";

/** Part of a video that belongs to an episode. */
export interface VideoPart {
  /** Path in the data set. */
  readonly path: string;
  /** Seconds from the file's beginning. */
  readonly from: number;
}

/** Where one episode is. */
export interface EpisodeEntry {
  readonly index: number;
  readonly length: number;
  readonly tasks: readonly string[];
  /** Number of its first frame in the data set. */
  readonly firstFrame: number;
  /** Path of its table in the data set. */
  readonly dataPath: string;
  readonly videos: Readonly<Record<string, VideoPart>>;
}

/** What stands beside the format: the last observation and what else an episode is. */
export interface EndEntry {
  readonly id: string;
  readonly meta: Record<string, unknown>;
  readonly terminated: boolean;
  readonly truncated: boolean;
  /** Cells of the last observation by feature. */
  readonly last: ParquetRow;
}

/** Everything but the frames. */
export interface LerobotMetadata {
  readonly episodes: readonly EpisodeEntry[];
  /** By number. */
  readonly tasks: readonly string[];
  /** Undefined where the data set has none. */
  readonly stats: DatasetStats | undefined;
  /** SHA-256 and size of each file, for data sets written here. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

const whole = (value: unknown): number => Number(value);

function videosOf(row: ParquetRow, keys: readonly string[], template: string): Record<string, VideoPart> {
  const entries = keys.map((key): [string, VideoPart] => {
    const fields = {
      video_key: key,
      chunk_index: whole(row[`videos/${key}/chunk_index`]),
      file_index: whole(row[`videos/${key}/file_index`]),
    };
    return [key, { path: fillPath(template, fields), from: Number(row[`videos/${key}/from_timestamp`]) }];
  });
  return Object.fromEntries(entries);
}

function parquetFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => /(^|[\\/])[^.][^\\/]*\.parquet$/.test(name))
    .toSorted()
    .map((name) => join(folder, name));
}

async function currentEpisodes(folder: string, info: LerobotInfo): Promise<EpisodeEntry[]> {
  const videoKeys = cameraKeys(info).filter((key) => info.features[key].dtype === "video");
  const entries: EpisodeEntry[] = [];
  for (const file of parquetFiles(join(folder, "meta", "episodes"))) {
    for (const row of await readParquet(file, (name) => !name.startsWith("stats/"))) {
      const fields = {
        chunk_index: whole(row["data/chunk_index"]),
        file_index: whole(row["data/file_index"]),
      };
      entries.push({
        index: whole(row.episode_index),
        length: whole(row.length),
        tasks: (row.tasks ?? []) as string[],
        firstFrame: whole(row.dataset_from_index),
        dataPath: fillPath(info.data_path, fields),
        videos: videosOf(row, videoKeys, info.video_path ?? paths.video),
      });
    }
  }
  return entries.toSorted((a, b) => a.index - b.index);
}

/** Objects of a file of JSON lines. @throws CORRUPT_FILE naming the line, IO_FAILED */
async function readLines<T>(file: string, schema: z.ZodType<T>): Promise<T[]> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => failStorage(file, cause));
  const values: T[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    try {
      values.push(schema.parse(JSON.parse(line)));
    } catch (cause) {
      corruptFile(`${file}, line ${i + 1}`, (cause as Error).message, cause);
    }
  }
  return values;
}

const legacyEpisode = z.looseObject({
  episode_index: z.int(),
  tasks: z.array(z.string()).default([]),
  length: z.int().min(1),
});

/** @source huggingface/lerobot 7427f31, src/lerobot/scripts/convert_dataset_v21_to_v30.py */
async function legacyEpisodes(folder: string, info: LerobotInfo): Promise<EpisodeEntry[]> {
  const videoKeys = cameraKeys(info).filter((key) => info.features[key].dtype === "video");
  const lines = await readLines(join(folder, paths.legacyEpisodes), legacyEpisode);
  let firstFrame = 0;
  return lines
    .toSorted((a, b) => a.episode_index - b.episode_index)
    .map(({ episode_index: index, tasks, length }) => {
      const fields = { episode_chunk: Math.floor(index / info.chunks_size), episode_index: index };
      const video = (key: string): VideoPart => ({
        path: fillPath(info.video_path ?? "", { ...fields, video_key: key }),
        from: 0,
      });
      const entry: EpisodeEntry = {
        index,
        length,
        tasks,
        firstFrame,
        dataPath: fillPath(info.data_path, fields),
        videos: Object.fromEntries(videoKeys.map((key) => [key, video(key)])),
      };
      firstFrame += length;
      return entry;
    });
}

/** Numbers of a stored statistic, however nested; undefined when one is missing. */
function flatNumbers(value: unknown): number[] | undefined {
  const values = Array.isArray(value) ? (value.flat(Infinity) as unknown[]) : [value];
  return values.every((number) => typeof number === "number") ? values : undefined;
}

/** Statistics from JSON; a feature's that are incomplete are left out, quantiles may be missing (v2.1). */
function statsFrom(json: unknown): DatasetStats {
  const stats: Record<string, FeatureStats> = {};
  for (const [key, own] of Object.entries(json as Record<string, Record<string, unknown>>)) {
    const entries = statNames.map((name) => [name, flatNumbers(own[name] ?? own.mean)] as const);
    if (entries.every(([, values]) => values !== undefined))
      stats[key] = Object.fromEntries(entries) as unknown as FeatureStats;
  }
  return stats;
}

const legacyStats = z.looseObject({ episode_index: z.int(), stats: z.record(z.string(), z.looseObject({})) });

async function loadStats(folder: string, legacy: boolean): Promise<DatasetStats | undefined> {
  const file = join(folder, paths.stats);
  if (existsSync(file)) return statsFrom(await readJson(file));
  const lines = join(folder, paths.legacyStats);
  if (!legacy || !existsSync(lines)) return undefined;
  const perEpisode = await readLines(lines, legacyStats);
  return perEpisode.map(({ stats }) => statsFrom(stats)).reduce(joinStats, {});
}

const legacyTask = z.looseObject({ task_index: z.int(), task: z.string() });

async function loadTasks(folder: string, legacy: boolean): Promise<string[]> {
  const tasks: string[] = [];
  if (legacy) {
    for (const line of await readLines(join(folder, paths.legacyTasks), legacyTask))
      tasks[line.task_index] = line.task;
    return tasks;
  }
  const file = join(folder, paths.tasks);
  if (!existsSync(file)) return tasks;
  for (const row of await readParquet(file)) {
    // Older pandas leaves the index without a name.
    tasks[whole(row.task_index)] = String(row.task ?? row.__index_level_0__);
  }
  return tasks;
}

const manifestSchema = z.object({
  version: z.literal(1),
  files: z.record(z.string(), z.object({ bytes: z.int(), sha256: z.string() })),
});

/** Sizes and the hashes of `meta/` are compared at once, other hashes when a file is opened. */
async function loadManifest(folder: string): Promise<LerobotMetadata["files"]> {
  const file = join(folder, paths.manifest);
  if (!existsSync(file)) return {};
  const parsed = manifestSchema.safeParse(await readJson(file));
  if (!parsed.success) return corruptFile(file, z.prettifyError(parsed.error));
  for (const [path, { bytes, sha256 }] of Object.entries(parsed.data.files)) {
    const part = join(folder, path);
    const size = statSync(part, { throwIfNoEntry: false })?.size;
    if (size !== bytes)
      corruptFile(part, size === undefined ? "no such file" : `${size} bytes instead of ${bytes}`);
    if (path.startsWith("meta/")) await checkHash(part, sha256);
  }
  return parsed.data.files;
}

/** Read what describes the data set. @throws CORRUPT_FILE, IO_FAILED */
export async function loadMetadata(folder: string, info: LerobotInfo): Promise<LerobotMetadata> {
  const legacy = info.codebase_version === "v2.1";
  const files = await loadManifest(folder);
  const episodes = legacy ? await legacyEpisodes(folder, info) : await currentEpisodes(folder, info);
  const frames = episodes.reduce((sum, { length }) => sum + length, 0);
  const ordered = episodes.every(({ index }, i) => index === i);
  if (episodes.length !== info.total_episodes || frames !== info.total_frames || !ordered) {
    corruptFile(
      join(folder, "meta"),
      `${episodes.length} episodes with ${frames} frames, where info.json says ${info.total_episodes} with ${info.total_frames}`,
    );
  }
  const [tasks, stats] = [await loadTasks(folder, legacy), await loadStats(folder, legacy)];
  return { episodes, tasks, stats, files };
}

/** What stands beside the format, by episode; empty for a data set from elsewhere. @throws CORRUPT_FILE */
export function endFrom(row: ParquetRow): EndEntry {
  const last = Object.entries(row)
    .filter(([name]) => name.startsWith("last/"))
    .map(([name, cell]) => [name.slice("last/".length), cell]);
  return {
    id: String(row.id),
    meta: JSON.parse(String(row.meta)) as Record<string, unknown>,
    terminated: row.terminated === true,
    truncated: row.truncated === true,
    last: Object.fromEntries(last) as ParquetRow,
  };
}
