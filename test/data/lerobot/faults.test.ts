/** @file Data sets that were damaged, cut short or never finished: named and refused, never read as something else. */

import { spawn } from "node:child_process";
import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { writeLerobot } from "../../../src/data/lerobot/writer.ts";
import { counterEpisode } from "./episodes.ts";
import { newFolder, readAll } from "./folders.ts";

const fps = 10;
const table = "data/chunk-000/file-000.parquet";

async function smallSet(): Promise<string> {
  const folder = newFolder();
  await writeLerobot(folder, [counterEpisode("a", 4), counterEpisode("b", 3)], { fps });
  return folder;
}

function edit(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, "utf8")));
}

describe("a damaged data set", () => {
  let folder = "";

  beforeAll(async () => {
    folder = await smallSet();
  });

  it.each([
    [table],
    ["meta/episodes/chunk-000/file-000.parquet"],
    ["meta/tasks.parquet"],
    ["reverie/episodes.parquet"],
  ])("is refused when %s is cut, is gone, or has one other byte", async (path) => {
    const file = join(folder, path);
    const whole = readFileSync(file);
    truncateSync(file, whole.length - 7);
    await expect(readAll(folder)).rejects.toThrow(`${file} is damaged`);
    rmSync(file);
    await expect(readAll(folder)).rejects.toThrow(`${file} is damaged`);
    const flipped = Buffer.from(whole);
    flipped[Math.floor(whole.length / 3)] ^= 1;
    writeFileSync(file, flipped);
    await expect(readAll(folder)).rejects.toThrow(`${file} is damaged`);
    writeFileSync(file, whole);
    expect(await readAll(folder)).toHaveLength(2);
  });

  it.each<[string, string, (text: string) => string, RegExp]>([
    ["the info is no JSON", "meta/info.json", (text) => text.slice(0, -20), /info\.json is damaged/],
    [
      "the info lacks its features",
      "meta/info.json",
      (text) => text.replace('"features"', '"futures"'),
      /features/,
    ],
    [
      "the info counts other episodes",
      "meta/info.json",
      (text) => text.replace('"total_episodes": 2', '"total_episodes": 3'),
      /2 episodes with 7 frames, where info.json says 3 with 7/,
    ],
    [
      "it is of another version",
      "meta/info.json",
      (text) => text.replace("v3.0", "v1.6"),
      /NOT_SUPPORTED[^]*v2\.1 or v3\.0[^]*v1\.6/,
    ],
  ])("is refused when %s", async (_, path, change, message) => {
    const own = await smallSet();
    edit(join(own, path), change);
    await expect(readAll(own)).rejects.toThrow(message);
  });
});

describe("a data set from elsewhere, without a manifest", () => {
  it("is refused when its table holds frames of another episode", async () => {
    const [folder, other] = [await smallSet(), newFolder()];
    await writeLerobot(other, [counterEpisode("a", 3), counterEpisode("b", 4)], { fps });
    for (const own of [folder, other]) rmSync(join(own, "reverie"), { recursive: true });
    copyFileSync(join(other, table), join(folder, table));
    await expect(readAll(folder)).rejects.toThrow(/frame 0 of episode 1 where frame 3 of episode 0 belongs/);
  });

  it("is refused when its table is too short or no Parquet", async () => {
    const [folder, other] = [await smallSet(), newFolder()];
    await writeLerobot(other, [counterEpisode("a", 4)], { fps });
    for (const own of [folder, other]) rmSync(join(own, "reverie"), { recursive: true });
    copyFileSync(join(other, table), join(folder, table));
    await expect(readAll(folder)).rejects.toThrow(/file-000.parquet is damaged[^]*4 rows/);
    writeFileSync(join(folder, table), "not a table");
    await expect(readAll(folder)).rejects.toThrow(/file-000.parquet is damaged[^]*Parquet footer/);
  });
});

describe("a folder that is none", () => {
  it("is told apart from an unfinished data set", async () => {
    await expect(readAll(newFolder())).rejects.toThrow(/IO_FAILED[^]*holds no LeRobotDataset/);
  });

  it("is left clearly unfinished when writing fails, without half files", async () => {
    const folder = newFolder();
    const bad = { ...counterEpisode("b", 3), id: "../b" };
    await expect(writeLerobot(folder, [counterEpisode("a", 3), bad], { fps })).rejects.toThrow(
      /id names its file/,
    );
    await expect(readAll(folder)).rejects.toThrow(/CORRUPT_FILE|IO_FAILED/);
  });

  it("is a clearly unfinished one when its writer is killed at any time", async () => {
    const folder = newFolder();
    const script = fileURLToPath(new URL("set-writer.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let count = 0;
    for await (const line of createInterface(child.stdout))
      if (line !== "" && ++count === 4) child.kill("SIGKILL");
    await expect(readAll(folder)).rejects.toThrow(/is an unfinished data set/);
  });
});
