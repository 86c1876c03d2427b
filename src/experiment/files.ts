/** @file Writing that survives a kill and a full disk: atomic replacement, whole-line appends, and errors that say what is kept. */

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
import { dirname } from "node:path";
import { fail } from "../core/errors.ts";

const fullDisk = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Does this error, or what caused it, mean that the disk or the quota is full? */
export function isStorageFull(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    const { code } = e as NodeJS.ErrnoException;
    if (code !== undefined && (fullDisk.has(code) || code === "STORAGE_FULL")) return true;
  }
  return false;
}

/** Rethrow a failed write as STORAGE_FULL or IO_FAILED, naming the file. */
export function writeFailed(path: string, cause: unknown): never {
  const got = (cause as Error).message;
  if (isStorageFull(cause)) {
    return fail({
      code: "STORAGE_FULL",
      what: `no space left while writing ${path}`,
      got,
      fix: "free space on that disk; everything written before is kept",
      cause,
    });
  }
  return fail({
    code: "IO_FAILED",
    what: `cannot write ${path}`,
    got,
    fix: "check the folder and its rights",
    cause,
  });
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}

/**
 * Replace `path` as a whole: a reader sees the old bytes or the new ones, whenever the process dies.
 * Makes missing folders. @throws STORAGE_FULL, IO_FAILED; the old file is then untouched.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const fd = openSync(temporary, "w");
    try {
      writeFully(fd, bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    writeFailed(path, cause);
  }
}

/** A file that grows by whole records: a failed append is undone, so that no half record stays. */
export interface Appender {
  append(data: string | Uint8Array): void;
  close(): void;
}

/** Open `path` for appending after its first `size` bytes; what is beyond them is cut off. */
export function openAppender(path: string, size: number): Appender {
  let fd: number;
  try {
    mkdirSync(dirname(path), { recursive: true });
    fd = openSync(path, "a");
    ftruncateSync(fd, size);
  } catch (cause) {
    return writeFailed(path, cause);
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
        writeFailed(path, cause);
      }
    },
    close() {
      closeSync(fd);
    },
  };
}
