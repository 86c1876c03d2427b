/** @file Replay windows: what is in a batch, where it may lie, and how often each kind is drawn. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32, ndarray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { makeReplay } from "../../src/data/replay.ts";
import type { Replay } from "../../src/data/replay.ts";

const spec = {
  observationColumns: { position: [], pixel: { shape: [2], dtype: "uint8" } },
  transitionColumns: { action: [1], reward: [] },
} as const;
type ToyReplay = Replay<(typeof spec)["observationColumns"], (typeof spec)["transitionColumns"]>;

type ToyBatch = ReturnType<ToyReplay["sample"]>;

/** Observation t of episode e is 100 e + t; so is action t, and reward t is its negative less 1. */
function addEpisode(replay: ToyReplay, length: number, terminated = true, tag = ""): void {
  const start = 100 * replay.episodes.length;
  const up = (count: number, of: (i: number) => number): number[] =>
    Array.from({ length: count }, (_, i) => of(start + i));
  replay.add({
    columns: {
      position: float32(up(length + 1, (i) => i)),
      pixel: ndarray(
        "uint8",
        [length + 1, 2],
        Uint8Array.from(up(length + 1, (i) => i % 100).flatMap((i) => [i, i + 1])),
      ),
      action: float32(
        up(length, (i) => i),
        [length, 1],
      ),
      reward: float32(up(length, (i) => -1 - i)),
    },
    terminated,
    truncated: !terminated,
    tag,
  });
}

function replayOf(lengths: readonly number[], terminated = true): ToyReplay {
  const replay = makeReplay(spec);
  for (const length of lengths) addEpisode(replay, length, terminated);
  return replay;
}

const row = (array: { data: ArrayLike<number>; shape: readonly number[] }, window: number): number[] => {
  const width = array.data.length / array.shape[0];
  return Array.from({ length: width }, (_, i) => array.data[window * width + i]);
};

describe("a window", () => {
  it("aligns actions and rewards with the observations they lead from", () => {
    const batch = replayOf([9, 9]).gather([{ episode: 1, present: 4 }], { context: 3, horizon: 2 });
    expect(row(batch.observations.position, 0)).toEqual([102, 103, 104, 105, 106]);
    expect(row(batch.observations.pixel, 0)).toEqual([2, 3, 3, 4, 4, 5, 5, 6, 6, 7]);
    expect(row(batch.transitions.action, 0)).toEqual([102, 103, 104, 105]);
    expect(row(batch.transitions.reward, 0)).toEqual([-103, -104, -105, -106]);
    expect(row(batch.terminated, 0)).toEqual([0, 0, 0, 0]);
    expect(row(batch.mask, 0)).toEqual([1, 1, 1, 1]);
    expect(batch.observations.pixel.shape).toEqual([1, 5, 2]);
    expect(batch.transitions.action.shape).toEqual([1, 4, 1]);
  });

  it("repeats the last observation behind the end, with transitions of zeros outside the mask", () => {
    const batch = replayOf([4, 9]).gather([{ episode: 0, present: 2 }], { context: 2, horizon: 4 });
    expect(row(batch.observations.position, 0)).toEqual([1, 2, 3, 4, 4, 4]);
    expect(row(batch.observations.pixel, 0).slice(-6)).toEqual([4, 5, 4, 5, 4, 5]);
    expect(row(batch.transitions.action, 0)).toEqual([1, 2, 3, 0, 0]);
    expect(row(batch.mask, 0)).toEqual([1, 1, 1, 0, 0]);
    expect(row(batch.terminated, 0)).toEqual([0, 0, 1, 0, 0]);
  });

  it("repeats the first observation before the start, with transitions of zeros outside the mask", () => {
    const batch = replayOf([3, 9]).gather([{ episode: 1, present: 1 }], { context: 4, horizon: 1 });
    expect(row(batch.observations.position, 0)).toEqual([100, 100, 100, 101, 102]);
    expect(row(batch.observations.pixel, 0).slice(0, 6)).toEqual([0, 1, 0, 1, 0, 1]);
    expect(row(batch.transitions.action, 0)).toEqual([0, 0, 100, 101]);
    expect(row(batch.mask, 0)).toEqual([0, 0, 1, 1]);
  });

  it("is padded on both sides when its episode is short", () => {
    const batch = replayOf([1]).gather([{ episode: 0, present: 0 }], { context: 3, horizon: 3 });
    expect(row(batch.observations.position, 0)).toEqual([0, 0, 0, 1, 1, 1]);
    expect(row(batch.mask, 0)).toEqual([0, 0, 1, 0, 0]);
    expect(row(batch.terminated, 0)).toEqual([0, 0, 1, 0, 0]);
  });

  it("does not mark a truncated end as terminated", () => {
    const batch = replayOf([3], false).gather([{ episode: 0, present: 2 }], { context: 1, horizon: 2 });
    expect(row(batch.terminated, 0)).toEqual([0, 0]);
  });

  it("may end at the last observation when there is no horizon", () => {
    const batch = replayOf([3]).gather([{ episode: 0, present: 3 }], { context: 2, horizon: 0 });
    expect(row(batch.observations.position, 0)).toEqual([2, 3]);
    expect(row(batch.terminated, 0)).toEqual([1]);
  });

  it("overwrites all of a batch that is handed in", () => {
    const replay = replayOf([2, 9]);
    const shape = { context: 3, horizon: 3 };
    const used = replay.gather(
      [
        { episode: 1, present: 4 },
        { episode: 1, present: 0 },
      ],
      shape,
    );
    const segments = [
      { episode: 0, present: 0 },
      { episode: 0, present: 1 },
    ];
    const again = replay.gather(segments, shape, used);
    expect(again).toEqual(replay.gather(segments, shape));
    expect(again.observations.position.data).toBe(used.observations.position.data);
    expect(() => replay.gather(segments, { context: 2, horizon: 2 }, used)).toThrow(/INVALID_SHAPE/);
  });

  it.each([
    [
      { episode: 2, present: 0 },
      { context: 1, horizon: 1 },
    ],
    [
      { episode: 0, present: 4 },
      { context: 1, horizon: 1 },
    ],
    [
      { episode: 0, present: -1 },
      { context: 1, horizon: 1 },
    ],
    [
      { episode: 0, present: 0 },
      { context: 0, horizon: 1 },
    ],
    [
      { episode: 0, present: 0 },
      { context: 1, horizon: 0.5 },
    ],
  ])("is refused at %o with %o", (segment, shape) => {
    expect(() => replayOf([3, 3]).gather([segment], shape)).toThrow(/INVALID_ARGUMENT/);
  });
});

