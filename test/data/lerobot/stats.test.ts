/** @file Statistics against numbers of LeRobot's own code, and against themselves when joined. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { float32, ndarray } from "../../../src/core/ndarray.ts";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { openLerobot } from "../../../src/data/lerobot/reader.ts";
import {
  joinStats,
  numericStats,
  pictureStats,
  sampledFrames,
  statNames,
} from "../../../src/data/lerobot/stats.ts";
import type { DatasetStats } from "../../../src/data/lerobot/stats.ts";
import { writeLerobot } from "../../../src/data/lerobot/writer.ts";
import golden from "./golden-stats.json" with { type: "json" };
import { counterEpisode } from "./episodes.ts";
import { newFolder } from "./folders.ts";

// The arrays that the golden numbers were computed of, with compute_stats.py of huggingface/lerobot 7427f31.
function vectors(rows: number, offset: number): NdArray<"float32"> {
  const values = Array.from({ length: rows }, (_, t) => [Math.sin(t * 0.37 + offset), ((t * t) % 17) / 4]);
  return float32(values.flat(), [rows, 2]);
}

function pictures(rows: number, offset: number): NdArray<"uint8"> {
  const data: number[] = [];
  for (let t = 0; t < rows; t++)
    for (let y = 0; y < 6; y++)
      for (let x = 0; x < 8; x++)
        data.push((x * 31 + t * 7 + offset) % 256, (y * 40 + t) % 256, (x * y + offset) % 256);
  return ndarray("uint8", [rows, 6, 8, 3], Uint8Array.from(data));
}

const statsOf = (rows: number, offset: number): DatasetStats => ({
  v: numericStats(vectors(rows, offset), rows)!,
  image: pictureStats(pictures(rows, offset), rows),
});

function expectGolden(
  stats: DatasetStats,
  expected: Readonly<Record<string, Record<string, number[]>>>,
): void {
  for (const [key, own] of Object.entries(expected)) {
    const range = Math.max(...own.max.map((value, i) => value - own.min[i]));
    for (const name of statNames) {
      // LeRobot's quantiles come from 5000 bins over the range, its moments from sums in float32.
      const tolerance = name.startsWith("q") ? range / 5000 : 3e-5;
      stats[key][name].forEach((value, i) =>
        expect(Math.abs(value - own[name][i]), `${key} ${name} ${i}`).toBeLessThanOrEqual(tolerance),
      );
    }
  }
}

describe("statistics", () => {
  it("are LeRobot's, for vectors and for pictures", () => {
    expectGolden(statsOf(40, 0), golden.a);
    expectGolden(statsOf(130, 3), golden.b);
  });

  it("are joined as LeRobot joins them", () => {
    expectGolden(joinStats(statsOf(40, 0), statsOf(130, 3)), golden.joined);
  });

  it("look at the frames that LeRobot looks at", () => {
    expect(sampledFrames(130)).toEqual(golden.sampled130);
    expect(sampledFrames(1000)).toHaveLength(golden.sampled1000);
    expect([sampledFrames(1), sampledFrames(3)]).toEqual([[0], [0, 1, 2]]);
  });

  it("joined have the moments of the whole", () => {
    const [a, b, c] = [vectors(7, 0), vectors(20, 1), vectors(3, 2)];
    const whole = float32([...a.data, ...b.data, ...c.data], [30, 2]);
    const parts = [a, b, c].map((array) => ({ v: numericStats(array, array.shape[0])! }));
    const joined = parts.reduce<DatasetStats>(joinStats, {}).v;
    const expected = numericStats(whole, 30)!;
    for (const name of ["min", "max", "mean", "std", "count"] as const)
      joined[name].forEach((value, i) => expect(value).toBeCloseTo(expected[name][i], 10));
  });

  it("leave out what is not finite, and a number without any finite value", () => {
    const holes = ndarray("float64", [4], Float64Array.of(1, NaN, 3, Infinity));
    expect(numericStats(holes, 4)).toMatchObject({ min: [1], max: [3], mean: [2], count: [4] });
    expect(numericStats(ndarray("float64", [2], Float64Array.of(NaN, NaN)), 2)).toBeUndefined();
  });

  it("of a data set are written per episode and for all, of its frames and not of its last observations", async () => {
    const folder = newFolder();
    await writeLerobot(folder, [counterEpisode("a", 4), counterEpisode("b", 6)], { fps: 10 });
    const dataset = await openLerobot(folder);
    expect(dataset.metadata.stats?.["observation.state"]).toMatchObject({
      min: [0, -11],
      max: [5, -1],
      count: [10],
    });
    expect(dataset.metadata.stats?.["next.reward"].mean[0]).toBeCloseTo((1 + 2 + 3 + 4 + 21) / 10);
    const json = JSON.parse(readFileSync(join(folder, "meta/stats.json"), "utf8")) as Record<
      string,
      Record<string, unknown>
    >;
    const mean = json["observation.images.front"].mean as number[][][];
    expect(mean.map((channel) => [channel.length, channel[0].length])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    expect(json.action.count).toEqual([10]);
    expect(Object.keys(json.index)).toEqual([...statNames]);
  });
});
