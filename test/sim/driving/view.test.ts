/** @file What the frames show: poses move the picture rightly, motion below a pixel moves it smoothly, pictures agree. */

import { describe, expect, it } from "vitest";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { drawGround, frameBytes, frameSide, metresPerPixel } from "../../../src/sim/driving/bird-view.ts";
import type { View } from "../../../src/sim/driving/bird-view.ts";
import { makeDriveTrackVec } from "../../../src/sim/driving/track-env.ts";
import { makeMap } from "../../../src/sim/driving/track-map.ts";
import { makeTrack } from "../../../src/sim/driving/track.ts";
import { makeDriveTrafficVec } from "../../../src/sim/driving/traffic-env.ts";
import type { DrivingVecEnv } from "../../../src/sim/driving/vec-env.ts";

const track = makeTrack(2);
const map = makeMap(track);

function ground(view: View): Uint8Array {
  const out = new Uint8Array(frameBytes);
  drawGround(map, view, out, 0);
  return out;
}

function viewAt(vertex: number): View {
  const yawRad = Math.atan2(track.tangentY[vertex], track.tangentX[vertex]);
  return { xM: track.x[vertex], yM: track.y[vertex], yawRad, egoRow: 48 };
}

function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
}

/** The frame moved down by `rows` and right by `columns`, against another one, over the part that both show. */
function shiftedDifference(frame: Uint8Array, other: Uint8Array, rows: number, columns: number): number {
  let sum = 0;
  let count = 0;
  for (let row = 0; row < frameSide; row++) {
    for (let column = 0; column < frameSide; column++) {
      const [fromRow, fromColumn] = [row - rows, column - columns];
      if (fromRow < 0 || fromRow >= frameSide || fromColumn < 0 || fromColumn >= frameSide) continue;
      for (let c = 0; c < 3; c++) {
        sum += Math.abs(
          frame[(fromRow * frameSide + fromColumn) * 3 + c] - other[(row * frameSide + column) * 3 + c],
        );
      }
      count += 3;
    }
  }
  return sum / count;
}

/** The frame turned by half a turn. */
function turned(frame: Uint8Array): Uint8Array {
  const out = new Uint8Array(frameBytes);
  for (let i = 0; i < frameSide * frameSide; i++) {
    for (let c = 0; c < 3; c++) out[(frameSide * frameSide - 1 - i) * 3 + c] = frame[i * 3 + c];
  }
  return out;
}

describe("the camera", () => {
  it("moves the picture down by a pixel for every half metre driven", () => {
    const view = viewAt(40);
    const ahead = {
      ...view,
      xM: view.xM + 2 * Math.cos(view.yawRad),
      yM: view.yM + 2 * Math.sin(view.yawRad),
    };
    expect(shiftedDifference(ground(view), ground(ahead), 2 / metresPerPixel, 0)).toBeLessThan(1);
    expect(shiftedDifference(ground(view), ground(ahead), 0, 0)).toBeGreaterThan(4);
  });

  it("draws the same picture of a map painted where it looks as of one painted beforehand", () => {
    const whole = makeMap(track);
    whole.grid.forEach((offset, cell) => void (offset < 0 && whole.paintTile(cell)));
    const rng = Rng.fromSeed(5);
    for (let k = 0; k < 300; k++) {
      const straight = viewAt(rng.integers(track.count));
      const view = {
        ...straight,
        xM: straight.xM + rng.uniform(-8, 8),
        yawRad: rng.uniform(-4, 4),
        egoRow: k % 2 === 0 ? 48 : 32,
      };
      const out = new Uint8Array(frameBytes);
      drawGround(whole, view, out, 0);
      expect(Buffer.compare(ground(view), out)).toBe(0);
    }
  });

  it("moves the picture right when the car moves left", () => {
    const view = viewAt(90);
    const left = { ...view, xM: view.xM - Math.sin(view.yawRad), yM: view.yM + Math.cos(view.yawRad) };
    expect(shiftedDifference(ground(view), ground(left), 0, 1 / metresPerPixel)).toBeLessThan(1);
  });

  it("shows the same ground upside down to a car that faces the other way", () => {
    const view = { ...viewAt(140), egoRow: 32 };
    const back = { ...view, yawRad: view.yawRad + Math.PI };
    expect(meanDifference(turned(ground(view)), ground(back))).toBeLessThan(0.5);
  });

  it("keeps colours whatever the heading: the mean of a full turn of views hardly varies around the ego", () => {
    const near = (frame: Uint8Array): number => {
      let sum = 0;
      for (let row = 46; row < 50; row++)
        for (let column = 30; column < 34; column++) sum += frame[(row * 64 + column) * 3];
      return sum / 16;
    };
    const view = viewAt(10);
    const values = Array.from({ length: 16 }, (_, i) => near(ground({ ...view, yawRad: (i * Math.PI) / 8 })));
    expect(Math.max(...values) - Math.min(...values)).toBeLessThan(10);
  });

  it("is anti-aliased: a tenth of a pixel changes every value a little, and twice that about twice as much", () => {
    const view = viewAt(60);
    const moved = (metres: number): Uint8Array =>
      ground({
        ...view,
        xM: view.xM + metres * Math.cos(view.yawRad + 0.7),
        yM: view.yM + metres * Math.sin(view.yawRad + 0.7),
      });
    const still = moved(0);
    const [one, two] = [meanDifference(still, moved(0.05)), meanDifference(still, moved(0.1))];
    expect(one).toBeGreaterThan(0.05);
    expect(two / one).toBeGreaterThan(1.6);
    expect(two / one).toBeLessThan(2.4);
    const largest = moved(0.05).reduce((most, value, i) => Math.max(most, Math.abs(value - still[i])), 0);
    expect(largest).toBeLessThan(30);
  });
});