/** Every window holds one episode's rows around its present, and its mask says which of them were recorded. */
function expectWhole(batch: ToyBatch, lengths: readonly number[], context: number): void {
  batch.segments.forEach(({ episode, present }, window) => {
    const positions = row(batch.observations.position, window);
    const actions = row(batch.transitions.action, window);
    const mask = row(batch.mask, window);
    positions.forEach((position, k) => {
      const step = Math.min(Math.max(present - context + 1 + k, 0), lengths[episode]);
      expect(position).toBe(100 * episode + step);
    });
    mask.forEach((recorded, k) => {
      const step = present - context + 1 + k;
      expect(recorded).toBe(step >= 0 && step < lengths[episode] ? 1 : 0);
      expect(actions[k]).toBe(recorded === 1 ? 100 * episode + step : 0);
    });
  });
}

describe("sampling", () => {
  it("never crosses an episode", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 8 }),
        fc.nat(1000),
        (lengths, context, horizon, seed) => {
          const replay = replayOf(lengths);
          const terminalFraction = horizon > 0 ? 0.4 : 0;
          const rng = Rng.fromSeed(seed);
          const options = { batchSize: 8, context, horizon, rng, terminalFraction, recentFraction: 0.3 };
          expectWhole(replay.sample(options), lengths, context);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("is reproducible from the generator's seed", () => {
    const replay = replayOf([5, 20, 7]);
    const draw = (seed: number): object =>
      replay.sample({
        batchSize: 16,
        context: 2,
        horizon: 3,
        rng: Rng.fromSeed(seed),
        terminalFraction: 0.5,
      });
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });

  it("draws every recorded step alike, episodes by their length", () => {
    const replay = replayOf([2, 8]);
    const { segments } = replay.sample({ batchSize: 20_000, context: 1, horizon: 1, rng: Rng.fromSeed(1) });
    const counts = new Map<number, number>();
    for (const { episode, present } of segments) {
      counts.set(100 * episode + present, (counts.get(100 * episode + present) ?? 0) + 1);
    }
    expect([...counts.keys()].toSorted((a, b) => a - b)).toEqual([
      0, 1, 100, 101, 102, 103, 104, 105, 106, 107,
    ]);
    // 2000 expected each; the standard deviation is 42.
    for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(210);
  });

  it("takes no padded context when padStart is false", () => {
    const replay = replayOf([3, 2, 6]);
    const { mask, segments } = replay.sample({
      batchSize: 500,
      context: 3,
      horizon: 0,
      rng: Rng.fromSeed(1),
      padStart: false,
    });
    expect(mask.data.every((value) => value === 1)).toBe(true);
    expect(new Set(segments.map((s) => 10 * s.episode + s.present))).toEqual(new Set([2, 22, 23, 24, 25]));
  });

  it("gives the asked share of windows with a terminal step, anywhere in the horizon", () => {
    const replay = makeReplay(spec);
    addEpisode(replay, 60, false);
    addEpisode(replay, 30, true);
    addEpisode(replay, 2, true);
    const batch = replay.sample({
      batchSize: 4000,
      context: 3,
      horizon: 5,
      rng: Rng.fromSeed(2),
      terminalFraction: 0.25,
    });
    const places = Array.from({ length: 4000 }, (_, window) => row(batch.terminated, window).indexOf(1));
    const forced = places.slice(0, 1000);
    expect(Math.min(...forced)).toBe(2);
    expect(Math.max(...forced)).toBe(6);
    const longs = forced.filter((_, i) => batch.segments[i].episode === 1);
    expect(Math.abs(longs.length - 500)).toBeLessThan(80);
    for (let place = 2; place <= 6; place++) {
      expect(Math.abs(longs.filter((p) => p === place).length - longs.length / 5)).toBeLessThan(45);
    }
    expect(places.slice(1000).filter((place) => place >= 2).length).toBeLessThan(3000 * 0.15);
  });

  it("draws terminal windows like the others while nothing has terminated", () => {
    const replay = replayOf([20], false);
    const batch = replay.sample({
      batchSize: 8,
      context: 1,
      horizon: 2,
      rng: Rng.fromSeed(2),
      terminalFraction: 1,
    });
    expect(batch.segments).toHaveLength(8);
  });

  it("gives the asked share of windows from the newest episodes, also after more came in", () => {
    const replay = replayOf([50, 50, 2, 4]);
    const newest = (): number => {
      const { segments } = replay.sample({
        batchSize: 100,
        context: 1,
        horizon: 1,
        rng: Rng.fromSeed(2),
        recentFraction: 0.5,
        recentEpisodes: 2,
      });
      return segments.slice(0, 50).filter((s) => s.episode >= replay.episodes.length - 2).length;
    };
    expect(newest()).toBe(50);
    addEpisode(replay, 3);
    expect(newest()).toBe(50);
  });

  it("follows priorities, asking once per recorded step", () => {
    const replay = replayOf([10]);
    let asked = 0;
    const priority = (
      episode: { index: number; columns: { reward: { data: Float32Array } } },
      step: number,
    ): number => {
      asked++;
      return episode.index === 1 || episode.columns.reward.data[step] < -8 ? Math.max(0, step - 7) : 0;
    };
    const draw = (): number[] => {
      const options = { batchSize: 3000, context: 1, horizon: 1, rng: Rng.fromSeed(5), priority };
      return replay.sample(options).segments.map((s) => 100 * s.episode + s.present);
    };
    const presents = draw();
    expect(new Set(presents)).toEqual(new Set([8, 9]));
    expect(Math.abs(presents.filter((p) => p === 9).length - 2000)).toBeLessThan(130);
    addEpisode(replay, 9);
    expect(new Set(draw())).toEqual(new Set([8, 9, 108]));
    expect(asked).toBe(19);
  });

  it.each([
    ["negative priority", { priority: () => -1 }, /NOT_FINITE/],
    ["priority that is not a number", { priority: () => NaN }, /NOT_FINITE/],
    ["priority of 0 everywhere", { priority: () => 0 }, /INVALID_ARGUMENT/],
    ["shares above 1", { terminalFraction: 0.6, recentFraction: 0.6 }, /INVALID_ARGUMENT/],
    ["terminal windows without a horizon", { horizon: 0, terminalFraction: 0.1 }, /INVALID_ARGUMENT/],
    ["no windows", { batchSize: 0 }, /INVALID_ARGUMENT/],
    ["a context longer than every episode", { context: 40, padStart: false }, /INVALID_ARGUMENT/],
  ])("refuses %s", (_, change, error) => {
    const options = { batchSize: 4, context: 1, horizon: 1, rng: Rng.fromSeed(1), ...change };
    expect(() => replayOf([9]).sample(options)).toThrow(error);
  });

  it("refuses an empty replay", () => {
    expect(() =>
      makeReplay(spec).sample({ batchSize: 1, context: 1, horizon: 1, rng: Rng.fromSeed(1) }),
    ).toThrow(/INVALID_ARGUMENT/);
  });
});

