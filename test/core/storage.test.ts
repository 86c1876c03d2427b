/** @file Files on a disk that fails: half records are taken back, old files stay, and the error says what happened. */

import type * as FileSystem from "node:fs";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ReverieError } from "../../src/core/errors.ts";
import {
  isStorageFull,
  openAppender,
  openAtomicFile,
  writeAtomically,
  writeAtomicallySync,
} from "../../src/core/storage.ts";

const disk = vi.hoisted(() => ({ room: Infinity }));

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof FileSystem>();
  const writeSync = (fd: number, bytes: Uint8Array, offset: number): number => {
    if (disk.room === 0) throw Object.assign(new Error("write"), { code: "ENOSPC" });
    const length = Math.min(disk.room, bytes.length - offset);
    disk.room -= length;
    return fs.writeSync(fd, bytes, offset, length);
  };
  return { ...fs, writeSync };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "reverie-storage-"));
});
afterEach(() => {
  disk.room = Infinity;
  rmSync(folder, { recursive: true });
});

async function errorOf(work: () => unknown): Promise<ReverieError> {
  try {
    await work();
  } catch (error) {
    return error as ReverieError;
  }
  throw new Error("nothing was thrown");
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const writers: [string, (file: string, text: string) => unknown][] = [
  ["at once", (file, text) => writeAtomicallySync(file, text)],
  ["in pieces", (file, text) => writeAtomically(file, [bytes(text.slice(0, 1)), bytes(text.slice(1))])],
];

describe.each(writers)("a file written %s", (_how, write) => {
  it("replaces the old one and makes the folders above it", async () => {
    const file = join(folder, "a", "b", "state.json");
    await write(file, "old");
    await write(file, "new");
    expect(readFileSync(file, "utf8")).toBe("new");
    expect(readdirSync(join(folder, "a", "b"))).toEqual(["state.json"]);
  });

  it("leaves the old one and no other when it cannot take its place", async () => {
    const taken = join(folder, "taken");
    mkdirSync(taken);
    writeFileSync(join(taken, "inside"), "old");
    expect((await errorOf(() => write(taken, "new"))).code).toBe("IO_FAILED");
    expect(readFileSync(join(taken, "inside"), "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["taken"]);
  });

  it("below a file is refused for that reason, not for the clean-up's", async () => {
    writeFileSync(join(folder, "file"), "old");
    const error = await errorOf(() => write(join(folder, "file", "below"), "new"));
    expect(error.code).toBe("IO_FAILED");
    expect(error.message).toContain(join(folder, "file", "below"));
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("old");
  });

  it("succeeds although a killed process of the same id left half of it behind", async () => {
    const leftovers = Array.from({ length: 40 }, (_, k) => `.state.json.${process.pid}-0-${k}.tmp`);
    for (const name of leftovers) writeFileSync(join(folder, name), "half");
    await write(join(folder, "state.json"), "whole");
    expect(readFileSync(join(folder, "state.json"), "utf8")).toBe("whole");
  });
});

describe("on a disk that fills up", () => {
  it("an append is taken back as a whole, and appending goes on when there is room", async () => {
    const path = join(folder, "log");
    const file = openAppender(path, 0);
    file.append("first\n");
    disk.room = 4;
    const error = await errorOf(() => file.append("second\n"));
    expect(error.code).toBe("STORAGE_FULL");
    expect(error.message).toContain(path);
    expect(isStorageFull(new Error("wrapped", { cause: error }))).toBe(true);
    expect(readFileSync(path, "utf8")).toBe("first\n");
    disk.room = Infinity;
    file.append("third\n");
    file.close();
    expect(readFileSync(path, "utf8")).toBe("first\nthird\n");
  });

  it("an atomic write leaves the old file and nothing else", async () => {
    const path = join(folder, "state.json");
    writeFileSync(path, "old");
    disk.room = 2;
    expect((await errorOf(() => writeAtomicallySync(path, "newer"))).code).toBe("STORAGE_FULL");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["state.json"]);
  });
});

describe("an atomic file", () => {
  it("that is discarded leaves the old one", async () => {
    const path = join(folder, "video.gif");
    writeFileSync(path, "old");
    const file = await openAtomicFile(path);
    await file.append(bytes("half of the new"));
    await file.discard();
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["video.gif"]);
  });
});

it("an appender cuts off what a killed process left beyond the last whole record", () => {
  const path = join(folder, "log");
  writeFileSync(path, "whole\nhal");
  const file = openAppender(path, 6);
  file.append("next\n");
  file.close();
  expect(readFileSync(path, "utf8")).toBe("whole\nnext\n");
});
