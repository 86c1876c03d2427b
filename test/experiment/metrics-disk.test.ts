/** @file Metrics on a disk that fills up within a record. */

import type * as FileSystem from "node:fs";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { openMetrics, readMetrics } from "../../src/experiment/records/metrics.ts";
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