describe("adding an episode", () => {
  it("keeps the caller's arrays and counts transitions", () => {
    const replay = replayOf([3, 4]);
    expect([replay.transitions, replay.episodes.length]).toEqual([7, 2]);
    const position = float32([1, 2]);
    const pixel = ndarray("uint8", [2, 2], new Uint8Array(4));
    replay.add({
      columns: { position, pixel, action: float32([0], [1, 1]), reward: float32([0]) },
      terminated: false,
      truncated: true,
    });
    expect(replay.episodes[2].columns.position).toBe(position);
  });

  it.each([
    ["a missing column", { reward: undefined }, /INVALID_ARGUMENT.*"reward"/],
    ["one observation too few", { position: float32([1, 2]) }, /INVALID_SHAPE.*"position"/],
    ["another dtype", { position: ndarray("float64", [3], new Float64Array(3)) }, /INVALID_DTYPE/],
    ["no steps", { action: float32([], [0, 1]) }, /INVALID_ARGUMENT.*step/],
  ])("refuses %s", (_, change, error) => {
    const columns = {
      position: float32([1, 2, 3]),
      pixel: ndarray("uint8", [3, 2], new Uint8Array(6)),
      action: float32([1, 2], [2, 1]),
      reward: float32([1, 2]),
      ...change,
    };
    expect(() => makeReplay(spec).add({ columns, terminated: true, truncated: false } as never)).toThrow(
      error,
    );
  });

  it("refuses a column that is both an observation's and a transition's", () => {
    expect(() => makeReplay({ observationColumns: { a: [] }, transitionColumns: { a: [] } })).toThrow(
      /INVALID_ARGUMENT/,
    );
  });
});
