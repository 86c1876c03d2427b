/** @file Tracks are closed, smooth, within the stated sizes; projection onto them is exact and continuous. */

import { describe, expect, it } from "vitest";
import { curvatureAt, makeTrack, projectAnywhere, projectNear } from "../../../src/sim/driving/track.ts";
import type { Track } from "../../../src/sim/driving/track.ts";
import { trackPools } from "../../../src/sim/driving/track-world.ts";

const seeds = [0, 7, 100_003, 200_011];

function offset(track: Track, vertex: number, lateralM: number): { x: number; y: number } {
  return {
    x: track.x[vertex] - lateralM * track.tangentY[vertex],
    y: track.y[vertex] + lateralM * track.tangentX[vertex],
  };
}

describe("makeTrack", () => {
  it.each(seeds)("gives seed %i a closed line of equal steps, about 285 m long", (seed) => {
    const track = makeTrack(seed);
    expect(track.lengthM).toBeGreaterThan(260);
    expect(track.lengthM).toBeLessThan(310);
    const steps = Array.from(track.x, (x, i) => {
      const next = (i + 1) % track.count;
      return Math.hypot(track.x[next] - x, track.y[next] - track.y[i]);
    });
    expect(Math.max(...steps) - track.spacingM).toBeLessThan(0.02);
    expect(track.spacingM - Math.min(...steps)).toBeLessThan(0.02);
  });

  it.each(seeds)("keeps the tightest bend of seed %i between 9 and 16 m", (seed) => {
    const { minRadiusM } = makeTrack(seed);
    expect(minRadiusM).toBeGreaterThanOrEqual(9);
    expect(minRadiusM).toBeLessThanOrEqual(16);
  });

  it.each(seeds)("turns once around along seed %i", (seed) => {
    const track = makeTrack(seed);
    const turned = track.curvature.reduce((sum, bend) => sum + bend * track.spacingM, 0);
    expect(Math.abs(turned)).toBeCloseTo(2 * Math.PI, 6);
  });

  it("gives the same seed the same track, and another seed another one, in both driving directions", () => {
    expect(makeTrack(5).x).toEqual(makeTrack(5).x);
    expect(makeTrack(5).x).not.toEqual(makeTrack(6).x);
    const directions = Array.from({ length: 8 }, (_, i) =>
      Math.sign(makeTrack(i).curvature.reduce((a, b) => a + b)),
    );
    expect(new Set(directions)).toEqual(new Set([1, -1]));
  });
});

describe("projection", () => {
  it("finds arc length and signed distance of a point beside any vertex", () => {
    const track = makeTrack(3);
    const place = { arcM: 0, lateralM: 0, vertex: 0 };
    for (let vertex = 0; vertex < track.count; vertex += 7) {
      for (const lateralM of [-4, -1, 0, 2.5, 4]) {
        const { x, y } = offset(track, vertex, lateralM);
        projectAnywhere(track, x, y, place);
        expect(place.lateralM).toBeCloseTo(lateralM, 2);
        const gap = Math.abs(place.arcM - vertex * track.spacingM);
        expect(Math.min(gap, track.lengthM - gap)).toBeLessThan(0.05);
      }
    }
  });

  it("moves continuously along a path, across the lap's end too", () => {
    const track = makeTrack(4);
    const place = { arcM: 0, lateralM: 0, vertex: 0 };
    projectAnywhere(track, track.x[0], track.y[0], place);
    let [travelled, worstStep, worstOffset] = [0, 0, 0];
    for (let i = 1; i <= track.count * 4; i++) {
      const share = (i % 4) / 4;
      const a = Math.floor(i / 4) % track.count;
      const b = (a + 1) % track.count;
      const before = place.arcM;
      projectNear(
        track,
        track.x[a] + share * (track.x[b] - track.x[a]),
        track.y[a] + share * (track.y[b] - track.y[a]),
        place,
      );
      const gained = ((place.arcM - before + track.lengthM * 1.5) % track.lengthM) - track.lengthM / 2;
      worstStep = Math.max(worstStep, Math.abs(gained - track.spacingM / 4));
      worstOffset = Math.max(worstOffset, Math.abs(place.lateralM));
      travelled += gained;
    }
    expect(worstStep).toBeLessThan(0.01);
    expect(worstOffset).toBeLessThan(0.02);
    expect(travelled).toBeCloseTo(track.lengthM, 6);
  });

  it("reads curvature around the lap's end", () => {
    const track = makeTrack(4);
    expect(curvatureAt(track, track.lengthM + 10)).toBe(curvatureAt(track, 10));
    expect(curvatureAt(track, -10)).toBe(curvatureAt(track, track.lengthM - 10));
  });
});

describe("the pools", () => {
  it("hold 200, 40 and 100 tracks, none of them twice", () => {
    const { train, validation, test } = trackPools;
    expect([train.length, validation.length, test.length]).toEqual([200, 40, 100]);
    expect(new Set([...train, ...validation, ...test]).size).toBe(340);
  });
});
