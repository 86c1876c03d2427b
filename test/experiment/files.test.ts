/** @file Writing on a disk that fills up within a record: half records are taken back, old files stay. */

import type * as FileSystem from "node:fs";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { isStorageFull, openAppender, writeFileAtomic } from "../../src/experiment/files.ts";
import { openMetrics, readMetrics } from "../../src/experiment/metrics.ts";
import { newFolder, thrownBy } from "./folders.ts";

const disk = vi.hoisted(() => ({ room: Infinity }));

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof FileSystem>();
  const writeSync = (fd: number, bytes: Uint8Array, offset: number): number => {
    if (disk.room === 0)
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    const length = Math.min(disk.room, bytes.length - offset);
    disk.room -= length;
    return fs.writeSync(fd, bytes, offset, length);
  };
  return { ...fs, writeSync };
});

afterEach(() => {
  disk.room = Infinity;
});

describe("on a disk that fills up", () => {
  it("an append is taken back as a whole, and appending goes on when there is room", async () => {
    const path = join(newFolder(), "log");
    const file = openAppender(path, 0);
    file.append("first\n");
    disk.room = 4;
    const error = await thrownBy(() => file.append("second\n"));
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
    const folder = newFolder();
    const path = join(folder, "state.json");
    writeFileSync(path, "old");
    disk.room = 2;
    expect((await thrownBy(() => writeFileAtomic(path, "newer"))).code).toBe("STORAGE_FULL");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["state.json"]);
  });

  it("metrics keep whole lines, however far the last one came", async () => {
    for (const room of [0, 1, 30]) {
      disk.room = Infinity;
      const folder = newFolder();
      const metrics = openMetrics(folder);
      metrics.log("train", 0, { loss: 1 });
      disk.room = room;
      expect((await thrownBy(() => metrics.log("train", 1, { loss: 1 }))).code).toBe("STORAGE_FULL");
      metrics.close();
      expect(readMetrics(join(folder, "metrics.jsonl")).map(({ step }) => step)).toEqual([0]);
      expect(readFileSync(join(folder, "metrics.jsonl"), "utf8").endsWith("}\n")).toBe(true);
    }
  });
});
