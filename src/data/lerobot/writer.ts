/** @file Writing a LeRobotDataset v3.0, one episode at a time; `meta/info.json` comes last, so that an unfinished one is seen. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { asError, fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { writeAtomically } from "../../core/storage.ts";
import type { Episode } from "../episode.ts";
import { checkEpisode, lengthOf } from "../episode.ts";
import { openParquetWriter } from "../parquet.ts";
import type { WrittenFile } from "../parquet.ts";
import {
  counted,
  dataRows,
  episodeStats,
  isPicture,
  pictureCell,
  spanCells,
  statCell,
  statsJson,
  videoInfo,
} from "./cells.ts";
import type { FeatureArray } from "./features.ts";
import { cellOf, defaultFeatures, featuresOf } from "./features.ts";
import type { Feature } from "./info.ts";
import { paths, writtenVersion } from "./info.ts";
import type { SeriesOptions, VideoSpan } from "./series.ts";
import { TableSeries, VideoSeries } from "./series.ts";
import type { DatasetStats } from "./stats.ts";
import { joinStats, statNames } from "./stats.ts";
import { dataColumns, dataFacts, endColumns, episodeColumns, taskColumns, taskFacts } from "./tables.ts";

/** How a data set is written. */
export interface LerobotWriterOptions {
  /** Frames per second, a whole number: a step lasts 1 / fps. */
  readonly fps: number;
  /** Name of the camera that `frames` come from: `observation.images.<camera>`. Default "front". */
  readonly camera?: string;
  /** "image" (default): PNG, exact. "video": H.264, smaller, not exact, colours at half resolution. */
  readonly images?: "image" | "video";
  /** Write the episodes' extras too; default true. All episodes must have the same. */
  readonly extras?: boolean;
  readonly robotType?: string;
  /** Largest table in megabytes; default 100. */
  readonly dataFileMegabytes?: number;
  /** Largest video in megabytes; default 200. */
  readonly videoFileMegabytes?: number;
  /** Files per folder; default 1000. */
  readonly filesPerChunk?: number;
}

type Settings = Required<Omit<LerobotWriterOptions, "robotType">> & {
  readonly robotType: string | undefined;
};

const megabyte = 1024 * 1024;

function settingsOf(options: LerobotWriterOptions): Settings {
  if (!Number.isInteger(options.fps) || options.fps < 1) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "a LeRobotDataset has a whole number of frames per second",
      expected: "an integer ≥ 1",
      got: String(options.fps),
    });
  }
  return {
    camera: "front",
    images: "image",
    extras: true,
    robotType: undefined,
    dataFileMegabytes: 100,
    videoFileMegabytes: 200,
    filesPerChunk: 1000,
    ...options,
  };
}

/** What the first episode settles for all. */
interface Layout {
  readonly features: Readonly<Record<string, Feature>>;
  readonly observed: Readonly<Record<string, Feature>>;
  readonly data: TableSeries;
  readonly episodes: TableSeries;
  readonly ends: TableSeries;
  readonly videos: ReadonlyMap<string, VideoSeries>;
}

function sameFeatures(id: string, layout: Layout, list: readonly FeatureArray[]): void {
  const own = Object.fromEntries(list.map(({ key, feature }) => [key, feature]));
  const [expected, got] = [layout.features, { ...own, ...defaultFeatures }].map((features) =>
    Object.entries(features).map(([key, { dtype, shape }]) => `${key} ${dtype} [${shape.join(", ")}]`),
  );
  const missing = expected.filter((text) => !got.includes(text));
  const added = got.filter((text) => !expected.includes(text));
  if (missing.length + added.length === 0) return;
  fail({
    code: "INVALID_SHAPE",
    what: `episode "${id}" has other features than those before it`,
    expected: missing.join("; ") || "nothing beside theirs",
    got: added.join("; ") || "none of these",
    fix: "write it to a data set of its own, or leave extras out",
  });
}

function taskOf({ meta: { task, env } }: Episode): string {
  if (typeof task === "string") return task;
  return typeof env === "string" ? env : "";
}

/** A LeRobotDataset that is being written. */
export class LerobotWriter {
  readonly folder: string;
  readonly #settings: Settings;
  readonly #tasks = new Map<string, number>();
  readonly #files: Record<string, WrittenFile> = {};
  #layout: Layout | undefined;
  #stats: DatasetStats = {};
  #episodes = 0;
  #frames = 0;

  constructor(folder: string, options: LerobotWriterOptions) {
    this.folder = folder;
    this.#settings = settingsOf(options);
  }

