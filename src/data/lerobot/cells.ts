/** @file From arrays and statistics of an episode to the cells of a LeRobotDataset's tables. */

import type { NdArray } from "../../core/ndarray.ts";
import { frameAt } from "../image.ts";
import { encodePng } from "../png.ts";
import type { FeatureArray } from "./features.ts";
import { cellOf, nested } from "./features.ts";
import type { Feature } from "./info.ts";
import type { VideoSpan } from "./series.ts";
import type { DatasetStats, FeatureStats } from "./stats.ts";
import { numericStats, pictureStats, statNames } from "./stats.ts";

/** A PNG as the format stores it in a table. */
export const pictureCell = (frames: NdArray, index: number): { bytes: Uint8Array; path: string } => ({
  bytes: encodePng(frameAt(frames as NdArray<"uint8">, index), 6),
  path: `frame-${String(index).padStart(6, "0")}.png`,
});

/** Is this a camera's feature? */
export const isPicture = ({ dtype }: Feature): boolean => dtype === "image" || dtype === "video";

/** A statistic as it is stored: a picture's per channel as [C, 1, 1]. */
export function statCell(feature: Feature, stat: string, values: readonly number[]): unknown {
  if (stat === "count") return values;
  if (isPicture(feature)) return values.map((value) => [[value]]);
  return feature.shape.length > 1 ? nested(values, feature.shape) : values;
}

/** Statistics of an episode's features, those of its frames included. */
export function episodeStats(list: readonly FeatureArray[], rows: number): DatasetStats {
  const stats: Record<string, FeatureStats> = {};
  for (const { key, feature, array } of list) {
    const own = isPicture(feature) ? pictureStats(array, rows) : numericStats(array, rows);
    if (own !== undefined) stats[key] = own;
  }
  return stats;
}

/** A number per row. */
export function counted(rows: number, value: (t: number) => number): NdArray<"float64"> {
  return { dtype: "float64", shape: [rows], data: Float64Array.from({ length: rows }, (_, t) => value(t)) };
}

/** What `info.json` says of a camera's videos. */
export function videoInfo({ shape }: Feature, fps: number): object {
  return {
    "video.height": shape[0],
    "video.width": shape[1],
    "video.codec": "h264",
    "video.pix_fmt": "yuv420p",
    "video.fps": fps,
    "video.channels": 3,
    has_audio: false,
    is_depth_map: false,
  };
}

/** Where an episode's videos are, as cells. */
export function spanCells(spans: ReadonlyMap<string, VideoSpan>): Record<string, number> {
  const cells: Record<string, number> = {};
  for (const [key, { chunk, file, from, to }] of spans) {
    cells[`videos/${key}/chunk_index`] = chunk;
    cells[`videos/${key}/file_index`] = file;
    cells[`videos/${key}/from_timestamp`] = from;
    cells[`videos/${key}/to_timestamp`] = to;
  }
  return cells;
}

/** The rows of the frames' table, by column. */
export function dataRows(list: readonly FeatureArray[], rows: number): Record<string, unknown[]> {
  const columns: Record<string, unknown[]> = {};
  for (const { key, feature, array } of list) {
    if (feature.dtype === "video") continue;
    const whole = feature.dtype === "int64" && array.dtype !== "int64";
    columns[key] = Array.from({ length: rows }, (_, t) => {
      if (feature.dtype === "image") return pictureCell(array, t);
      return whole ? BigInt(array.data[t]) : cellOf(array, t);
    });
  }
  return columns;
}

/** The content of `meta/stats.json`. */
export function statsJson(features: Readonly<Record<string, Feature>>, stats: DatasetStats): object {
  const entries = Object.entries(stats).map(([key, own]) => [
    key,
    Object.fromEntries(statNames.map((stat) => [stat, statCell(features[key], stat, own[stat])])),
  ]);
  return Object.fromEntries(entries) as object;
}
