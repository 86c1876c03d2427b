/** @file Writing files so that they are whole or not there, and the coded errors of a disk. */

import { mkdir, open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail } from "../core/errors.ts";

let written = 0;

/** Throw what a failed file operation means. @throws STORAGE_FULL, IO_FAILED */
export function failStorage(file: string, cause: unknown): never {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    fail({
      code: "STORAGE_FULL",
      what: `no space left to write ${file}`,
      got: message,
      fix: "free space and run again: every file written before is whole",
      cause,
    });
  }
  fail({ code: "IO_FAILED", what: `cannot read or write ${file}`, got: message, cause });
}

async function syncFolder(dir: string): Promise<void> {
  // Windows cannot sync a folder; its rename is durable without.
  if (process.platform === "win32") return;
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

/** A file that is being written under another name and appears when it is finished. */
export interface AtomicFile {
  /** @throws STORAGE_FULL, IO_FAILED */
  append(bytes: Uint8Array): Promise<void>;
  /** Sync and give the file its name. @throws STORAGE_FULL, IO_FAILED */
  finish(): Promise<void>;
  /** Remove what was written; an older file of that name stays. */
  discard(): Promise<void>;
}

/** Begin a file, making its folder when it is not there. @throws STORAGE_FULL, IO_FAILED */
export async function openAtomicFile(file: string): Promise<AtomicFile> {
  const dir = dirname(file);
  const temporary = join(dir, `.${basename(file)}.${process.pid}-${written++}.tmp`);
  const attempt = async <R>(work: () => Promise<R>): Promise<R> => {
    try {
      return await work();
    } catch (error) {
      // The failed write is the one to tell, whatever the clean-up says.
      await discard().catch(() => undefined);
      failStorage(file, error);
    }
  };
  let handle: FileHandle | undefined;
  const discard = async (): Promise<void> => {
    await handle?.close();
    await rm(temporary, { force: true });
  };
  const opened = await attempt(async () => {
    await mkdir(dir, { recursive: true });
    return (handle = await open(temporary, "wx"));
  });
  return {
    append: (bytes) => attempt(() => writeAll(opened, bytes)),
    finish: () =>
      attempt(async () => {
        await opened.sync();
        await opened.close();
        await rename(temporary, file);
        await syncFolder(dir);
      }),
    discard,
  };
}

/** Write a whole file, in pieces. @throws STORAGE_FULL, IO_FAILED */
export async function writeAtomically(file: string, pieces: readonly Uint8Array[]): Promise<void> {
  const output = await openAtomicFile(file);
  for (const piece of pieces) await output.append(piece);
  await output.finish();
}
