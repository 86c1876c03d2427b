/** @file Captions say what the simulator knows, and frames show it. */

import { beforeAll, describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import {
  attributesOf,
  captionOf,
  drivingAttributes,
  paintCar,
  roadTurnRad,
} from "../../../src/sim/driving/captions.ts";
import { makeDriveTrackVec } from "../../../src/sim/driving/track-env.ts";
import type { TrackWorld } from "../../../src/sim/driving/track-world.ts";
import type { DrivingVecEnv } from "../../../src/sim/driving/vec-env.ts";

const rows = 40;
let env: DrivingVecEnv;
let world: TrackWorld;
let frames: Uint8Array;

beforeAll(async () => {
  env = makeDriveTrackVec({ numEnvs: rows, split: "validation" });
  world = env.world as TrackWorld;
  const { observations } = await env.reset({ seed: 4 });
  frames = (observations as { frame: { data: Uint8Array } }).frame.data.slice();
});

const pixelAt = (row: number, y: number, x: number): number[] => {
  const at = ((row * 64 + y) * 64 + x) * 3;
  return Array.from(frames.subarray(at, at + 3));
};

describe("attributes of a scene", () => {
  it("are those of the car and of the road ahead", () => {
    for (const [row, episode] of world.episodes.entries()) {
      const { speed, turn, color } = attributesOf(episode, row % 5);
      const ends = [0, 4, 7.5, 11, Infinity];
      expect(episode.car.speedMps).toBeGreaterThanOrEqual(ends[speed]);
      expect(episode.car.speedMps).toBeLessThan(ends[speed + 1]);
      expect(color).toBe(row % 5);
      // Bends to the left come first in the list and have positive angles.
      const angle = roadTurnRad(episode);
      expect(Math.sign(2 - turn)).toBe(Math.abs(angle) < 0.2 ? 0 : Math.sign(angle));
    }
  });

  it("show: where the road turns left, there is more of it in the frame's upper left", () => {
    // Of a car that points along the road; asphalt is grey, grass is green.
    const asphalt = (row: number, from: number): number => {
      let count = 0;
      for (let y = 4; y < 24; y++)
        for (let x = from; x < from + 32; x++) {
          const [r, g, b] = pixelAt(row, y, x);
          if (Math.abs(r - g) < 25 && Math.abs(g - b) < 30) count++;
        }
      return count;
    };
    let [right, all] = [0, 0];
    for (const [row, episode] of world.episodes.entries()) {
      const angle = roadTurnRad(episode);
      if (Math.abs(angle) < 0.5) continue;
      all++;
      if (Math.sign(asphalt(row, 0) - asphalt(row, 32)) === Math.sign(angle)) right++;
    }
    expect(all).toBeGreaterThan(8);
    expect(right / all).toBeGreaterThan(0.75);
  });

  it("paint the car, and nothing else", () => {
    const before = frames.slice();
    for (let color = 0; color < 5; color++) {
      paintCar(frames, color * 64 * 64 * 3, color);
      let changed = 0;
      for (let i = color * 4096; i < (color + 1) * 4096; i++)
        if (frames.subarray(3 * i, 3 * i + 3).some((value, c) => value !== before[3 * i + c])) changed++;
      expect(changed).toBeLessThan(80);
    }
    const [blue, yellow, white] = [1, 2, 3].map((row) => pixelAt(row, 48, 31));
    expect(blue[2]).toBeGreaterThan(blue[0] + 80);
    expect(Math.min(yellow[0], yellow[1])).toBeGreaterThan(yellow[2] + 80);
    expect(Math.min(...white)).toBeGreaterThan(180);
  });
});

describe("a caption", () => {
  it("names the colour and differs with every attribute, in many words", () => {
    const base = { color: 1, speed: 2, turn: 0 };
    const said = (attributes: typeof base): Set<string> =>
      new Set(Array.from({ length: 200 }, (_, i) => captionOf(attributes, Rng.fromSeed(i))));
    const all = said(base);
    expect(all.size).toBeGreaterThan(50);
    for (const caption of all) expect(caption).toContain(drivingAttributes.color[1]);
    for (const other of [
      { ...base, color: 2 },
      { ...base, speed: 1 },
      { ...base, turn: 4 },
    ])
      for (const caption of said(other)) expect(all.has(caption)).toBe(false);
  });
});
