/** @file The car against closed forms: circles, the tyres' limit, the steering lag. */

import { describe, expect, it } from "vitest";
import { makeCar, moveCar, stepCar, wrapAngle, yawRateOf } from "../../../src/sim/driving/car.ts";
import { trackCar } from "../../../src/sim/driving/track-episode.ts";
import { trafficCar } from "../../../src/sim/driving/traffic-world.ts";

describe("the kinematic bicycle", () => {
  it("drives the circle of radius wheelbase / tan(steering) when the tyres do not limit it", () => {
    const spec = { ...trackCar, lateralLimitMps2: Infinity };
    const car = { ...makeCar(), speedMps: 5, steeringRad: 0.3 };
    const radius = spec.wheelbaseM / Math.tan(0.3);
    for (let i = 0; i < 200; i++) {
      moveCar(car, spec, 0, 0.1);
      expect(Math.hypot(car.xM, car.yM - radius)).toBeCloseTo(radius, 9);
    }
    expect(car.yawRateRadps).toBeCloseTo(5 / radius, 12);
  });

  it("turns left for positive steering and right for negative", () => {
    for (const sign of [1, -1]) {
      const car = { ...makeCar(), speedMps: 5 };
      for (let i = 0; i < 5; i++) stepCar(car, trackCar, sign, 0);
      expect(Math.sign(car.yM)).toBe(sign);
      expect(Math.sign(car.yawRateRadps)).toBe(sign);
    }
  });

  it("never passes the tyres' lateral acceleration, and approaches it", () => {
    for (const speed of [2, 8, 16]) {
      const lateral = speed * yawRateOf(trackCar, speed, trackCar.maxSteeringRad);
      expect(lateral).toBeLessThan(7);
      expect(lateral).toBeCloseTo(7 * Math.tanh((speed * speed * Math.tan(0.42)) / 2.6 / 7), 12);
    }
    expect(16 * yawRateOf(trackCar, 16, 0.42)).toBeGreaterThan(6.99);
  });

  it("closes the stated share of the steering error in every step", () => {
    const car = makeCar();
    stepCar(car, trackCar, 1, 0);
    expect(car.steeringRad).toBeCloseTo(0.42 * 0.6, 12);
    stepCar(car, trackCar, 1, 0);
    expect(car.steeringRad).toBeCloseTo(0.42 * (1 - 0.4 ** 2), 12);
  });

  it("accelerates and brakes by the stated rates within its speed range", () => {
    const car = makeCar();
    for (let i = 0; i < 10; i++) stepCar(car, trackCar, 0, 1);
    expect(car.speedMps).toBeCloseTo(4, 9);
    expect(car.xM).toBeCloseTo(0.5 * 4 * 1, 9);
    for (let i = 0; i < 100; i++) stepCar(car, trackCar, 0, 1);
    expect(car.speedMps).toBe(16);
    for (let i = 0; i < 10; i++) stepCar(car, trackCar, 0, -1);
    expect(car.speedMps).toBeCloseTo(10, 9);
    for (let i = 0; i < 100; i++) stepCar(car, trackCar, 0, -1);
    expect(car.speedMps).toBe(0);
  });

  it("gives the traffic car's figures of the reference task", () => {
    expect(trafficCar).toMatchObject({
      wheelbaseM: 2.7,
      maxSteeringRad: 0.22,
      steeringLag: 0.5,
      maxSpeedMps: 20,
    });
    expect(trafficCar).toMatchObject({ driveMps2: 3, brakeMps2: 6, lengthM: 4.8, widthM: 2.1 });
  });
});

describe("wrapAngle", () => {
  it("brings every angle into (-pi, pi] without changing its direction", () => {
    for (const angle of [-10, -Math.PI, -1, 0, 1, Math.PI, 4, 1000]) {
      const wrapped = wrapAngle(angle);
      expect(wrapped).toBeGreaterThan(-Math.PI);
      expect(wrapped).toBeLessThanOrEqual(Math.PI);
      expect(Math.cos(wrapped)).toBeCloseTo(Math.cos(angle), 9);
      expect(Math.sin(wrapped)).toBeCloseTo(Math.sin(angle), 9);
    }
  });
});
