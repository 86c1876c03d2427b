/** @file A recorder killed with −9: every episode that it had called safe is whole, and none is half there. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { loadEpisodes } from "../../src/data/episode-store.ts";

const writer = fileURLToPath(new URL("episode-writer.ts", import.meta.url));

it("loses nothing that was saved when its process is killed at any time", async () => {
  const dir = mkdtempSync(join(tmpdir(), "killed-"));
  const child = spawn(process.execPath, ["--import", "tsx", writer, dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const safe: string[] = [];
  for await (const id of createInterface(child.stdout)) {
    safe.push(id);
    if (safe.length === 12) child.kill("SIGKILL");
  }
  const ids = (await loadEpisodes(dir)).map((episode) => episode.id);
  expect(ids).toEqual(expect.arrayContaining(safe));
  expect(ids.length - safe.length).toBeLessThanOrEqual(1);
  rmSync(dir, { recursive: true });
});
