/** @file Both driving environments keep the vector env's laws: conformance, seeds, scenes, masks, ends, snapshots, errors. */

import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isNdArray, ndarray, zeros } from "../../../src/core/ndarray.ts";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { checkVectorEnv } from "../../../src/env/check.ts";
import { Registry } from "../../../src/env/registry.ts";
import { envs, makeDriveTrack, makeDriveTraffic } from "../../../src/sim/driving/envs.ts";
import { makeDriveTrackVec } from "../../../src/sim/driving/track-env.ts";
import { makeDriveTrafficVec } from "../../../src/sim/driving/traffic-env.ts";
import { episodeRanges } from "../../../src/sim/driving/traffic-world.ts";
import type { DrivingObservation, DrivingVecEnv } from "../../../src/sim/driving/vec-env.ts";

interface Options {
  numEnvs: number;
  observation?: "dict" | "frame";
  wideStarts?: boolean;
  maxEpisodeSteps?: number;
  split?: "train" | "validation" | "test";
}

const tasks = [
  {
    id: "DriveTrack-v0",
    make: (options: Options): DrivingVecEnv => makeDriveTrackVec(options),
    scene: "track",
    pinned: 17,
  },
  {
    id: "DriveTraffic-v0",
    make: (options: Options): DrivingVecEnv => makeDriveTrafficVec(options),
    scene: "episode",
    pinned: 4242,
  },
] as const;

function actionsOf(numEnvs: number, steer: number, accel: number): NdArray<"float32"> {
  return ndarray(
    "float32",
    [numEnvs, 2],
    Float32Array.from({ length: 2 * numEnvs }, (_, i) => (i % 2 ? accel : steer)),
  );
}

function randomActions(numEnvs: number, rng: Rng): NdArray<"float32"> {
  return ndarray(
    "float32",
    [numEnvs, 2],
    Float32Array.from({ length: 2 * numEnvs }, () => rng.uniform(-0.3, 0.3)),
  );
}

function frameOf(observation: DrivingObservation): Uint8Array {
  return isNdArray(observation) ? observation.data : observation.frame.data;
}

function maskOf(...rows: number[]): NdArray<"bool"> {
  return ndarray("bool", [rows.length], Uint8Array.from(rows));
}

function infoOf(env: DrivingVecEnv, name: string): ArrayLike<number> {
  const { infos } = env.stepSync(actionsOf(env.numEnvs, 0, 0), zeros("bool", [env.numEnvs]));
  return (infos[name].values as NdArray).data as Float32Array;
}

