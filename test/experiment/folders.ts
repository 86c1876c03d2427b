/** @file Temporary folders and files for the experiment tests; vitest's hooks remove them. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Output } from "../../src/experiment/progress.ts";

const made: string[] = [];

afterAll(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A new empty folder. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "reverie-test-"));
  made.push(folder);
  return folder;
}

/** A new folder with files by name. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = newFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** An output that remembers. */
export function quiet(isTTY = false): Output & { text: string } {
  return {
    text: "",
    isTTY,
    columns: 100,
    write(text) {
      this.text += text;
    },
  };
}

/** The error that `body` throws; fails when it throws none. */
export async function thrownBy(body: () => unknown): Promise<Error & { code?: string }> {
  try {
    await body();
  } catch (error) {
    return error as Error & { code?: string };
  }
  throw new Error("nothing was thrown");
}
