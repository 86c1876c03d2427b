/** @file `meta/info.json` of a LeRobotDataset: what it says, checked, and the paths that it names. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fail } from "../../core/errors.ts";
import { failStorage } from "../../core/storage.ts";
import { corruptFile } from "../parquet.ts";

/**
 * Paths of the format.
 *
 * @source huggingface/lerobot 7427f31, src/lerobot/datasets/utils.py
 */
export const paths = {
  info: "meta/info.json",
  stats: "meta/stats.json",
  tasks: "meta/tasks.parquet",
  episodes: "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
  data: "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
  video: "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
  legacyEpisodes: "meta/episodes.jsonl",
  legacyStats: "meta/episodes_stats.jsonl",
  legacyTasks: "meta/tasks.jsonl",
  /** Beside the format: what an episode has and a LeRobotDataset does not. */
  ends: "reverie/episodes.parquet",
  manifest: "reverie/manifest.json",
} as const;

/** The version written. */
export const writtenVersion = "v3.0";
const readVersions = ["v2.1", writtenVersion];

const featureSchema = z.looseObject({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  names: z.unknown().optional(),
  info: z.looseObject({}).nullish(),
});

const infoSchema = z.looseObject({
  codebase_version: z.string(),
  fps: z.number().positive(),
  features: z.record(z.string(), featureSchema),
  total_episodes: z.int().min(0),
  total_frames: z.int().min(0),
  total_tasks: z.int().min(0).default(0),
  chunks_size: z.int().min(1).default(1000),
  data_files_size_in_mb: z.number().positive().optional(),
  video_files_size_in_mb: z.number().positive().optional(),
  data_path: z.string(),
  video_path: z.string().nullish(),
  robot_type: z.string().nullish(),
  splits: z.record(z.string(), z.string()).default({}),
});

/** One feature: `dtype` is NumPy's name of a number, or "image", "video", "string", …; `shape` is that of one frame. */
export type Feature = z.infer<typeof featureSchema>;

/** The content of `meta/info.json`. */
export type LerobotInfo = z.infer<typeof infoSchema>;

/** Fill a path template as Python's `str.format` does: `{file_index:03d}`. @throws CORRUPT_FILE for an unknown field */
export function fillPath(template: string, fields: Readonly<Record<string, string | number>>): string {
  return template.replace(/\{(\w+)(?::0?(\d+)d)?\}/g, (whole, name: string, width?: string) => {
    if (!(name in fields)) corruptFile(paths.info, `a path with the unknown field ${whole}`);
    return String(fields[name]).padStart(Number(width ?? 0), "0");
  });
}

/** The JSON value in a file. @throws CORRUPT_FILE, IO_FAILED */
export async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => failStorage(file, cause));
  try {
    // Python's json writes NaN and Infinity bare; as statistics they say nothing.
    return JSON.parse(text.replace(/(?<=[[,:\s])-?(?:NaN|Infinity)(?=[\],}\s])/g, "null"));
  } catch (cause) {
    return corruptFile(file, (cause as Error).message, cause);
  }
}

/** Is there a LeRobotDataset, finished or not, in this folder? */
export function isLerobotFolder(folder: string): boolean {
  return existsSync(join(folder, "meta")) || existsSync(join(folder, paths.manifest));
}

/**
 * Read and check `meta/info.json`.
 *
 * @throws IO_FAILED (no such folder), CORRUPT_FILE (an unfinished or damaged data set), NOT_SUPPORTED (another version)
 */
export async function loadInfo(folder: string): Promise<LerobotInfo> {
  const file = join(folder, paths.info);
  if (!existsSync(file)) {
    const begun = ["data", "meta", "videos"].some((name) => existsSync(join(folder, name)));
    fail({
      code: begun ? "CORRUPT_FILE" : "IO_FAILED",
      what: begun ? `${folder} is an unfinished data set` : `${folder} holds no LeRobotDataset`,
      expected: paths.info,
      got: begun ? "other files of a data set: its writer was stopped" : "no such file",
      fix: begun ? "delete the folder and convert again" : "give the folder that contains meta/",
    });
  }
  const parsed = infoSchema.safeParse(await readJson(file));
  if (!parsed.success) return corruptFile(file, z.prettifyError(parsed.error));
  const version = parsed.data.codebase_version;
  if (readVersions.includes(version)) return parsed.data;
  return fail({
    code: "NOT_SUPPORTED",
    what: `${folder} is a LeRobotDataset of another version`,
    expected: readVersions.join(" or "),
    got: version,
    fix: "convert it with LeRobot's own scripts first",
  });
}

/** Features stored as pictures, in the order of `info.json`. */
export function cameraKeys({ features }: LerobotInfo): string[] {
  return Object.keys(features).filter((key) => ["image", "video"].includes(features[key].dtype));
}