  /** Episodes so far. */
  get episodes(): number {
    return this.#episodes;
  }

  /** Frames (steps) so far. */
  get frames(): number {
    return this.#frames;
  }

  /**
   * Append an episode; `task` says what was to be done (default: its meta's `task`, or its environment's id).
   *
   * @throws INVALID_SHAPE when its features are not those of the episodes before, STORAGE_FULL, IO_FAILED
   */
  async add(episode: Episode, task?: string): Promise<void> {
    const list = featuresOf(checkEpisode(episode), this.#settings);
    this.#layout ??= this.#begin(list);
    const layout = this.#layout;
    sameFeatures(episode.id, layout, list);
    const rows = lengthOf(episode);
    const name = task ?? taskOf(episode);
    const taskIndex = this.#tasks.get(name) ?? this.#tasks.size;
    this.#tasks.set(name, taskIndex);
    const counters = this.#counters(rows, taskIndex);
    const stats = episodeStats([...list, ...counters], rows);
    const place = await layout.data.placeFor(rows);
    await layout.data.write(dataRows([...list, ...counters], rows), rows);
    const spans = new Map<string, VideoSpan>();
    for (const [key, video] of layout.videos) {
      const { array } = list.find((entry) => entry.key === key)!;
      spans.set(key, await video.write(array as NdArray<"uint8">, rows));
    }
    await this.#writeEnd(episode, list);
    const spot = { "data/chunk_index": place.chunk, "data/file_index": place.file };
    await this.#writeEpisode({ ...spot, ...spanCells(spans) }, { rows, name, stats });
    this.#stats = joinStats(this.#stats, stats);
    this.#episodes++;
    this.#frames += rows;
  }

  /** Write what describes the whole; the data set can be read after this. @throws INVALID_ARGUMENT without an episode */
  async finish(): Promise<void> {
    const layout = this.#layout;
    if (layout === undefined)
      return fail({ code: "INVALID_ARGUMENT", what: `${this.folder} would hold no episode` });
    for (const series of [layout.data, layout.episodes, layout.ends, ...layout.videos.values()])
      await series.finish();
    const tasks = await openParquetWriter(join(this.folder, paths.tasks), taskColumns, taskFacts);
    await tasks.write({
      task_index: [...this.#tasks.values()].map(BigInt),
      task: [...this.#tasks.keys()],
    });
    this.#files[paths.tasks] = await tasks.finish();
    await this.#writeJson(paths.stats, statsJson(layout.features, this.#stats));
    await this.#writeJson(paths.manifest, { version: 1, files: this.#files });
    await this.#writeJson(paths.info, this.#info(layout));
  }

  /** Give up: unfinished files go, finished ones stay, and the folder says that it is unfinished. */
  async discard(): Promise<void> {
    const { data, episodes, ends, videos } = this.#layout ?? {};
    for (const series of [data, episodes, ends, ...(videos?.values() ?? [])]) await series?.discard();
  }

  #begin(list: readonly FeatureArray[]): Layout {
    const own = Object.fromEntries(list.map(({ key, feature }) => [key, feature]));
    const features = { ...own, ...defaultFeatures };
    const steps = list.find(({ key }) => key === "next.reward")!.array.shape[0];
    const observed = Object.fromEntries(
      list.filter(({ array }) => array.shape[0] === steps + 1).map(({ key, feature }) => [key, feature]),
    );
    const videoKeys = Object.keys(features).filter((key) => features[key].dtype === "video");
    const options = (template: string, maxMegabytes: number): SeriesOptions => ({
      folder: this.folder,
      template,
      maxBytes: maxMegabytes * megabyte,
      filesPerChunk: this.#settings.filesPerChunk,
      onFile: (path, written) => {
        this.#files[path] = written;
      },
    });
    const { dataFileMegabytes, videoFileMegabytes, fps } = this.#settings;
    const video = (key: string): VideoSeries =>
      new VideoSeries({ ...options(paths.video, videoFileMegabytes), fields: { video_key: key } }, fps);
    return {
      features,
      observed,
      data: new TableSeries(
        options(paths.data, dataFileMegabytes),
        dataColumns(features),
        dataFacts(features),
      ),
      episodes: new TableSeries(
        { ...options(paths.episodes, dataFileMegabytes), rowsPerGroup: 50 },
        episodeColumns(features, videoKeys),
      ),
      ends: new TableSeries({ ...options(paths.ends, Infinity), rowsPerGroup: 50 }, endColumns(observed)),
      videos: new Map(videoKeys.map((key) => [key, video(key)])),
    };
  }

  #counters(rows: number, taskIndex: number): FeatureArray[] {
    const { fps } = this.#settings;
    const values: Readonly<Record<string, (t: number) => number>> = {
      timestamp: (t) => Math.fround(t / fps),
      frame_index: (t) => t,
      episode_index: () => this.#episodes,
      index: (t) => this.#frames + t,
      task_index: () => taskIndex,
    };
    return Object.entries(defaultFeatures).map(([key, feature]) => ({
      key,
      feature,
      array: counted(rows, values[key]),
    }));
  }

  async #writeEnd(
    { id, meta, terminated, truncated }: Episode,
    list: readonly FeatureArray[],
  ): Promise<void> {
    const { ends, observed } = this.#layout!;
    const last = list
      .filter(({ key }) => key in observed)
      .map(({ key, feature, array }) => {
        const index = array.shape[0] - 1;
        return [`last/${key}`, [isPicture(feature) ? pictureCell(array, index) : cellOf(array, index)]];
      });
    const own = {
      episode_index: [BigInt(this.#episodes)],
      id: [id],
      meta: [JSON.stringify(meta)],
      terminated: [terminated],
      truncated: [truncated],
    };
    await ends.write({ ...own, ...(Object.fromEntries(last) as Record<string, unknown[]>) }, 1);
  }

  async #writeEpisode(
    cells: Readonly<Record<string, number>>,
    { rows, name, stats }: { rows: number; name: string; stats: DatasetStats },
  ): Promise<void> {
    const { episodes, features } = this.#layout!;
    const place = await episodes.placeFor(1);
    const columns: Record<string, unknown[]> = {
      episode_index: [BigInt(this.#episodes)],
      tasks: [[name]],
      length: [BigInt(rows)],
      dataset_from_index: [BigInt(this.#frames)],
      dataset_to_index: [BigInt(this.#frames + rows)],
      "meta/episodes/chunk_index": [BigInt(place.chunk)],
      "meta/episodes/file_index": [BigInt(place.file)],
    };
    for (const [key, value] of Object.entries(cells))
      columns[key] = [key.endsWith("_timestamp") ? value : BigInt(value)];
    for (const [key, feature] of Object.entries(features)) {
      for (const stat of statNames) {
        const values = stats[key]?.[stat];
        const cell = values === undefined ? null : statCell(feature, stat, values);
        columns[`stats/${key}/${stat}`] = [stat === "count" && values ? values.map(BigInt) : cell];
      }
    }
    await episodes.write(columns, 1);
  }

  #info({ features, videos }: Layout): object {
    const { fps, robotType, dataFileMegabytes, videoFileMegabytes, filesPerChunk } = this.#settings;
    const described = Object.entries(features).map(([key, feature]) => [
      key,
      feature.dtype === "video"
        ? { ...feature, info: { ...feature.info, ...videoInfo(feature, fps) } }
        : feature,
    ]);
    return {
      codebase_version: writtenVersion,
      robot_type: robotType ?? null,
      total_episodes: this.#episodes,
      total_frames: this.#frames,
      total_tasks: this.#tasks.size,
      chunks_size: filesPerChunk,
      data_files_size_in_mb: dataFileMegabytes,
      video_files_size_in_mb: videoFileMegabytes,
      fps,
      splits: { train: `0:${this.#episodes}` },
      data_path: paths.data,
      video_path: videos.size > 0 ? paths.video : null,
      features: Object.fromEntries(described),
    };
  }

  async #writeJson(path: string, value: unknown): Promise<void> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(value, undefined, 4)}\n`);
    await writeAtomically(join(this.folder, path), [bytes]);
  }
}

/**
 * Begin a LeRobotDataset in a folder that is new or empty.
 *
 * @throws INVALID_ARGUMENT when the folder holds something, or fps is no whole number
 */
export function openLerobotWriter(folder: string, options: LerobotWriterOptions): LerobotWriter {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `${folder} is not empty`,
      expected: "a new folder",
      fix: "choose another folder, or delete this one",
    });
  }
  return new LerobotWriter(folder, options);
}

/** Write all `episodes` as a data set; what was begun is discarded when that fails. Returns the writer, finished. */
export async function writeLerobot(
  folder: string,
  episodes: Iterable<Episode> | AsyncIterable<Episode>,
  options: LerobotWriterOptions,
): Promise<LerobotWriter> {
  const writer = openLerobotWriter(folder, options);
  try {
    for await (const episode of episodes) await writer.add(episode);
    await writer.finish();
  } catch (error) {
    await writer.discard();
    throw asError(error);
  }
  return writer;
}
