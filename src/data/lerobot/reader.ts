/** @file Reading LeRobotDatasets v3.0 and v2.1 as episodes, one at a time; damaged files are named and refused. */

import { join } from "node:path";
import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Episode } from "../episode.ts";
import { corruptFile, openParquet } from "../parquet.ts";
import type { ParquetReader, ParquetRow } from "../parquet.ts";
import { decodeImage } from "../image.ts";
import { stackRows } from "../../core/ndarray.ts";
import type { VideoReader } from "../video-reader.ts";
import { openVideoReader } from "../video-reader.ts";
import { assembleEpisode } from "./assemble.ts";
import type { AssembleOptions, Pictures } from "./assemble.ts";
import type { LerobotInfo } from "./info.ts";
import { cameraKeys, loadInfo, paths } from "./info.ts";
import type { EndEntry, EpisodeEntry, LerobotMetadata } from "./metadata.ts";
import { endFrom, loadMetadata } from "./metadata.ts";
import { checkHash } from "./series.ts";

/** How episodes are made of rows. */
export type LerobotReadOptions = AssembleOptions;

/** An open data set. */
export interface LerobotDataset {
  readonly folder: string;
  readonly info: LerobotInfo;
  readonly metadata: LerobotMetadata;
  /** Number of episodes. */
  readonly length: number;
  /** @throws INVALID_ARGUMENT (no such episode), CORRUPT_FILE, NOT_SUPPORTED (video without ffmpeg), IO_FAILED */
  episode(index: number): Promise<Episode>;
  /** All episodes in order, one in memory at a time. */
  episodes(): AsyncGenerator<Episode>;
  close(): Promise<void>;
}

/** The open files of a data set: at most one table and one video per camera at a time. */
class OpenFiles {
  readonly #folder: string;
  readonly #hashes: LerobotMetadata["files"];
  readonly #checked = new Set<string>();
  readonly #tables = new Map<string, { path: string; reader: ParquetReader }>();
  readonly #videos = new Map<string, { path: string; reader: VideoReader }>();

  constructor(folder: string, hashes: LerobotMetadata["files"]) {
    this.#folder = folder;
    this.#hashes = hashes;
  }

  /** Compare a file with what was written, the first time that it is used. */
  async #check(path: string): Promise<string> {
    const file = join(this.#folder, path);
    const expected = this.#hashes[path];
    if (expected !== undefined && !this.#checked.has(path)) {
      await checkHash(file, expected.sha256);
      this.#checked.add(path);
    }
    return file;
  }

