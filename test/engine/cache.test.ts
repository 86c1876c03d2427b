/** @file The cache of optimized graphs: used when it helps, ignored when damaged or out of reach, and never wrong. */

import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { float32 } from "../../src/core/ndarray.ts";
import { cacheEntry } from "../../src/engine/cache.ts";
import { jit, tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "reverie-cache-"));
  vi.stubEnv("REVERIE_CACHE", home);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

const graphs = (): string[] => readdirSync(join(home, "graphs"));

/** A graph that is large because of a constant; `offset` tells graphs apart. */
async function run(offset: number): Promise<number> {
  const f = jit((x: Tensor) => tf.sum(tf.mul(tf.sin(x), tf.linspace(0, offset, 20_000))));
  const out = await f(float32(new Array(20_000).fill(1)));
  await f.dispose();
  return out.data[0] as number;
}

describe("the graph cache", () => {
  it("holds a large graph after its first compilation, and gives the same numbers from it", async () => {
    const first = await run(1);
    expect(graphs()).toHaveLength(1);
    const { mtimeMs } = statSync(join(home, "graphs", graphs()[0]));
    expect(await run(1)).toBe(first);
    expect(statSync(join(home, "graphs", graphs()[0])).mtimeMs).toBe(mtimeMs);
  });

  it("tells graphs apart that differ in a constant", async () => {
    const [one, two] = [await run(1), await run(2)];
    expect(graphs()).toHaveLength(2);
    expect(two / one).toBeCloseTo(2, 3);
  });

  it("replaces a damaged file", async () => {
    const first = await run(1);
    const file = join(home, "graphs", graphs()[0]);
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, 1000));
    expect(await run(1)).toBe(first);
    expect(await run(1)).toBe(first);
  });

  it("leaves small graphs alone, and does nothing when off or out of reach", async () => {
    await jit((x: Tensor) => tf.neg(x))(float32([1]));
    expect(readdirSync(home)).toEqual([]);
    vi.stubEnv("REVERIE_CACHE", "off");
    expect(cacheEntry(new Uint8Array(1e6), "1")).toBeUndefined();
    const blocked = join(home, "file");
    writeFileSync(blocked, "");
    chmodSync(blocked, 0o400);
    vi.stubEnv("REVERIE_CACHE", blocked);
    expect(await run(3)).toBeGreaterThan(0);
  });

  it("keeps the newest 200", () => {
    const entry = cacheEntry(new Uint8Array(1e5), "1");
    for (let i = 0; i < 205; i++) {
      const file = join(home, "graphs", `${i}.ort`);
      writeFileSync(file, "");
      utimesSync(file, i, i);
    }
    writeFileSync(entry?.partial as string, "new");
    entry?.commit();
    expect(graphs()).toHaveLength(200);
    expect(graphs()).not.toContain("5.ort");
    expect(graphs()).toContain("6.ort");
    expect(Buffer.from(entry?.read() ?? []).toString()).toBe("new");
  });
});
