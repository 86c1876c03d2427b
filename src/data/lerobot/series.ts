/** @file Series of files with a size limit: a new file, and a new folder after so many, before one grows too large. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { fail } from "../../core/errors.ts";
import { failStorage } from "../../core/storage.ts";
import { frameAt } from "../image.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { ParquetColumn, ParquetWriter, WrittenFile } from "../parquet.ts";
import { corruptFile, openParquetWriter } from "../parquet.ts";
import type { Mp4Sink } from "../video-mp4.ts";
import { openMp4 } from "../video-mp4.ts";
import { fillPath } from "./info.ts";

/** Number of a file: folders hold so many files each. */
export interface Place {
  readonly chunk: number;
  readonly file: number;
}

/** Where files go and what becomes of them. */
export interface SeriesOptions {
  readonly folder: string;
  /** Template of the paths in it. */
  readonly template: string;
  readonly fields?: Readonly<Record<string, string>>;
  /** A file that would grow beyond is left and the next begun. */
  readonly maxBytes: number;
  readonly filesPerChunk: number;
  /** Tables: rows that are held back until they make a row group; by default each `write` makes one. */
  readonly rowsPerGroup?: number;
  /** Told of each finished file. */
  readonly onFile: (path: string, written: WrittenFile) => void;
}

class Numbering {
  readonly #options: SeriesOptions;
  #count = 0;

  constructor(options: SeriesOptions) {
    this.#options = options;
  }

  get place(): Place {
    const { filesPerChunk } = this.#options;
    return { chunk: Math.floor(this.#count / filesPerChunk), file: this.#count % filesPerChunk };
  }

  get path(): string {
    const { template, fields } = this.#options;
    return fillPath(template, { ...fields, chunk_index: this.place.chunk, file_index: this.place.file });
  }

  next(): void {
    this.#count++;
  }
}

/** Would a file of `bytes` and `rows` grow beyond its limit by `more` rows of the same kind? */
const tooLarge = (bytes: number, rows: number, more: number, maxBytes: number): boolean =>
  rows > 0 && bytes + (bytes / rows) * more >= maxBytes;

/** A table over several files. */
export class TableSeries {
  readonly #options: SeriesOptions;
  readonly #columns: readonly ParquetColumn[];
  readonly #facts: Readonly<Record<string, string>>;
  readonly #numbering: Numbering;
  #writer: ParquetWriter | undefined;
  #rows = 0;
  #held: Record<string, unknown[]> = {};
  #heldRows = 0;

  constructor(
    options: SeriesOptions,
    columns: readonly ParquetColumn[],
    facts: Readonly<Record<string, string>> = {},
  ) {
    this.#options = options;
    this.#columns = columns;
    this.#facts = facts;
    this.#numbering = new Numbering(options);
  }

  /** Where the next `rows` rows will be: call it before `write`. */
  async placeFor(rows: number): Promise<Place> {
    const bytes = this.#writer?.bytes ?? 0;
    if (tooLarge(bytes, this.#rows, rows, this.#options.maxBytes)) await this.finish();
    return this.#numbering.place;
  }

  async write(columns: Readonly<Record<string, readonly unknown[]>>, rows: number): Promise<void> {
    for (const { name } of this.#columns) (this.#held[name] ??= []).push(...columns[name]);
    this.#heldRows += rows;
    this.#rows += rows;
    if (this.#heldRows >= (this.#options.rowsPerGroup ?? 1)) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#heldRows === 0) return;
    const path = join(this.#options.folder, this.#numbering.path);
    this.#writer ??= await openParquetWriter(path, this.#columns, this.#facts);
    await this.#writer.write(this.#held);
    this.#held = {};
    this.#heldRows = 0;
  }

  async finish(): Promise<void> {
    await this.#flush();
    if (this.#writer === undefined) return;
    this.#options.onFile(this.#numbering.path, await this.#writer.finish());
    this.#writer = undefined;
    this.#rows = 0;
    this.#numbering.next();
  }

  async discard(): Promise<void> {
    await this.#writer?.discard();
    this.#writer = undefined;
  }
}

/** Where an episode's frames are. */
export interface VideoSpan extends Place {
  /** Seconds from the file's first frame. */
  readonly from: number;
  readonly to: number;
}

/** Size and SHA-256 of a file. @throws IO_FAILED */
export async function hashFile(path: string): Promise<WrittenFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
      hash.update(piece);
      bytes += piece.length;
    }
  } catch (cause) {
    failStorage(path, cause);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Is this the file that was written? @throws CORRUPT_FILE, IO_FAILED */
export async function checkHash(path: string, sha256: string): Promise<void> {
  const found = await hashFile(path);
  if (found.sha256 !== sha256) corruptFile(path, "another SHA-256 than when it was written");
}

const clockHz = 90_000;

/** @throws INVALID_ARGUMENT for what the built-in encoder cannot keep exactly */
function checkVideo([, height, width]: readonly number[], fps: number): void {
  if (height % 2 === 0 && width % 2 === 0 && clockHz % fps === 0) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "these pictures cannot be stored as video",
    expected: `even height and width, and frames per second that divide ${clockHz}`,
    got: `${height} × ${width} at ${fps} frames per second`,
    fix: "store them as images",
  });
}

/** One camera's videos, several episodes per file. */
export class VideoSeries {
  readonly #options: SeriesOptions;
  readonly #fps: number;
  readonly #numbering: Numbering;
  #sink: Mp4Sink | undefined;
  #frames = 0;

  constructor(options: SeriesOptions, fps: number) {
    this.#options = options;
    this.#fps = fps;
    this.#numbering = new Numbering(options);
  }

  /** Append the first `count` frames of uint8 [≥ count, H, W, 3]. */
  async write(frames: NdArray<"uint8">, count: number): Promise<VideoSpan> {
    const bytes = this.#sink?.bytes ?? 0;
    if (tooLarge(bytes, this.#frames, count, this.#options.maxBytes)) await this.finish();
    const { place, path } = this.#numbering;
    checkVideo(frames.shape, this.#fps);
    const [, height, width] = frames.shape;
    // Two frames, as LeRobot has it: any frame is at most one step from a key frame.
    const format = { height, width, fps: this.#fps, quality: 0.9, keyFrameInterval: 2 };
    this.#sink ??= await openMp4(join(this.#options.folder, path), format);
    const from = this.#frames / this.#fps;
    for (let t = 0; t < count; t++) await this.#sink.write(frameAt(frames, t));
    this.#frames += count;
    return { ...place, from, to: this.#frames / this.#fps };
  }

  async finish(): Promise<void> {
    if (this.#sink === undefined) return;
    await this.#sink.close();
    const { path } = this.#numbering;
    this.#options.onFile(path, await hashFile(join(this.#options.folder, path)));
    this.#sink = undefined;
    this.#frames = 0;
    this.#numbering.next();
  }

  async discard(): Promise<void> {
    await this.#sink?.discard();
    this.#sink = undefined;
  }
}
