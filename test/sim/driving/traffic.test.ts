/** @file Traffic: IDM's equilibrium, no collisions among themselves, gap-checked lane changes, recycling; box overlap. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import { boxesOverlap } from "../../../src/sim/driving/collision.ts";
import { laneMiddle } from "../../../src/sim/driving/road.ts";
import {
  idmAcceleration,
  leaderOf,
  populate,
  stepTraffic,
  vehicleCount,
  vehicleLengthM,
  vehicleWidthM,
} from "../../../src/sim/driving/traffic.ts";
import type { Vehicle } from "../../../src/sim/driving/traffic.ts";

function vehiclesOf(seed: number): { vehicles: Vehicle[]; rng: Rng } {
  const rng = Rng.fromSeed(seed);
  const vehicles = Array.from({ length: vehicleCount }, () => ({
    arcM: 0,
    lateralM: 0,
    speedMps: 0,
    lane: 0,
    desiredMps: 1,
  }));
  populate(vehicles, 0, rng);
  return { vehicles, rng };
}

const farAway = { arcM: -1000, lateralM: 0, speedMps: 0 };

describe("the intelligent driver model", () => {
  it("holds speed at its equilibrium gap (s0 + vT) / sqrt(1 - (v/v0)^4)", () => {
    for (const speed of [2, 5, 8]) {
      const gap = (3 + speed * 1.2) / Math.sqrt(1 - (speed / 10) ** 4);
      expect(idmAcceleration(speed, 10, gap, 0)).toBeCloseTo(0, 9);
      expect(idmAcceleration(speed, 10, gap + 1, 0)).toBeGreaterThan(0);
      expect(idmAcceleration(speed, 10, gap - 1, 0)).toBeLessThan(0);
    }
  });

  it("accelerates at 2 m/s² from rest on a free road and not at all at its desired speed", () => {
    expect(idmAcceleration(0, 10, Infinity, 0)).toBe(2);
    expect(idmAcceleration(10, 10, Infinity, 0)).toBe(0);
  });

  it("brakes harder the faster it closes in", () => {
    const wanted = [0, 2, 4].map((closing) => idmAcceleration(8, 10, 20, closing));
    expect(wanted[1]).toBeLessThan(wanted[0]);
    expect(wanted[2]).toBeLessThan(wanted[1]);
  });
});

describe("the traffic", () => {
  it("starts 9–26 m apart in lane middles, at 6–11 m/s desired", () => {
    const { vehicles } = vehiclesOf(1);
    vehicles.forEach((vehicle, i) => {
      if (i > 0) {
        expect(vehicle.arcM - vehicles[i - 1].arcM).toBeGreaterThanOrEqual(9);
        expect(vehicle.arcM - vehicles[i - 1].arcM).toBeLessThan(26);
      }
      expect(vehicle.lateralM).toBe(laneMiddle(vehicle.lane));
      expect(vehicle.desiredMps).toBeGreaterThanOrEqual(6);
      expect(vehicle.desiredMps).toBeLessThan(11);
    });
  });

  it("never collides with itself, changing lanes all the while", () => {
    let changes = 0;
    const hits: unknown[] = [];
    for (let seed = 0; seed < 12; seed++) {
      const { vehicles, rng } = vehiclesOf(seed);
      const ego = { arcM: 0, lateralM: 0, speedMps: 9 };
      for (let step = 0; step < 300; step++) {
        const lanes = vehicles.map((vehicle) => vehicle.lane);
        stepTraffic(vehicles, ego, rng);
        ego.arcM += 0.9;
        changes += vehicles.filter((vehicle, i) => vehicle.lane !== lanes[i]).length;
        for (let a = 0; a < vehicleCount; a++) {
          for (let b = 0; b < a; b++) {
            const along = Math.abs(vehicles[a].arcM - vehicles[b].arcM);
            const across = Math.abs(vehicles[a].lateralM - vehicles[b].lateralM);
            if (along < vehicleLengthM && across < vehicleWidthM) hits.push({ seed, step, a, b });
          }
        }
      }
    }
    expect(hits).toEqual([]);
    expect(changes).toBeGreaterThan(20);
  });

  it("follows the ego rather than driving into it", () => {
    const { vehicles, rng } = vehiclesOf(3);
    const [behind] = vehicles;
    Object.assign(behind, { arcM: 0, lane: 1, lateralM: 0, speedMps: 10, desiredMps: 10 });
    const ego = { arcM: 12, lateralM: 0.3, speedMps: 0 };
    vehicles.slice(1).forEach((vehicle, i) => Object.assign(vehicle, { arcM: 200 + 30 * i }));
    expect(leaderOf(behind, vehicles, ego)).toBe(ego);
    ego.speedMps = 6;
    for (let step = 0; step < 200; step++) {
      stepTraffic(vehicles, ego, rng);
      ego.arcM += 0.6;
      if (behind.lane !== 1 || behind.arcM > ego.arcM) break;
      expect(ego.arcM - behind.arcM).toBeGreaterThan(vehicleLengthM);
    }
  });

  it("enters again ahead of the foremost car, out of sight, once the ego has left it 14 m behind", () => {
    const { vehicles, rng } = vehiclesOf(4);
    const last = vehicles[0];
    const ego = { arcM: last.arcM + 15, lateralM: 0, speedMps: 0 };
    const foremost = Math.max(...vehicles.map((vehicle) => vehicle.arcM));
    stepTraffic(vehicles, ego, rng);
    expect(last.arcM).toBeGreaterThan(foremost + 8);
    expect(last.arcM).toBeLessThan(foremost + 30);
  });

  it("does not change into a lane that is taken", () => {
    for (let seed = 0; seed < 30; seed++) {
      const { vehicles, rng } = vehiclesOf(seed);
      const [self, left, right] = vehicles;
      vehicles.forEach((vehicle, i) => Object.assign(vehicle, { arcM: 500 + 40 * i }));
      Object.assign(self, { arcM: 0, lane: 1, lateralM: 0, speedMps: 8, desiredMps: 8 });
      Object.assign(left, { arcM: 2, lane: 2, lateralM: 4, speedMps: 8, desiredMps: 8 });
      Object.assign(right, { arcM: -2, lane: 0, lateralM: -4, speedMps: 8, desiredMps: 8 });
      for (let step = 0; step < 50; step++) {
        stepTraffic(vehicles, farAway, rng);
        for (const vehicle of [self, left, right]) vehicle.speedMps = 8;
      }
      expect(self.lane).toBe(1);
    }
  });
});

describe("boxesOverlap", () => {
  const extent = { halfLengthM: 2.4, halfWidthM: 1.05 };
  const at = (xM: number, yM: number, yawRad: number) => ({ xM, yM, yawRad });

  it("is exact along the axes of parallel boxes", () => {
    expect(boxesOverlap(at(0, 0, 0), extent, at(4.79, 0, 0), extent)).toBe(true);
    expect(boxesOverlap(at(0, 0, 0), extent, at(4.81, 0, 0), extent)).toBe(false);
    expect(boxesOverlap(at(0, 0, 0), extent, at(0, 2.09, 0), extent)).toBe(true);
    expect(boxesOverlap(at(0, 0, 0), extent, at(0, 2.11, 0), extent)).toBe(false);
  });

  it("separates crossed boxes that circles would not", () => {
    expect(boxesOverlap(at(0, 0, 0), extent, at(3.4, 0, Math.PI / 2), extent)).toBe(true);
    expect(boxesOverlap(at(0, 0, 0), extent, at(3.5, 0, Math.PI / 2), extent)).toBe(false);
  });

  it("agrees with a search for a common point", () => {
    const inside = (
      box: { xM: number; yM: number; yawRad: number },
      x: number,
      y: number,
      slack: number,
    ): boolean => {
      const along = (x - box.xM) * Math.cos(box.yawRad) + (y - box.yM) * Math.sin(box.yawRad);
      const across = (y - box.yM) * Math.cos(box.yawRad) - (x - box.xM) * Math.sin(box.yawRad);
      return Math.abs(along) <= extent.halfLengthM + slack && Math.abs(across) <= extent.halfWidthM + slack;
    };
    const shared = (b: { xM: number; yM: number; yawRad: number }, slack: number): boolean => {
      for (let x = -2.4; x <= 2.4; x += 0.1) {
        for (let y = -1.05; y <= 1.05; y += 0.1) if (inside(b, x, y, slack)) return true;
      }
      return false;
    };
    const number = (most: number) => fc.double({ min: -most, max: most, noNaN: true });
    fc.assert(
      fc.property(number(6), number(4), number(3.2), (x, y, yaw) => {
        const other = at(x, y, yaw);
        const answer = boxesOverlap(at(0, 0, 0), extent, other, extent);
        expect(answer).toBe(boxesOverlap(other, extent, at(0, 0, 0), extent));
        if (shared(other, -0.01)) expect(answer).toBe(true);
        if (!shared(other, 0.16)) expect(answer).toBe(false);
      }),
      { numRuns: 300, seed: 3 },
    );
  });
});