  async table(purpose: string, path: string): Promise<ParquetReader> {
    const known = this.#tables.get(purpose);
    if (known?.path === path) return known.reader;
    await known?.reader.close();
    this.#tables.delete(purpose);
    const reader = await openParquet(await this.#check(path));
    this.#tables.set(purpose, { path, reader });
    return reader;
  }

  async video(key: string, path: string): Promise<VideoReader> {
    const known = this.#videos.get(key);
    if (known?.path === path) return known.reader;
    await known?.reader.close();
    const reader = openVideoReader(await this.#check(path));
    this.#videos.set(key, { path, reader });
    return reader;
  }

  async close(): Promise<void> {
    for (const { reader } of [...this.#tables.values(), ...this.#videos.values()]) await reader.close();
    this.#tables.clear();
    this.#videos.clear();
  }
}

/** Rows must be those of this episode, in order. */
function checkRows(file: string, rows: readonly ParquetRow[], index: number): void {
  const wrong = rows.findIndex(
    (row, t) =>
      Number(row.episode_index) !== index || ("frame_index" in row && Number(row.frame_index) !== t),
  );
  if (wrong < 0) return;
  const { episode_index: episode, frame_index: frame } = rows[wrong];
  corruptFile(
    file,
    `frame ${String(frame)} of episode ${String(episode)} where frame ${wrong} of episode ${index} belongs`,
  );
}

class OpenDataset implements LerobotDataset {
  readonly folder: string;
  readonly info: LerobotInfo;
  readonly metadata: LerobotMetadata;
  readonly #options: LerobotReadOptions;
  readonly #files: OpenFiles;
  /** First frame in each table. */
  readonly #tableStarts = new Map<string, number>();

  constructor(folder: string, info: LerobotInfo, metadata: LerobotMetadata, options: LerobotReadOptions) {
    this.folder = folder;
    this.info = info;
    this.metadata = metadata;
    this.#options = options;
    this.#files = new OpenFiles(folder, metadata.files);
    for (const { dataPath, firstFrame } of metadata.episodes)
      if (!this.#tableStarts.has(dataPath)) this.#tableStarts.set(dataPath, firstFrame);
  }

  get length(): number {
    return this.metadata.episodes.length;
  }

  async episode(index: number): Promise<Episode> {
    const entry = this.metadata.episodes[index];
    if (entry === undefined) {
      fail({
        code: "INVALID_ARGUMENT",
        what: `${this.folder} has no episode ${index}`,
        expected: `0 … ${this.length - 1}`,
      });
    }
    const rows = await this.#rows(entry);
    const pictures: Record<string, Pictures> = {};
    for (const key of cameraKeys(this.info)) pictures[key] = await this.#pictures(key, entry, rows);
    const { info, metadata } = this;
    const end = await this.#end(index);
    return assembleEpisode({ info, metadata, entry, rows, pictures, end }, this.#options);
  }

  async *episodes(): AsyncGenerator<Episode> {
    for (let index = 0; index < this.length; index++) yield await this.episode(index);
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  async #rows(entry: EpisodeEntry): Promise<readonly ParquetRow[]> {
    const table = await this.#files.table("data", entry.dataPath);
    const start = entry.firstFrame - this.#tableStarts.get(entry.dataPath)!;
    const rows = await table.read(start, start + entry.length);
    checkRows(join(this.folder, entry.dataPath), rows, entry.index);
    return rows;
  }

  /** The frames of one camera; those of a video come from its file. */
  async #pictures(key: string, entry: EpisodeEntry, rows: readonly ParquetRow[]): Promise<Pictures> {
    const { dtype, info } = this.info.features[key];
    if (info?.is_depth_map === true || info?.["video.is_depth_map"] === true) return undefined;
    if (dtype === "image")
      return stackRows(
        await decodeAll(
          rows.map((row) => row[key]),
          entry.dataPath,
        ),
      );
    const part = entry.videos[key];
    const video = await this.#files.video(key, part.path);
    return video.read(Math.round(part.from * this.info.fps), entry.length);
  }

  async #end(index: number): Promise<EndEntry | undefined> {
    if (!(paths.ends in this.metadata.files)) return undefined;
    const table = await this.#files.table("ends", paths.ends);
    const [row] = await table.read(index, index + 1);
    const end = endFrom(row);
    const last: Record<string, unknown> = { ...end.last };
    for (const key of cameraKeys(this.info)) {
      if (last[key] !== undefined && last[key] !== null)
        last[key] = (await decodeAll([last[key]], paths.ends))[0];
    }
    return { ...end, last };
  }
}

async function decodeAll(cells: readonly unknown[], path: string): Promise<NdArray<"uint8">[]> {
  const images: NdArray<"uint8">[] = [];
  for (const [row, cell] of cells.entries()) {
    const bytes = (cell as { bytes?: Uint8Array } | null)?.bytes;
    if (!(bytes instanceof Uint8Array)) {
      fail({
        code: "NOT_SUPPORTED",
        what: `${path}: row ${row} holds no picture, only a path to one`,
        expected: "the picture's bytes in the table, as LeRobot's own writer puts them",
      });
    }
    images.push(await decodeImage(bytes, `${path}, row ${row}`));
  }
  return images;
}

/**
 * Open a LeRobotDataset v3.0 or v2.1.
 *
 * Data sets written here are compared with their manifest: a file of another size is refused at once, one with other
 * bytes when it is first used.
 * @throws IO_FAILED, CORRUPT_FILE, NOT_SUPPORTED
 */
export async function openLerobot(folder: string, options: LerobotReadOptions = {}): Promise<LerobotDataset> {
  const info = await loadInfo(folder);
  return new OpenDataset(folder, info, await loadMetadata(folder, info), options);
}
