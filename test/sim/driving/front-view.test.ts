/** @file The front camera of the driving environments: what it shows stands where the simulator says it is. */

import { describe, expect, it } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { makeFrontView } from "../../../src/sim/driving/front-view.ts";
import { makeDriveTrackVec } from "../../../src/sim/driving/track-env.ts";
import { makeDriveTrafficVec } from "../../../src/sim/driving/traffic-env.ts";

const frame = (observations: unknown): Uint8Array => (observations as { frame: NdArray<"uint8"> }).frame.data;

/** Columns of the pixels for which `is` holds. */
function columnsOf(data: Uint8Array, is: (r: number, g: number, b: number) => boolean): number[] {
  const columns: number[] = [];
  for (let k = 0; k < 64 * 64; k++) {
    if (is(data[3 * k], data[3 * k + 1], data[3 * k + 2])) columns.push(k % 64);
  }
  return columns;
}

const isBlue = (r: number, g: number, b: number): boolean => b > 90 && b > 2 * r && b > 1.5 * g;
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

describe("the front camera", () => {
  it("shows a car to the left on the left, larger when it is nearer, and none that is behind", () => {
    const view = makeFrontView(1, () => undefined);
    const out = new Uint8Array(64 * 64 * 3);
    const columns = (xM: number, yM: number): number[] => {
      view.draw({ xM: 0, yM: 0, yawRad: 0 }, [{ xM, yM, yawRad: 0 }], out, 0);
      return columnsOf(out, isBlue);
    };
    expect(mean(columns(15, 4))).toBeLessThan(31);
    expect(mean(columns(15, -4))).toBeGreaterThan(32);
    expect(mean(columns(15, 0))).toBeCloseTo(31.5, 0);
    expect(columns(10, 0).length).toBeGreaterThan(2 * columns(20, 0).length);
    expect(columns(-12, 0)).toEqual([]);
  });

  it("turns and moves with the car: the ground is painted in world coordinates", () => {
    // The left half of the world, y > 0, is painted white.
    const view = makeFrontView(0, (place, color) => void (place[1] > 0 && color.fill(255)));
    const out = new Uint8Array(64 * 64 * 3);
    const whiteShare = (yM: number, yawRad: number): number => {
      view.draw({ xM: 7, yM, yawRad }, [], out, 0);
      const bottom = out.subarray(60 * 64 * 3, 61 * 64 * 3);
      return bottom.filter((value, at) => at % 3 === 0 && value > 200).length / 64;
    };
    expect(whiteShare(0, 0)).toBeCloseTo(0.5, 1);
    expect(whiteShare(30, 0)).toBe(1);
    expect(whiteShare(-30, 0)).toBe(0);
    expect(whiteShare(0, Math.PI)).toBeCloseTo(0.5, 1);
    expect(whiteShare(4, Math.PI / 2)).toBe(1);
  });

  it.each([
    ["DriveTrack-v0", makeDriveTrackVec],
    ["DriveTraffic-v0", makeDriveTrafficVec],
  ])("replaces the frames of %s, and nothing else changes", (_, make) => {
    const [bird, front] = (["bird", "front"] as const).map((camera) => make({ numEnvs: 2, camera }));
    const [above, ahead] = [bird.resetSync({ seed: 4 }), front.resetSync({ seed: 4 })];
    expect(frame(above.observations)).not.toEqual(frame(ahead.observations));
    const first = frame(ahead.observations).slice();
    expect(first.subarray(0, 12_288)).not.toEqual(first.subarray(12_288));
    const actions = { dtype: "float32", shape: [2, 2], data: Float32Array.of(0.3, 0.5, -0.3, 0.5) } as const;
    for (let i = 0; i < 3; i++) {
      expect(front.stepSync(actions).rewards.data).toEqual(bird.stepSync(actions).rewards.data);
    }
    front.resetSync({ seed: 4 });
    expect(frame(front.resetSync({ seed: 4 }).observations)).toEqual(first);
    expect(new Set(front.renderSync()[0].data).size).toBeGreaterThan(40);
  });

  it("is refused under another name", () => {
    expect(() => makeDriveTrackVec({ numEnvs: 1, camera: "rear" as "front" })).toThrow("front");
  });
});
