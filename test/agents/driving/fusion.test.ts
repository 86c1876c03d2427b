/** @file The fused estimate against the truth: better than each sensor, alive when one fails, honest when all do. */

import { describe, expect, it } from "vitest";
import { ndarray, zeros } from "../../../src/core/ndarray.ts";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { readCamera } from "../../../src/agents/driving/camera.ts";
import type { CameraOptions } from "../../../src/agents/driving/camera.ts";
import { drivingQuantities, makeFusion } from "../../../src/agents/driving/fusion.ts";
import type { DrivingQuantity, FusionOptions, Reading } from "../../../src/agents/driving/fusion.ts";
import { makeBehaviour } from "../../../src/sim/driving/drivers.ts";
import { makeDriveTrackVec } from "../../../src/sim/driving/track-env.ts";

type Truth = Readonly<Record<DrivingQuantity, number>>;
type Sensor = "camera" | "lane" | "speed";

const stepSeconds = 0.1;
const options: FusionOptions = {
  stepSeconds,
  sensors: {
    camera: { lateralErrorM: 0.3, headingErrorRad: 0.04, speedMps: 1.5 },
    lane: { lateralErrorM: 0.25, headingErrorRad: 0.05 },
    speed: { speedMps: 0.5 },
  },
  wander: { lateralErrorM: 0.05, headingErrorRad: 0.05, speedMps: 0.5 },
};

/** A car that weaves in its lane; each sensor adds its own noise. */
function* weaving(
  seed: number,
  steps: number,
): Generator<{ truth: Truth; readings: Record<Sensor, Reading>; motion: { yawRateRadps: number } }> {
  const rng = Rng.fromSeed(seed);
  let [d, phi] = [0.5, 0];
  for (let t = 0; t < steps; t++) {
    const speedMps = 10 + 2 * Math.sin(t / 30);
    const yawRateRadps = 0.15 * Math.cos(t / 8);
    d += stepSeconds * speedMps * Math.sin(phi + (yawRateRadps * stepSeconds) / 2);
    phi += stepSeconds * yawRateRadps;
    const truth = { lateralErrorM: d, headingErrorRad: phi, speedMps };
    const noisy = (sensor: Sensor): Reading =>
      Object.fromEntries(
        Object.entries(options.sensors[sensor]).map(([name, std]) => [
          name,
          truth[name as DrivingQuantity] + std * rng.standardNormal(),
        ]),
      );
    const readings = { camera: noisy("camera"), lane: noisy("lane"), speed: noisy("speed") };
    yield { truth, readings, motion: { yawRateRadps } };
  }
}

/** Root mean square error of each quantity after the first second, with only these sensors heard. */
function errorsWith(heard: readonly Sensor[]): Record<DrivingQuantity, number> {
  const sums: Record<DrivingQuantity, number> = { lateralErrorM: 0, headingErrorRad: 0, speedMps: 0 };
  let count = 0;
  for (let seed = 0; seed < 4; seed++) {
    const fusion = makeFusion(options);
    let t = 0;
    for (const { truth, readings, motion } of weaving(seed, 300)) {
      const known = Object.fromEntries(heard.map((name) => [name, readings[name]]));
      const state = fusion.step(known, motion);
      if (t++ < 10) continue;
      for (const name of drivingQuantities) sums[name] += (state[name] - truth[name]) ** 2;
      count++;
    }
  }
  for (const name of drivingQuantities) sums[name] = Math.sqrt(sums[name] / count);
  return sums;
}

