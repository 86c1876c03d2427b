/** @file Episode files: whole or not there, checked when read, and nothing lost when the disk is full. */

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type * as Files from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { float32, ndarray } from "../../src/core/ndarray.ts";
import {
  iterateEpisodes,
  listEpisodes,
  loadEpisode,
  loadEpisodes,
  saveEpisode,
} from "../../src/data/episode-store.ts";
import type { Episode } from "../../src/data/episode.ts";
import { smallEpisode } from "./episodes.ts";

const disk = vi.hoisted(() => ({ bytesLeft: Infinity }));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof Files>();
  const open: typeof real.open = async (...request) => {
    const handle = await real.open(...request);
    const write = handle.write.bind(handle) as (
      piece: Uint8Array,
      offset: number,
    ) => Promise<{ bytesWritten: number }>;
    Object.assign(handle, {
      write: async (piece: Uint8Array, offset: number) => {
        if (disk.bytesLeft <= 0)
          throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
        const result = await write(
          piece.subarray(0, offset + Math.min(piece.length - offset, disk.bytesLeft)),
          offset,
        );
        disk.bytesLeft -= result.bytesWritten;
        return result;
      },
    });
    return handle;
  };
  return { ...real, open };
});

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "episodes-"));
});
afterEach(() => {
  disk.bytesLeft = Infinity;
  rmSync(dir, { recursive: true });
});

