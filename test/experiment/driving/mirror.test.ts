/** @file Mirror images of episodes: as true as the originals, by the car's own law. */

import { describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import type { Episode } from "../../../src/data/episode.ts";
import { mirrored } from "../../../src/experiment/driving/mirror.ts";
import { recordedEpisodes } from "../../../src/experiment/loop/recording.ts";
import { makeTaskEnv } from "../../../src/experiment/driving/task.ts";
import { trafficCar } from "../../../src/sim/driving/traffic-world.ts";

async function recorded(): Promise<Episode> {
  const rng = Rng.fromSeed(4);
  const [episode] = await recordedEpisodes({
    env: makeTaskEnv("DriveTraffic-v0", { numEnvs: 1, split: "train", wideStarts: true }),
    choose: async () => ({
      dtype: "float32",
      shape: [1, 2],
      data: Float32Array.of(rng.uniform(-1, 1), rng.uniform(-1, 1)),
    }),
    seed: 11,
    episodes: 1,
    prefix: "x",
    meta: { policy: "random" },
  });
  return episode;
}

/** Largest deviation of the recorded steering angles from the actuator's law. */
function steeringFault({ states, actions }: Episode): number {
  let worst = 0;
  for (let t = 0; t < actions.shape[0]; t++) {
    const [before, after] = [states.data[3 * t + 2], states.data[3 * t + 5]];
    const wanted = actions.data[2 * t] * trafficCar.maxSteeringRad;
    worst = Math.max(worst, Math.abs(after - before - trafficCar.steeringLag * (wanted - before)));
  }
  return worst;
}

describe("a mirrored episode", () => {
  it("obeys the car's steering law, which an episode with only its actions mirrored does not", async () => {
    const episode = await recorded();
    expect(steeringFault(episode)).toBeLessThan(1e-5);
    expect(steeringFault(mirrored(episode))).toBeLessThan(1e-5);
    expect(steeringFault({ ...episode, actions: mirrored(episode).actions })).toBeGreaterThan(0.01);
  });

  it("shows every pixel on the other side", async () => {
    const episode = await recorded();
    const image = mirrored(episode).frames;
    for (const [t, y, x] of [
      [0, 3, 5],
      [1, 40, 63],
    ]) {
      const at = (column: number): number => ((t * 64 + y) * 64 + column) * 3;
      expect([...image.data.subarray(at(63 - x), at(63 - x) + 3)]).toEqual([
        ...episode.frames.data.subarray(at(x), at(x) + 3),
      ]);
    }
  });

  it("is the original again when mirrored twice, and keeps speed, pedal, rewards and ends", async () => {
    const episode = await recorded();
    const image = mirrored(episode);
    const twice = mirrored(image);
    expect(twice.frames.data).toEqual(episode.frames.data);
    expect(twice.states.data).toEqual(episode.states.data);
    expect(twice.actions.data).toEqual(episode.actions.data);
    expect(image.states.data[0]).toBe(episode.states.data[0]);
    expect(image.actions.data[1]).toBe(episode.actions.data[1]);
    expect(image.rewards).toBe(episode.rewards);
    expect(image.terminated).toBe(episode.terminated);
  });
});
