/** @file A folder of episodes, whichever form they have: our own files, or a LeRobotDataset. */

import { existsSync } from "node:fs";
import { fail } from "../core/errors.ts";
import { iterateEpisodes, listEpisodes, loadEpisode } from "./episode-store.ts";
import type { LoadOptions } from "./episode-store.ts";
import type { Episode } from "./episode.ts";
import { isLerobotFolder } from "./lerobot/info.ts";
import type { LerobotDataset, LerobotReadOptions } from "./lerobot/reader.ts";
import { openLerobot } from "./lerobot/reader.ts";

/** How a folder is read: `onDamaged` is for our own files, the rest for LeRobotDatasets. */
export type SourceOptions = LoadOptions & LerobotReadOptions;

/** An open folder of episodes. */
export interface EpisodeSource {
  readonly kind: "episodes" | "lerobot";
  readonly folder: string;
  /** Number of episodes, damaged ones included. */
  readonly count: number;
  /** Present for a LeRobotDataset. */
  readonly dataset?: LerobotDataset;
  /** One episode by its place. @throws CORRUPT_FILE, INVALID_ARGUMENT */
  episode(index: number): Promise<Episode>;
  /** All in order, one in memory at a time. @throws CORRUPT_FILE */
  episodes(): AsyncGenerator<Episode>;
  close(): Promise<void>;
}

/**
 * Open a folder of `.episode` files or a LeRobotDataset.
 *
 * @throws IO_FAILED (no such folder), INVALID_ARGUMENT (no episodes in it), CORRUPT_FILE, NOT_SUPPORTED
 */
export async function openEpisodes(folder: string, options: SourceOptions = {}): Promise<EpisodeSource> {
  if (existsSync(folder) && isLerobotFolder(folder)) {
    const dataset = await openLerobot(folder, options);
    return {
      kind: "lerobot",
      folder,
      count: dataset.length,
      dataset,
      episode: (index) => dataset.episode(index),
      episodes: () => dataset.episodes(),
      close: () => dataset.close(),
    };
  }
  const files = await listEpisodes(folder);
  if (files.length === 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `${folder} holds no episodes`,
      expected: "files *.episode, or a LeRobotDataset with its folder meta/",
    });
  }
  return {
    kind: "episodes",
    folder,
    count: files.length,
    async episode(index) {
      if (index in files) return loadEpisode(files[index]);
      return fail({
        code: "INVALID_ARGUMENT",
        what: `${folder} has no episode ${index}`,
        expected: `0 … ${files.length - 1}`,
      });
    },
    episodes: () => iterateEpisodes(folder, options),
    close: () => Promise.resolve(),
  };
}