describe.each([
  ["DriveTrack-v0", (): DrivingVecEnv => makeDriveTrackVec({ numEnvs: 1, trackSeeds: [2] })],
  ["DriveTraffic-v0", (): DrivingVecEnv => makeDriveTrafficVec({ numEnvs: 1 })],
] as const)("the frames of %s", (_id, make) => {
  function frameOf(env: DrivingVecEnv): Uint8Array {
    return (env.resetSync({ seed: 12 }).observations as { frame: NdArray<"uint8"> }).frame.data;
  }

  it("show the ego in red where it stands", () => {
    const env = make();
    const frame = frameOf(env);
    const egoRow = env.world.id === "DriveTrack-v0" ? 48 : 50;
    const reddish = (row: number, column: number): boolean => {
      const i = (row * frameSide + column) * 3;
      return frame[i] > frame[i + 1] + 60;
    };
    expect([31, 32].every((column) => reddish(egoRow, column) && reddish(egoRow - 1, column))).toBe(true);
    expect([20, 44].some((column) => reddish(egoRow, column))).toBe(false);
  });

  it("show what the large picture shows", () => {
    const env = make();
    const frame = frameOf(env);
    const picture = env.renderSync()[0].data;
    const scale = 256 / frameSide;
    const small = new Float64Array(frameBytes);
    for (let i = 0; i < picture.length; i++) {
      const pixel = Math.floor(i / 3);
      const row = Math.floor(pixel / 256 / scale);
      const column = Math.floor((pixel % 256) / scale);
      small[(row * frameSide + column) * 3 + (i % 3)] += picture[i] / (scale * scale);
    }
    const aboveBar = 61 * frameSide * 3;
    expect(meanDifference(small.subarray(0, aboveBar), frame.subarray(0, aboveBar))).toBeLessThan(2.5);
  });

  it("move other pixels smoothly when the car moves by a fraction of one", () => {
    const env = make();
    frameOf(env);
    const { world } = env;
    const frames = [0, 0.05, 0.1].map((metres) => {
      const car = world.cars[0];
      car.xM += metres === 0 ? 0 : 0.05;
      const out = new Uint8Array(frameBytes);
      world.draw(0, out, 0);
      return out;
    });
    const [one, two] = [meanDifference(frames[0], frames[1]), meanDifference(frames[0], frames[2])];
    expect(one).toBeGreaterThan(0.02);
    expect(two / one).toBeGreaterThan(1.4);
    expect(two / one).toBeLessThan(2.6);
  });
});

describe("the speed bar", () => {
  it("is as long as the speed's share of 16 m/s, to a fraction of a pixel", () => {
    const env = makeDriveTrackVec({ numEnvs: 1, trackSeeds: [2] });
    env.resetSync({ seed: 1 });
    const car = env.world.cars[0];
    const lit = [4, 8, 8.1].map((speed) => {
      car.speedMps = speed;
      const out = new Uint8Array(frameBytes);
      env.world.draw(0, out, 0);
      let sum = 0;
      for (let column = 0; column < frameSide; column++)
        sum += (out[(62 * frameSide + column) * 3] - 18) / (120 - 18);
      return sum;
    });
    expect(lit[0]).toBeCloseTo(16, 1);
    expect(lit[1]).toBeCloseTo(32, 1);
    expect(lit[2]).toBeCloseTo(32.4, 1);
  });
});