describe.each(tasks)("$id", ({ id, make, scene, pinned }) => {
  it.each(["dict", "frame"] as const)(
    "passes the conformance suite with %s observations",
    async (observation) => {
      const { skipped } = await checkVectorEnv(make({ numEnvs: 3, observation }));
      expect(skipped).toEqual([]);
    },
  );

  it("gives a row the same episode by the same seed, wherever the row stands", () => {
    const one = make({ numEnvs: 3 });
    const other = make({ numEnvs: 2 });
    const first = frameOf(one.resetSync({ seed: 40 }).observations);
    const second = frameOf(other.resetSync({ seed: [42, 41] }).observations);
    expect(second.subarray(0, 12288)).toEqual(first.subarray(2 * 12288));
    expect(second.subarray(12288)).toEqual(first.subarray(12288, 2 * 12288));
    expect(first.subarray(0, 12288)).not.toEqual(first.subarray(12288, 2 * 12288));
  });

  it("pins the scene of all rows or of each, and tells it in the info", () => {
    const env = make({ numEnvs: 2 });
    const { infos } = env.resetSync({ seed: 1, options: { [scene]: pinned } });
    expect([...(infos[`${scene}Id`].values as NdArray<"int32">).data]).toEqual([pinned, pinned]);
    env.resetSync({ seed: 1, options: { [scene]: [pinned, 3] } });
    expect(Array.from(infoOf(env, `${scene}Id`))).toEqual([pinned, 3]);
  });

  it("refuses a scene of another split, so that training never sees a test scene", () => {
    for (const [split, foreign] of [
      ["train", 200_000],
      ["validation", 5],
      ["test", 5],
    ] as const) {
      const env = make({ numEnvs: 1, split });
      const id = scene === "episode" && split === "train" ? 2_000_000 : foreign;
      expect(() => env.resetSync({ options: { [scene]: id } })).toThrow(/INVALID_ARGUMENT/);
    }
    expect(() => make({ numEnvs: 1, split: "exam" as "test" })).toThrow(/INVALID_ARGUMENT/);
  });

  it("steps and resets only the rows in the mask", () => {
    const env = make({ numEnvs: 3 });
    env.resetSync({ seed: 5 });
    env.stepSync(actionsOf(3, 0, 1));
    const before = {
      frame: frameOf(env.stepSync(actionsOf(3, 0, 1)).observations).slice(),
      cars: env.cars.map((car) => ({ ...car })),
    };
    const batch = env.stepSync(actionsOf(3, 0.1, 1), maskOf(0, 1, 0));
    expect([...batch.valid.data]).toEqual([0, 1, 0]);
    expect([batch.rewards.data[0], batch.rewards.data[2]]).toEqual([0, 0]);
    expect(batch.rewards.data[1]).toBeGreaterThan(0);
    for (const row of [0, 2]) {
      expect(env.cars[row]).toEqual(before.cars[row]);
      expect(frameOf(batch.observations).subarray(row * 12288, (row + 1) * 12288)).toEqual(
        before.frame.subarray(row * 12288, (row + 1) * 12288),
      );
    }
    env.resetSync({ seed: 9, mask: maskOf(1, 0, 0) });
    expect(env.cars[2]).toEqual(before.cars[2]);
    expect(env.cars[0]).not.toEqual(before.cars[0]);
  });

  it("truncates at the step limit without terminating, and terminates without truncating", () => {
    const env = make({ numEnvs: 1, maxEpisodeSteps: 5 });
    env.resetSync({ seed: 3 });
    for (let step = 1; step <= 5; step++) {
      const { terminations, truncations } = env.stepSync(actionsOf(1, 0, 0));
      expect([terminations.data[0], truncations.data[0]]).toEqual([0, step === 5 ? 1 : 0]);
    }
    env.resetSync({ seed: 3 });
    const long = make({ numEnvs: 1 });
    long.resetSync({ seed: 3 });
    for (;;) {
      const { terminations, truncations, infos } = long.stepSync(actionsOf(1, 1, 1));
      if (terminations.data[0] === 0) continue;
      expect(truncations.data[0]).toBe(0);
      expect((infos.crashed.values as NdArray<"bool">).data[0]).toBe(1);
      expect((infos.timeToCollisionS.values as NdArray<"float32">).data[0]).toBe(0);
      break;
    }
  });

  it("goes on from a snapshot byte by byte, resets and generators included", () => {
    const env = make({ numEnvs: 2, wideStarts: true });
    const drive = (): { frames: string; rewards: number[] } => {
      const rng = Rng.fromSeed(8);
      const frames = createHash("sha256");
      const rewards: number[] = [];
      for (let step = 0; step < 60; step++) {
        const { observations, rewards: gained, terminations } = env.stepSync(randomActions(2, rng));
        frames.update(frameOf(observations));
        rewards.push(...gained.data);
        if (terminations.data.some((end) => end !== 0)) env.resetSync({ mask: terminations });
      }
      return { frames: frames.digest("hex"), rewards };
    };
    env.resetSync({ seed: 11 });
    env.stepSync(actionsOf(2, 0.1, 0.5));
    const snapshot = structuredClone(env.snapshot());
    const first = drive();
    env.restore(snapshot);
    expect(drive()).toEqual(first);
    const fresh = make({ numEnvs: 2, wideStarts: true });
    fresh.restore(snapshot);
    expect(fresh.cars.map((car) => car.speedMps)).toEqual(
      (snapshot.state as { worlds: { car: { speedMps: number } }[] }).worlds.map((row) => row.car.speedMps),
    );
    expect(() => make({ numEnvs: 3 }).restore(snapshot)).toThrow(/INVALID_ARGUMENT/);
    expect(() => fresh.restore({ ...snapshot, kind: "CartPole-v1" })).toThrow(/INVALID_ARGUMENT/);
  });

  it("names the row and the reason when it is misused", async () => {
    const env = make({ numEnvs: 2 });
    expect(() => env.stepSync(actionsOf(2, 0, 0))).toThrow(/RESET_NEEDED.*sub-environment 0/s);
    env.resetSync({ seed: 1 });
    const broken = actionsOf(2, 0, 0);
    broken.data[3] = Number.NaN;
    expect(() => env.stepSync(broken)).toThrow(/NOT_FINITE.*sub-environment 1/s);
    expect(() => env.stepSync(actionsOf(3, 0, 0))).toThrow(/INVALID_SHAPE/);
    expect(() => env.resetSync({ seed: [1, 2, 3] })).toThrow(/INVALID_SHAPE/);
    await env.close();
    expect(() => env.resetSync()).toThrow(/ENV_CLOSED/);
  });

  it("clips actions to [-1, 1]", () => {
    const [wild, tame] = [make({ numEnvs: 1 }), make({ numEnvs: 1 })];
    wild.resetSync({ seed: 2 });
    tame.resetSync({ seed: 2 });
    wild.stepSync(actionsOf(1, -7, Infinity));
    tame.stepSync(actionsOf(1, -1, 1));
    expect(wild.cars[0]).toEqual(tame.cars[0]);
  });

  it("returns the same arrays and promises at every step", async () => {
    const env = make({ numEnvs: 1 });
    await env.reset({ seed: 1 });
    const first = env.step(actionsOf(1, 0, 0));
    const second = env.step(actionsOf(1, 0, 0));
    expect(second).toBe(first);
    expect((await second).observations).toBe((await first).observations);
  });

  it("is in the registry as a single and as a batched environment, truncated at 300 steps", async () => {
    const registry = new Registry(envs);
    const vector = await registry.makeVec(id, { numEnvs: 2, split: "validation", seed: 4 });
    const { observations } = await vector.reset();
    expect(vector.observationSpace.contains(observations)).toBe(true);
    await vector.close();
    const single = registry.make(id);
    const { observation } = single.reset({ seed: 4 });
    expect(single.observationSpace.contains(observation)).toBe(true);
    const brake = ndarray("float32", [2], Float32Array.of(0, -1));
    let steps = 0;
    for (let ended = false; !ended; steps++) {
      const { terminated, truncated } = single.step(brake);
      ended = terminated || truncated;
    }
    expect(steps).toBeLessThanOrEqual(300);
    single.close();
  });
});

