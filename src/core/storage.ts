/** @file Files that survive a kill and a full disk: atomic replacement, whole-record appends, and errors that say what is kept. */

import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { threadId } from "node:worker_threads";
import { fail } from "./errors.ts";

const fullDisk = new Set(["ENOSPC", "EDQUOT", "EFBIG", "STORAGE_FULL"]);
// Windows cannot sync a folder; its rename is durable without.
const folderSyncs = process.platform !== "win32";
let written = 0;

/** Does this error, or what caused it, mean that the disk or the quota is full? */
export function isStorageFull(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (fullDisk.has((e as NodeJS.ErrnoException).code ?? "")) return true;
  }
  return false;
}

/** Throw what a failed file operation means, naming the file. @throws STORAGE_FULL, IO_FAILED */
export function failStorage(file: string, cause: unknown): never {
  const got = cause instanceof Error ? cause.message : String(cause);
  if (isStorageFull(cause)) {
    return fail({
      code: "STORAGE_FULL",
      what: `no space left to write ${file}`,
      got,
      fix: "free space on that disk and go on: every file written before is whole",
      cause,
    });
  }
  return fail({
    code: "IO_FAILED",
    what: `cannot read or write ${file}`,
    got,
    fix: "check the path, its folder and its rights",
    cause,
  });
}

/**
 * Beside the file, so that the rename stays on one disk; one name per write, so that two writers cannot mix. It is opened
 * with "w", not "wx": a killed process of the same id may have left one behind.
 */
function temporaryOf(file: string): string {
  return join(dirname(file), `.${basename(file)}.${process.pid}-${threadId}-${written++}.tmp`);
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}

function writeAndSync(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, "w");
  try {
    writeFully(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncFolder(dir: string): void {
  if (!folderSyncs) return;
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The failed write is the one to tell, whatever the clean-up says.
  }
}

/**
 * Replace `file` as a whole: a reader sees the old bytes or the new ones, whenever the process dies.
 * Makes missing folders. @throws STORAGE_FULL, IO_FAILED; the old file is then untouched.
 */
export function writeAtomicallySync(file: string, data: string | Uint8Array): void {
  const temporary = temporaryOf(file);
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeAndSync(temporary, typeof data === "string" ? Buffer.from(data) : data);
    renameSync(temporary, file);
    syncFolder(dirname(file));
  } catch (cause) {
    removeQuietly(temporary);
    failStorage(file, cause);
  }
}

/** A file that grows by whole records: a failed append is undone, so that no half record stays. */
export interface Appender {
  /** @throws STORAGE_FULL, IO_FAILED */
  append(data: string | Uint8Array): void;
  close(): void;
}

/** Open `path` for appending after its first `size` bytes; what is beyond them is cut off. @throws STORAGE_FULL, IO_FAILED */
export function openAppender(path: string, size: number): Appender {
  let fd: number;
  try {
    mkdirSync(dirname(path), { recursive: true });
    fd = openSync(path, "a");
    ftruncateSync(fd, size);
  } catch (cause) {
    return failStorage(path, cause);
  }
  let end = size;
  return {
    append(data) {
      const bytes = typeof data === "string" ? Buffer.from(data) : data;
      try {
        writeFully(fd, bytes);
        end += bytes.length;
      } catch (cause) {
        ftruncateSync(fd, end);
        failStorage(path, cause);
      }
    },
    close() {
      closeSync(fd);
    },
  };
}

/** A file that is being written under another name and appears when it is finished. */
export interface AtomicFile {
  /** @throws STORAGE_FULL, IO_FAILED */
  append(bytes: Uint8Array): Promise<void>;
  /** Sync and give the file its name. @throws STORAGE_FULL, IO_FAILED */
  finish(): Promise<void>;
  /** Remove what was written; an older file of that name stays. */
  discard(): Promise<void>;
}

async function syncFolderLater(dir: string): Promise<void> {
  if (!folderSyncs) return;
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done)).bytesWritten;
}

/** Begin a file, making its folder when it is not there. @throws STORAGE_FULL, IO_FAILED */
export async function openAtomicFile(file: string): Promise<AtomicFile> {
  const dir = dirname(file);
  const temporary = temporaryOf(file);
  let handle: FileHandle | undefined;
  const discard = async (): Promise<void> => {
    await handle?.close();
    await rm(temporary, { force: true });
  };
  const attempt = async <R>(work: () => Promise<R>): Promise<R> => {
    try {
      return await work();
    } catch (error) {
      await discard().catch(() => undefined);
      return failStorage(file, error);
    }
  };
  const opened = await attempt(async () => {
    await mkdir(dir, { recursive: true });
    return (handle = await open(temporary, "w"));
  });
  return {
    append: (bytes) => attempt(() => writeAll(opened, bytes)),
    finish: () =>
      attempt(async () => {
        await opened.sync();
        await opened.close();
        await rename(temporary, file);
        await syncFolderLater(dir);
      }),
    discard,
  };
}

/** `writeAtomicallySync` without blocking the thread, in pieces. @throws STORAGE_FULL, IO_FAILED */
export async function writeAtomically(file: string, pieces: readonly Uint8Array[]): Promise<void> {
  const output = await openAtomicFile(file);
  for (const piece of pieces) await output.append(piece);
  await output.finish();
}