describe("the fused estimate", () => {
  it("is better with two sensors than with either alone, and far better than a raw reading", () => {
    const [camera, lane, both] = [
      errorsWith(["camera"]),
      errorsWith(["lane"]),
      errorsWith(["camera", "lane"]),
    ];
    expect(both.lateralErrorM).toBeLessThan(0.9 * Math.min(camera.lateralErrorM, lane.lateralErrorM));
    expect(both.headingErrorRad).toBeLessThan(Math.min(camera.headingErrorRad, lane.headingErrorRad));
    expect(both.lateralErrorM).toBeLessThan(0.5 * 0.25);
    const [speed, withCamera] = [errorsWith(["lane", "speed"]), errorsWith(["camera", "speed"])];
    expect(withCamera.speedMps).toBeLessThan(speed.speedMps);
    expect(withCamera.speedMps).toBeLessThan(camera.speedMps);
  });

  it("goes on when a sensor falls silent, says nothing finite, or sticks, and names the stuck one", () => {
    const fusion = makeFusion(options);
    let [t, worst] = [0, 0];
    const rejected = new Set<string>();
    for (const { truth, readings, motion } of weaving(1, 300)) {
      const lane =
        t < 100
          ? readings.lane
          : t < 150
            ? undefined
            : t < 200
              ? { lateralErrorM: NaN, headingErrorRad: NaN }
              : { lateralErrorM: truth.lateralErrorM + 6, headingErrorRad: 1 };
      const state = fusion.step({ ...readings, lane }, motion);
      for (const name of state.rejected) if (t >= 200) rejected.add(name);
      if (t++ >= 100) worst = Math.max(worst, Math.abs(state.lateralErrorM - truth.lateralErrorM));
      expect(Object.values(state.std).every(Number.isFinite)).toBe(true);
      expect(state.blind).toEqual([]);
    }
    expect(worst).toBeLessThan(0.5);
    expect(rejected).toContain("lane");
  });

  it("says what it is blind for when nobody measures it any more, and sees again at once", () => {
    const fusion = makeFusion(options);
    const drive = [...weaving(2, 120)];
    for (const { readings, motion } of drive.slice(0, 60)) fusion.step(readings, motion);
    let state = fusion.step({}, drive[60].motion);
    const before = state.std.lateralErrorM;
    expect(state.blind).toEqual([]);
    for (const { readings, motion } of drive.slice(61, 90))
      state = fusion.step({ speed: readings.speed }, motion);
    expect(state.blind).toEqual(["lateralErrorM", "headingErrorRad"]);
    expect(state.std.lateralErrorM).toBeGreaterThan(2 * before);
    // A car that has moved far meanwhile: the first reading counts, however far off it is.
    const moved = fusion.step({ lane: { lateralErrorM: 30, headingErrorRad: 0 } });
    expect(moved.blind).toEqual([]);
    expect(moved.lateralErrorM).toBeGreaterThan(10);
  });

  it("believes an error about as large as it is", () => {
    const fusion = makeFusion(options);
    const squares: number[] = [];
    for (const { truth, readings, motion } of weaving(3, 600)) {
      const state = fusion.step(readings, motion);
      squares.push(((state.lateralErrorM - truth.lateralErrorM) / state.std.lateralErrorM) ** 2);
    }
    const mean = squares.slice(10).reduce((sum, value) => sum + value, 0) / (squares.length - 10);
    expect(mean).toBeGreaterThan(0.3);
    expect(mean).toBeLessThan(1.7);
  });
});

const camera: CameraOptions = {
  metresPerPixel: 0.5,
  egoRow: 48,
  greennessBeside: 66,
  greennessOnRoad: -7,
  maxHalfWidthM: 8,
  carHalfWidthM: 1.5,
};

describe("the camera as a sensor", () => {
  it("finds the car's place to half a pixel, and its heading, on unseen tracks, badly aimed cars included", async () => {
    const env = makeDriveTrackVec({ numEnvs: 8, split: "test", wideStarts: true });
    const driver = makeBehaviour(env);
    const rng = Rng.fromSeed(4);
    await env.reset({ seed: 0 });
    const begins = zeros("bool", [8]);
    const errors: { lateral: number; heading: number }[] = [];
    let frames = 0;
    for (let t = 0; t < 15; t++) {
      const { observations, infos, terminations, truncations } = await env.step(driver.act(rng));
      const { frame } = observations as { frame: NdArray<"uint8"> };
      const truth = (name: string): NdArray => infos[name].values as NdArray;
      for (let row = 0; row < 8; row++) {
        if (infos.lateralErrorM.mask.data[row] === 0) continue;
        frames++;
        const image = ndarray("uint8", [64, 64, 3], frame.data.subarray(row * 12_288, (row + 1) * 12_288));
        const { lateralErrorM, headingErrorRad } = readCamera(image, camera);
        if (lateralErrorM === undefined || headingErrorRad === undefined) continue;
        errors.push({
          lateral: lateralErrorM - Number(truth("lateralErrorM").data[row]),
          heading: headingErrorRad - Number(truth("headingErrorRad").data[row]),
        });
      }
      begins.data.forEach((_, row) => {
        begins.data[row] = terminations.data[row] | truncations.data[row];
      });
      if (begins.data.includes(1)) {
        await env.reset({ mask: begins });
        driver.begin(begins);
      }
    }
    const median = (values: number[]): number =>
      values.map(Math.abs).toSorted((a, b) => a - b)[values.length >> 1];
    expect(errors.length / frames).toBeGreaterThan(0.8);
    expect(median(errors.map(({ lateral }) => lateral))).toBeLessThan(0.25);
    expect(median(errors.map(({ heading }) => heading))).toBeLessThan(0.08);
  });

  it("says nothing of a frame without a road", () => {
    expect(readCamera(zeros("uint8", [64, 64, 3]), camera)).toEqual({});
    expect(readCamera(zeros("uint8", [0, 0, 3]), camera)).toEqual({});
  });
});
