/** @file A training loop that is stopped and resumed: the same metrics and the same state, to the bit. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { float32, type NdArray } from "../../src/core/ndarray.ts";
import { openMetrics, readMetrics } from "../../src/experiment/records/metrics.ts";
import type { StageContext } from "../../src/experiment/stages.ts";
import { dropPartials, stepRng, trainLoop } from "../../src/experiment/training-loop.ts";
import { newFolder } from "./folders.ts";

type State = { weights: NdArray<"float32">; average: NdArray<"float32"> };

const steps = 23;

function contextIn(folder: string, signal: AbortSignal): StageContext & { close(): void } {
  const metrics = openMetrics(folder);
  const context = {
    runDir: { file: (...parts: string[]) => join(folder, ...parts) },
    metrics,
    progress() {},
    signal,
    seed: 7,
    log() {},
    close: () => metrics.close(),
  };
  return context as unknown as StageContext & { close(): void };
}

/** One session over a folder: everything is made anew, as in a new process. Returns what it ends with, stopped or not. */
async function session(folder: string, options: { stopAt?: number; saveSeconds?: number } = {}) {
  const stop = new AbortController();
  const context = contextIn(folder, stop.signal);
  let state: State = { weights: float32([1, 2, 3]), average: float32([0, 0, 0]) };
  let carried = { place: 0, trail: [] as number[] };
  const ran: number[] = [];
  const done = await trainLoop(context, {
    name: "walk",
    steps,
    logEvery: 4,
    saveSeconds: options.saveSeconds,
    state: () => state,
    load: (next) => void (state = next),
    extra: { save: () => carried, load: (value) => void (carried = value) },
    async step(i, rng) {
      ran.push(i);
      if (i === options.stopAt) stop.abort(new Error("stopped by hand"));
      const noise = rng.normal();
      carried = { place: carried.place + noise, trail: [...carried.trail, i] };
      const weights = state.weights.data.map((w, k) => Math.fround(w + 0.1 * noise * (k + carried.place)));
      const average = state.average.data.map((a, k) => Math.fround(0.9 * a + 0.1 * weights[k]));
      state = { weights: { ...state.weights, data: weights }, average: { ...state.average, data: average } };
      return { loss: weights[0], place: carried.place };
    },
  }).then(
    () => true,
    (error: Error) => {
      expect(error.message).toBe("stopped by hand");
      return false;
    },
  );
  context.close();
  return { state, carried, ran, done };
}

const curveOf = (folder: string): unknown[] =>
  readMetrics(join(folder, "metrics.jsonl")).map(({ stage, step, loss, place }) => ({
    stage,
    step,
    loss,
    place,
  }));

describe("a training loop", () => {
  it("stopped anywhere and resumed gives the metrics and the state of one that was not", async () => {
    const whole = newFolder();
    const reference = await session(whole);
    expect(reference.done).toBe(true);
    for (const stopAt of [0, 5, 14, 20]) {
      const folder = newFolder();
      expect((await session(folder, { stopAt })).done).toBe(false);
      const second = await session(folder);
      expect(second.ran[0] ?? steps).toBe(Math.min(steps, 4 * Math.ceil((stopAt + 1) / 4)));
      expect(second.state).toEqual(reference.state);
      expect(second.carried).toEqual(reference.carried);
      expect(curveOf(folder)).toEqual(curveOf(whole));
    }
  });

  it("killed without a word goes on from its last save and rewinds the metrics to it", async () => {
    const [whole, folder] = [newFolder(), newFolder()];
    const reference = await session(whole);
    await session(folder, { stopAt: 8, saveSeconds: 0 });
    const kept = readFileSync(join(folder, "checkpoints", "walk.partial.safetensors"));
    const metrics = openMetrics(folder);
    metrics.log("walk", 15, { loss: 999, place: 999 });
    metrics.close();
    const second = await session(folder);
    expect(kept.length).toBeGreaterThan(100);
    expect(second.ran[0]).toBe(12);
    expect(second.state).toEqual(reference.state);
    expect(curveOf(folder)).toEqual(curveOf(whole));
  });

  it("that is done does nothing when it is called again, and begins anew once its partial checkpoint is dropped", async () => {
    const folder = newFolder();
    const first = await session(folder);
    const again = await session(folder);
    expect(again.ran).toEqual([]);
    expect(again.state).toEqual(first.state);
    const context = contextIn(folder, new AbortController().signal);
    dropPartials(context, ["walk"]);
    context.close();
    const anew = await session(folder);
    expect(anew.ran.length).toBe(steps);
    expect(curveOf(folder)).toEqual(curveOf(folder));
    expect(anew.state).toEqual(first.state);
  });

  it("gives every step a generator of its own, told by seed, loop and step", () => {
    const draw = (seed: number, name: string, step: number): number => stepRng(seed, name, step).random();
    expect(draw(1, "a", 0)).toBe(draw(1, "a", 0));
    const others = [draw(2, "a", 0), draw(1, "b", 0), draw(1, "a", 1), draw(1, "ab", 0), draw(1, "ba", 0)];
    expect(new Set([draw(1, "a", 0), ...others]).size).toBe(6);
  });
});
