/** @file A folder of episode files: atomic writes, checked reads; a damaged file is named and the rest load. */

import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ReverieError, fail } from "../core/errors.ts";
import { decodeEpisode, encodeEpisode } from "./episode-file.ts";
import type { Episode } from "./episode.ts";

const extension = ".episode";
let written = 0;

/** What to do with files that are damaged. */
export interface LoadOptions {
  /** Called with each damaged file's CORRUPT_FILE error; the file is left out. Without it the error is thrown. */
  readonly onDamaged?: (file: string, error: ReverieError) => void;
}

function storageError(file: string, cause: unknown): never {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    fail({
      code: "STORAGE_FULL",
      what: `no space left to write ${file}`,
      got: message,
      fix: "free space and run again: every episode written before is whole",
      cause,
    });
  }
  fail({ code: "IO_FAILED", what: `cannot reach ${file}`, got: message, cause });
}

async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } catch (error) {
    // Windows cannot sync a folder; its rename is durable without.
    if (process.platform !== "win32") throw error;
  } finally {
    await handle.close();
  }
}

async function writeDurably(file: string, pieces: readonly Uint8Array[]): Promise<void> {
  const handle = await open(file, "wx");
  try {
    for (const piece of pieces) {
      for (let done = 0; done < piece.length;) done += (await handle.write(piece, done)).bytesWritten;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
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
  const temporary = join(dir, `.${episode.id}.${process.pid}-${written++}.tmp`);
  try {
    await mkdir(dir, { recursive: true });
    await writeDurably(temporary, pieces);
    await rename(temporary, file);
    await syncFolder(dir);
  } catch (error) {
    // The write's own error is the one to tell, whatever the clean-up says.
    await rm(temporary, { force: true }).catch(() => undefined);
    storageError(file, error);
  }
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
    storageError(file, error);
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

/** Files of the episodes of a folder, sorted by id; unfinished writes are not among them. @throws IO_FAILED */
export async function listEpisodes(dir: string): Promise<string[]> {
  try {
    const names = (await readdir(dir)).filter((name) => name.endsWith(extension) && !name.startsWith("."));
    return names.map((name) => join(dir, name)).toSorted();
  } catch (error) {
    storageError(dir, error);
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

/** The episodes of a folder one after the other, sorted by id: one in memory at a time. @throws as `loadEpisodes` */
export async function* iterateEpisodes(dir: string, options: LoadOptions = {}): AsyncGenerator<Episode> {
  for (const file of await listEpisodes(dir)) {
    const episode = await loadUnlessDamaged(file, options);
    if (episode !== undefined) yield episode;
  }
}

/**
 * All episodes of a folder, sorted by id.
 *
 * @throws CORRUPT_FILE at the first damaged file unless `onDamaged` is given, IO_FAILED
 */
export async function loadEpisodes(dir: string, options: LoadOptions = {}): Promise<Episode[]> {
  const episodes: Episode[] = [];
  for await (const episode of iterateEpisodes(dir, options)) episodes.push(episode);
  return episodes;
}
