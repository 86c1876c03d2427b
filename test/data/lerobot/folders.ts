/** @file Temporary folders for the tests of LeRobotDatasets. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Episode } from "../../../src/data/episode.ts";
import type { LerobotReadOptions } from "../../../src/data/lerobot/reader.ts";
import { openLerobot } from "../../../src/data/lerobot/reader.ts";

const made: string[] = [];

afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** A new folder path that does not exist yet; removed after the tests of the file. */
export function newFolder(): string {
  const parent = mkdtempSync(join(tmpdir(), "lerobot-"));
  made.push(parent);
  return join(parent, "set");
}

/** All episodes of a data set. */
export async function readAll(folder: string, options?: LerobotReadOptions): Promise<Episode[]> {
  const dataset = await openLerobot(folder, options);
  try {
    const episodes: Episode[] = [];
    for await (const episode of dataset.episodes()) episodes.push(episode);
    return episodes;
  } finally {
    await dataset.close();
  }
}
