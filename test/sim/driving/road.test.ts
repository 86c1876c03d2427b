/** @file The three-lane road: its shape, places on it, and what the camera shows of it. */

import { describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import { frameBytes, frameSide, metresPerPixel } from "../../../src/sim/driving/bird-view.ts";
import { drawRoad } from "../../../src/sim/driving/road-view.ts";
import {
  drawShape,
  laneMiddle,
  laneOf,
  makeRoad,
  placeOnRoad,
  poseOnRoad,
  roadSpacingM,
  shapeRoad,
} from "../../../src/sim/driving/road.ts";
import type { Road, RoadShape } from "../../../src/sim/driving/road.ts";

const straight: RoadShape = { amplitude: [0, 0], wave: [0.03, 0.05], phase: [0, 0] };

function roadOf(shape: RoadShape): Road {
  const road = makeRoad();
  shapeRoad(road, shape);
  return road;
}

/** The tightest road that the task can draw. */
const winding = roadOf({
  amplitude: [9, 4.5],
  wave: [(2 * Math.PI) / 130, (2 * Math.PI) / 90],
  phase: [1, 2],
});

describe("drawShape", () => {
  it("keeps amplitudes and wavelengths within the task's ranges", () => {
    const rng = Rng.fromSeed(0);
    for (let i = 0; i < 200; i++) {
      const { amplitude, wave } = drawShape(rng);
      const [long, short] = wave.map((number) => (2 * Math.PI) / number);
      expect(amplitude[0]).toBeGreaterThanOrEqual(2);
      expect(amplitude[0]).toBeLessThan(9);
      expect(amplitude[1]).toBeGreaterThanOrEqual(1);
      expect(amplitude[1]).toBeLessThan(4.5);
      expect(long).toBeGreaterThan(130 - 1e-9);
      expect(long).toBeLessThan(260 + 1e-9);
      expect(short).toBeGreaterThan(90 - 1e-9);
      expect(short).toBeLessThan(150 + 1e-9);
    }
  });
});

describe("places and poses", () => {
  it("agree on a straight road with plain coordinates", () => {
    const road = roadOf(straight);
    const place = { arcM: 0, lateralM: 0, roadYawRad: 0, curvature: 0 };
    placeOnRoad(road, 123.4, -2.5, place);
    expect(place.arcM).toBeCloseTo(123.4, 9);
    expect(place.lateralM).toBeCloseTo(-2.5, 9);
    expect(place.roadYawRad).toBe(0);
  });

  it("are inverse to each other to 2 cm on the tightest road, over the paved width", () => {
    const place = { arcM: 0, lateralM: 0, roadYawRad: 0, curvature: 0 };
    const pose = { xM: 0, yM: 0, yawRad: 0 };
    for (let arcM = -10; arcM < 600; arcM += 3.7) {
      for (const lateralM of [-6, -2, 0, 4, 6]) {
        poseOnRoad(winding, arcM, lateralM, pose);
        placeOnRoad(winding, pose.xM, pose.yM, place);
        expect(Math.abs(place.arcM - arcM)).toBeLessThan(0.02);
        expect(Math.abs(place.lateralM - lateralM)).toBeLessThan(0.02);
        expect(Math.abs(place.roadYawRad - pose.yawRad)).toBeLessThan(0.01);
      }
    }
  });

  it("measure arc length from x = 0 and curvature with the sign of the turn", () => {
    const zero = -winding.firstX / roadSpacingM;
    expect(winding.arc[zero]).toBe(0);
    for (let i = 1; i < winding.entries - 1; i += 13) {
      const [x0, y0] = [winding.tangentX[i - 1], winding.tangentY[i - 1]];
      const [x1, y1] = [winding.tangentX[i + 1], winding.tangentY[i + 1]];
      const turned = Math.atan2(x0 * y1 - y0 * x1, x0 * x1 + y0 * y1);
      expect(turned / (winding.arc[i + 1] - winding.arc[i - 1])).toBeCloseTo(winding.curvature[i], 4);
    }
  });

  it("number the lanes from the right", () => {
    expect([0, 1, 2].map(laneMiddle)).toEqual([-4, 0, 4]);
    expect([-9, -4.5, -1.9, 1.9, 2.1, 7].map(laneOf)).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

describe("drawRoad", () => {
  const asphaltLike = (frame: Uint8Array, i: number): boolean => Math.abs(frame[i + 1] - frame[i]) < 12;

  it("paves what lies within 6 m of the middle line and nothing beyond 6.8 m, at any pose", () => {
    const frame = new Uint8Array(frameBytes);
    const wrong: number[][] = [];
    const place = { arcM: 0, lateralM: 0, roadYawRad: 0, curvature: 0 };
    for (const [xM, lateral, yawRad] of [
      [0, 0, 0.2],
      [57.3, 3, -0.4],
      [210.9, -4, 1.2],
    ]) {
      const view = { xM, yM: winding.y[Math.round((xM + 64) * 2)] + lateral, yawRad, egoRow: 50 };
      drawRoad(winding, view, frame, 0);
      for (let row = 0; row < frameSide; row++) {
        for (let column = 0; column < frameSide; column++) {
          const forward = (50 - row - 0.5) * metresPerPixel;
          const right = (column + 0.5 - 32) * metresPerPixel;
          const x = xM + forward * Math.cos(yawRad) + right * Math.sin(yawRad);
          const y = view.yM + forward * Math.sin(yawRad) - right * Math.cos(yawRad);
          placeOnRoad(winding, x, y, place);
          const paved = asphaltLike(frame, (row * frameSide + column) * 3);
          const offset = Math.abs(place.lateralM);
          if ((offset < 6 && !paved) || (offset > 6.8 && paved)) wrong.push([row, column]);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});
