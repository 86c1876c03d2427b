/** @file The scripted drivers reach their ceilings, and the behaviour mix fails as often as data collection needs. */

import { describe, expect, it } from "vitest";
import { zeros } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { makeBehaviour, makeExpert } from "../../../src/sim/driving/drivers.ts";
import type { Driver } from "../../../src/sim/driving/drivers.ts";
import { makeDriveTrackVec } from "../../../src/sim/driving/track-env.ts";
import { makeDriveTrafficVec } from "../../../src/sim/driving/traffic-env.ts";
import type { DrivingVecEnv } from "../../../src/sim/driving/vec-env.ts";

interface Scores {
  readonly episodes: number;
  readonly crashes: number;
  readonly meanReturn: number;
}

/** Drive `frames` frames, episodes of at most 300 steps, beneath the harness: nothing is drawn. */
function drive(env: DrivingVecEnv, driver: Driver, frames: number): Scores {
  const { world, numEnvs } = env;
  const rng = Rng.fromSeed(0);
  const ended = zeros("bool", [numEnvs]);
  const steps = new Int32Array(numEnvs);
  const outcome = { reward: 0, terminated: false };
  let [total, episodes, crashes] = [0, 0, 0];
  for (let row = 0; row < numEnvs; row++) world.reset(row, rng, undefined);
  for (let step = 0; step < frames / numEnvs; step++) {
    const { data } = driver.act(rng);
    for (let row = 0; row < numEnvs; row++) {
      world.step(row, { steer: data[2 * row], accel: data[2 * row + 1] }, outcome);
      total += outcome.reward;
      ended.data[row] = outcome.terminated || ++steps[row] === 300 ? 1 : 0;
      if (ended.data[row] === 0) continue;
      episodes++;
      crashes += outcome.terminated ? 1 : 0;
      steps[row] = 0;
      world.reset(row, rng, undefined);
    }
    driver.begin(ended);
  }
  return { episodes, crashes, meanReturn: total / episodes };
}

describe("the experts", () => {
  it("drive unseen tracks at about 291 without a crash", () => {
    const env = makeDriveTrackVec({ numEnvs: 40, split: "test" });
    const { episodes, crashes, meanReturn } = drive(env, makeExpert(env), 12_000);
    expect([episodes, crashes]).toEqual([40, 0]);
    expect(meanReturn).toBeGreaterThan(285);
    expect(meanReturn).toBeLessThan(305);
  });

  it("drive unseen traffic at about 230, and nine in ten to the end", () => {
    const env = makeDriveTrafficVec({ numEnvs: 40, split: "test" });
    const { episodes, crashes, meanReturn } = drive(env, makeExpert(env), 12_000);
    expect(episodes).toBeGreaterThanOrEqual(40);
    expect(crashes).toBeLessThanOrEqual(4);
    expect(meanReturn).toBeGreaterThan(222);
    expect(meanReturn).toBeLessThan(250);
  });
});

describe("the behaviour mix", () => {
  it.each([
    ["tracks", (numEnvs: number) => makeDriveTrackVec({ numEnvs, wideStarts: true })],
    ["traffic", (numEnvs: number) => makeDriveTrafficVec({ numEnvs, wideStarts: true })],
  ] as const)(
    "crashes on %s at least 500 times in 60 000 frames, and finishes one episode in twenty",
    (_name, make) => {
      const env = make(32);
      const { episodes, crashes, meanReturn } = drive(env, makeBehaviour(env), 60_000);
      expect(crashes).toBeGreaterThanOrEqual(500);
      expect((episodes - crashes) / episodes).toBeGreaterThan(0.05);
      expect(meanReturn).toBeGreaterThan(35);
      expect(meanReturn).toBeLessThan(75);
    },
  );

  it("draws a new style for every episode that it is told of", () => {
    const env = makeDriveTrafficVec({ numEnvs: 1 });
    const driver = makeBehaviour(env, { randomShare: 1 });
    env.resetSync({ seed: 1 });
    const steer = Array.from({ length: 50 }, () => driver.act(Rng.fromSeed(1)).data[0]);
    expect(steer.every((value) => value >= -1 && value <= 1)).toBe(true);
    const rng = Rng.fromSeed(2);
    const spread = Array.from({ length: 200 }, () => driver.act(rng).data[0]);
    expect(Math.max(...spread) - Math.min(...spread)).toBeGreaterThan(1.8);
  });
});