describe("an episode file", () => {
  it("gives back everything that was saved", async () => {
    const episode: Episode = {
      ...smallEpisode("track-3"),
      extras: {
        timeS: ndarray("float64", [5], Float64Array.of(0, 0.1, 0.2, 0.3, 0.4)),
        flag: float32([1, 0, 1, 0]),
      },
    };
    const file = await saveEpisode(join(dir, "new", "folder"), episode);
    expect(await loadEpisode(file)).toEqual(episode);
  });

  it("keeps arrays of every length on their alignment", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.string(), async (steps, note) => {
        const episode = { ...smallEpisode("e", steps), meta: { note } };
        expect(await loadEpisode(await saveEpisode(dir, episode))).toEqual(episode);
      }),
      { numRuns: 25 },
    );
  });

  it("saves the rows of a view, not the buffer behind it", async () => {
    const episode = {
      ...smallEpisode("view", 2),
      rewards: ndarray("float32", [2], new Float32Array([9, 1, 2, 9]).subarray(1, 3)),
    };
    const loaded = await loadEpisode(await saveEpisode(dir, episode));
    expect([...loaded.rewards.data]).toEqual([1, 2]);
  });

  it("is refused by name when any byte is changed or missing", async () => {
    const file = await saveEpisode(dir, smallEpisode("broken"));
    const whole = readFileSync(file);
    for (let at = 0; at < whole.length; at += 13) {
      const changed = Buffer.from(whole);
      changed[at] ^= 0x10;
      writeFileSync(file, changed);
      await expect(loadEpisode(file)).rejects.toMatchObject({
        code: "CORRUPT_FILE",
        message: expect.stringContaining(file),
      });
    }
    for (const length of [0, 5, 47, 100, whole.length - 1]) {
      writeFileSync(file, whole.subarray(0, length));
      await expect(loadEpisode(file)).rejects.toMatchObject({ code: "CORRUPT_FILE" });
    }
  });

  it.each([
    ["an id that leaves the folder", { id: "../e" }, "INVALID_ARGUMENT"],
    ["no steps", { rewards: float32([]) }, "INVALID_ARGUMENT"],
    ["as many states as rewards", { states: float32([1, 2, 3, 4], [4, 1]) }, "INVALID_SHAPE"],
    ["frames without channels", { frames: ndarray("uint8", [5, 2, 3], new Uint8Array(30)) }, "INVALID_SHAPE"],
    ["double rewards", { rewards: ndarray("float64", [4], new Float64Array(4)) }, "INVALID_DTYPE"],
    ["an extra of another length", { extras: { timeS: float32([1, 2]) } }, "INVALID_SHAPE"],
    ["an extra named like a column", { extras: { rewards: float32([1, 2, 3, 4]) } }, "INVALID_ARGUMENT"],
    ["meta that JSON cannot hold", { meta: { seed: 7n } }, "INVALID_ARGUMENT"],
  ])("is not written for an episode with %s", async (_, change, code) => {
    const episode = { ...smallEpisode("e"), ...change } as Episode;
    await expect(saveEpisode(dir, episode)).rejects.toMatchObject({ code });
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe("a folder of episodes", () => {
  it("loads sorted by id, unfinished writes left out", async () => {
    for (const id of ["b", "c", "a"]) await saveEpisode(dir, smallEpisode(id));
    writeFileSync(join(dir, ".d.1-0.tmp"), "half an epis");
    expect((await loadEpisodes(dir)).map((episode) => episode.id)).toEqual(["a", "b", "c"]);
  });

  it("names a damaged episode and loads the rest", async () => {
    for (const id of ["a", "b", "c"]) await saveEpisode(dir, smallEpisode(id));
    const damaged = join(dir, "b.episode");
    writeFileSync(damaged, readFileSync(damaged).subarray(0, 300));
    const named: string[] = [];
    const episodes = await loadEpisodes(dir, { onDamaged: (file) => named.push(file) });
    expect(episodes.map((episode) => episode.id)).toEqual(["a", "c"]);
    expect(named).toEqual([damaged]);
    await expect(loadEpisodes(dir)).rejects.toMatchObject({ code: "CORRUPT_FILE" });
  });

  it("does not take an unreadable file for a damaged one", async () => {
    const { mkdir } = await import("node:fs/promises");
    await mkdir(join(dir, "x.episode"));
    const load = loadEpisodes(dir, { onDamaged: () => expect.unreachable() });
    await expect(load).rejects.toMatchObject({ code: "IO_FAILED" });
  });

  it("replaces an episode that is saved again", async () => {
    await saveEpisode(dir, smallEpisode("a", 3));
    await saveEpisode(dir, smallEpisode("a", 6));
    const [only, ...others] = await loadEpisodes(dir);
    expect([only.rewards.shape[0], others.length]).toEqual([6, 0]);
  });

  it("hands a consumer's error through", async () => {
    await saveEpisode(dir, smallEpisode("a"));
    const consume = async (): Promise<void> => {
      for await (const episode of iterateEpisodes(dir, { onDamaged: () => undefined }))
        throw new Error(episode.id);
    };
    await expect(consume()).rejects.toThrow(/^a$/);
  });

  it("names a folder that is not there", async () => {
    await expect(listEpisodes(join(dir, "nowhere"))).rejects.toMatchObject({ code: "IO_FAILED" });
  });
});

describe("a full disk", () => {
  it("is said with its code, and what was written before stays whole", async () => {
    await saveEpisode(dir, smallEpisode("a", 3));
    for (const bytesLeft of [0, 30, 500]) {
      disk.bytesLeft = bytesLeft;
      await expect(saveEpisode(dir, smallEpisode("b", 9))).rejects.toMatchObject({ code: "STORAGE_FULL" });
      await expect(saveEpisode(dir, smallEpisode("a", 9))).rejects.toMatchObject({ code: "STORAGE_FULL" });
    }
    expect(readdirSync(dir)).toEqual(["a.episode"]);
    expect((await loadEpisodes(dir))[0]).toEqual(smallEpisode("a", 3));
  });

  it("leaves an unwritable place as IO_FAILED", async () => {
    const file = join(dir, "file");
    writeFileSync(file, "");
    await expect(saveEpisode(file, smallEpisode("a"))).rejects.toMatchObject({ code: "IO_FAILED" });
    expect(existsSync(file)).toBe(true);
  });
});
