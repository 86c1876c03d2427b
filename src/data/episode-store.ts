/** @file A folder of episode files: atomic writes, checked reads; a damaged file is named and the rest load. */

import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { ReverieError } from "../core/errors.ts";
import { decodeEpisode, encodeEpisode } from "./episode-file.ts";
import type { Episode } from "./episode.ts";
import { failStorage, writeAtomically } from "../core/storage.ts";

const extension = ".episode";

/** What to do with files that are damaged. */
export interface LoadOptions {
  /** Called with each damaged file's CORRUPT_FILE error; the file is left out. Without it the error is thrown. */
  readonly onDamaged?: (file: string, error: ReverieError) => void;
}

/**
 * Write `dir/<id>.episode`, making the folder when it is not there; an older file of that id is replaced.
 *
 * The file appears whole or not at all: bytes go to a temporary file, are synced, then renamed. Returns the path.
 * @throws INVALID_ARGUMENT, INVALID_SHAPE, INVALID_DTYPE, STORAGE_FULL, IO_FAILED
 */
export async function saveEpisode(dir: string, episode: Episode): Promise<string> {
  const pieces = encodeEpisode(episode);
  const file = join(dir, episode.id + extension);
  await writeAtomically(file, pieces);
  return file;
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    const handle = await open(file, "r");
    try {
      const { size } = await handle.stat();
      const bytes = new Uint8Array(size);
      for (let done = 0; done < size;) {
        const { bytesRead } = await handle.read(bytes, done, size - done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes;
    } finally {
      await handle.close();
    }
  } catch (error) {
    failStorage(file, error);
  }
}

/**
 * Read one episode; its arrays are views of one buffer that nobody else holds.
 *
 * @throws CORRUPT_FILE, IO_FAILED
 */
export async function loadEpisode(file: string): Promise<Episode> {
  return decodeEpisode(await readBytes(file), file);
}

/** Files of the episodes of a folder, sorted by name; unfinished writes are not among them. @throws IO_FAILED */
export async function listEpisodes(dir: string): Promise<string[]> {
  try {
    const names = (await readdir(dir)).filter((name) => name.endsWith(extension) && !name.startsWith("."));
    return names.map((name) => join(dir, name)).toSorted();
  } catch (error) {
    failStorage(dir, error);
  }
}

async function loadUnlessDamaged(file: string, options: LoadOptions): Promise<Episode | undefined> {
  try {
    return await loadEpisode(file);
  } catch (error) {
    if (!(error instanceof ReverieError) || error.code !== "CORRUPT_FILE" || !options.onDamaged) throw error;
    options.onDamaged(file, error);
    return undefined;
  }
}

/** The episodes of a folder one after the other, sorted by file name: one in memory at a time. @throws as `loadEpisodes` */
export async function* iterateEpisodes(dir: string, options: LoadOptions = {}): AsyncGenerator<Episode> {
  for (const file of await listEpisodes(dir)) {
    const episode = await loadUnlessDamaged(file, options);
    if (episode !== undefined) yield episode;
  }
}

/**
 * All episodes of a folder, sorted by file name.
 *
 * @throws CORRUPT_FILE at the first damaged file unless `onDamaged` is given, IO_FAILED
 */
export async function loadEpisodes(dir: string, options: LoadOptions = {}): Promise<Episode[]> {
  const episodes: Episode[] = [];
  for await (const episode of iterateEpisodes(dir, options)) episodes.push(episode);
  return episodes;
}