describe("a single environment", () => {
  it.each([makeDriveTrack, makeDriveTraffic])("hands out observations that stay as they were", (make) => {
    const env = make();
    const { observation } = env.reset({ seed: 6 });
    const kept = frameOf(observation).slice();
    const go = ndarray("float32", [2], Float32Array.of(0.2, 1));
    const first = env.step(go);
    const speed = first.info.speedMps;
    env.step(go);
    expect(frameOf(observation)).toEqual(kept);
    expect(first.info.speedMps).toBe(speed);
    expect(first.info.crashed).toBe(false);
    expect(env.render()).toMatchObject({ dtype: "uint8", shape: [256, 256, 3] });
    const snapshot = env.snapshot();
    const ahead = env.step(go).reward;
    env.restore(snapshot);
    expect(env.step(go).reward).toBe(ahead);
    expect(() => env.step(ndarray("float32", [3], new Float32Array(3)))).toThrow(/INVALID_SHAPE/);
  });
});

describe("traffic's splits", () => {
  it("are disjoint ranges of episode seeds", () => {
    const ranges = Object.values(episodeRanges).sort((a, b) => a[0] - b[0]);
    for (let i = 1; i < ranges.length; i++) expect(ranges[i][0]).toBeGreaterThanOrEqual(ranges[i - 1][1]);
  });
});
