/** @file The rules of both tasks: reward sums, ends, starts, time to collision. */

import { describe, expect, it } from "vitest";
import { Rng } from "../../../src/core/rng.ts";
import { poseOnRoad } from "../../../src/sim/driving/road.ts";
import { projectAnywhere } from "../../../src/sim/driving/track.ts";
import { TrackWorld } from "../../../src/sim/driving/track-world.ts";
import { TrafficWorld, episodeRanges } from "../../../src/sim/driving/traffic-world.ts";
import type { DrivingFacts, DrivingWorld } from "../../../src/sim/driving/world.ts";

const facts: DrivingFacts = {
  progressM: 0,
  lateralErrorM: 0,
  headingErrorRad: 0,
  timeToCollisionS: 0,
  speedMps: 0,
  crashed: false,
  sceneId: 0,
};

function factsOf(world: DrivingWorld, row = 0): DrivingFacts {
  world.describe(row, facts);
  return facts;
}

function track(options: { wideStarts?: boolean } = {}): TrackWorld {
  return new TrackWorld({ numEnvs: 1, split: "train", wideStarts: false, pool: [0, 1], ...options });
}

function traffic(wideStarts = false): TrafficWorld {
  return new TrafficWorld({ numEnvs: 1, split: "train", wideStarts, range: episodeRanges.train });
}

/** Steps until the end or `limit`; returns the rewards. */
function drive(world: DrivingWorld, action: { steer: number; accel: number }, limit: number): number[] {
  const outcome = { reward: 0, terminated: false };
  const rewards: number[] = [];
  while (rewards.length < limit && !outcome.terminated) {
    world.step(0, action, outcome);
    rewards.push(outcome.reward);
  }
  return rewards;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe("DriveTrack's rules", () => {
  it("pay the metres gained, less the edge penalty and 10 for the crash", () => {
    const world = track();
    for (let seed = 0; seed < 5; seed++) {
      world.reset(0, Rng.fromSeed(seed), undefined);
      const outcome = { reward: 0, terminated: false };
      let expected = 0;
      let total = 0;
      while (!outcome.terminated) {
        world.step(0, { steer: 0.15, accel: 1 }, outcome);
        total += outcome.reward;
        expected -= 0.3 * Math.max(0, Math.abs(factsOf(world).lateralErrorM) - 1.5);
      }
      expect(total).toBeCloseTo(expected + factsOf(world).progressM - 10, 9);
      expect(Math.abs(facts.lateralErrorM)).toBeGreaterThan(4);
      expect(facts.crashed).toBe(true);
    }
  });

  it("count progress across the start line and take it back when the car goes the other way", () => {
    const world = track();
    world.reset(0, Rng.fromSeed(1), 0);
    const { car, track: line, place } = world.episodes[0];
    const put = (vertex: number, turned: number): void => {
      car.xM = line.x[vertex];
      car.yM = line.y[vertex];
      car.yawRad = Math.atan2(line.tangentY[vertex], line.tangentX[vertex]) + turned;
      car.speedMps = 10;
      car.steeringRad = 0;
      projectAnywhere(line, car.xM, car.yM, place);
    };
    put(line.count - 1, 0);
    expect(sum(drive(world, { steer: 0, accel: 0 }, 3))).toBeCloseTo(3, 1);
    put(1, Math.PI);
    expect(sum(drive(world, { steer: 0, accel: 0 }, 3))).toBeCloseTo(-3, 1);
  });

  it("start near the middle, or anywhere on the road when starts are wide", () => {
    const ranges = [false, true].map((wideStarts) => {
      const world = track({ wideStarts });
      const rng = Rng.fromSeed(7);
      const seen = { lateral: 0, heading: 0, speed: 0, slowest: Infinity };
      for (let i = 0; i < 200; i++) {
        world.reset(0, rng, undefined);
        factsOf(world);
        seen.lateral = Math.max(seen.lateral, Math.abs(facts.lateralErrorM));
        seen.heading = Math.max(seen.heading, Math.abs(facts.headingErrorRad));
        seen.speed = Math.max(seen.speed, facts.speedMps);
        seen.slowest = Math.min(seen.slowest, facts.speedMps);
      }
      return seen;
    });
    expect(ranges[0].lateral).toBeLessThan(0.51);
    expect(ranges[0].heading).toBeLessThan(0.06);
    expect(ranges[0].slowest).toBeGreaterThanOrEqual(4);
    expect(ranges[1].lateral).toBeGreaterThan(2.5);
    expect(ranges[1].lateral).toBeLessThan(2.9);
    expect(ranges[1].heading).toBeGreaterThan(0.45);
    expect(ranges[1].speed).toBeGreaterThan(12);
  });

  it("tell the time to the road's edge at held speed and heading", () => {
    const world = track();
    const rng = Rng.fromSeed(3);
    for (let i = 0; i < 20; i++) {
      world.reset(0, rng, undefined);
      const { car, track: line } = world.episodes[0];
      const place = { arcM: 0, lateralM: 0, vertex: 0 };
      let travelled = 0;
      while (travelled < 10 * car.speedMps) {
        projectAnywhere(
          line,
          car.xM + travelled * Math.cos(car.yawRad),
          car.yM + travelled * Math.sin(car.yawRad),
          place,
        );
        if (Math.abs(place.lateralM) >= 4) break;
        travelled += 0.02;
      }
      const expected = Math.min(10, travelled / car.speedMps);
      expect(Math.abs(factsOf(world).timeToCollisionS - expected)).toBeLessThan(0.03);
    }
  });

  it("say ten seconds when the car stands", () => {
    const world = track();
    world.reset(0, Rng.fromSeed(3), undefined);
    world.episodes[0].car.speedMps = 0;
    expect(factsOf(world).timeToCollisionS).toBe(10);
  });
});

describe("DriveTraffic's rules", () => {
  /** A world whose traffic is far away, the ego in the middle lane heading along the road at `speed`. */
  function alone(speed: number): TrafficWorld {
    const world = traffic();
    world.reset(0, Rng.fromSeed(1), 11);
    const { vehicles, car, road, ego } = world.episodes[0];
    vehicles.forEach((vehicle, i) => (vehicle.arcM = 300 + 40 * i));
    poseOnRoad(road, 0, 0, car);
    Object.assign(car, { speedMps: speed, steeringRad: 0 });
    Object.assign(ego, { arcM: 0, lateralM: 0, speedMps: speed });
    return world;
  }

  it.each([
    [0, 0],
    [7.5, 0.5],
    [15, 1],
    [18, 1.2],
    [20, 1.2],
  ])("pay v / 15 up to 1.2: at %f m/s %f", (speed, reward) => {
    expect(drive(alone(speed), { steer: 0, accel: 0 }, 1)[0]).toBeCloseTo(reward, 2);
  });

  it("cost 0.02 per squared steering action", () => {
    const [straight] = drive(alone(9), { steer: 0, accel: 0 }, 1);
    const [turning] = drive(alone(9), { steer: -1, accel: 0 }, 1);
    expect(turning - straight).toBeCloseTo(-0.02, 3);
  });

  it("end with -3 beyond 5.4 m, and not before", () => {
    const world = alone(10);
    const rewards = drive(world, { steer: 0.5, accel: 0 }, 100);
    expect(Math.abs(world.episodes[0].place.lateralM)).toBeGreaterThan(5.4);
    expect(Math.abs(world.episodes[0].place.lateralM)).toBeLessThan(6.5);
    expect(rewards.at(-1)).toBeLessThan(-2);
    expect(rewards.slice(0, -1).every((reward) => reward > 0)).toBe(true);
  });

  it("end when the car turns across the road", () => {
    const world = alone(2);
    drive(world, { steer: 1, accel: 0 }, 300);
    const { headingErrorRad, place } = world.episodes[0];
    expect(Math.abs(headingErrorRad) > Math.PI / 2 || Math.abs(place.lateralM) > 5.4).toBe(true);
    const turned = alone(5);
    turned.episodes[0].car.yawRad += 1.6;
    expect(drive(turned, { steer: 0, accel: 0 }, 1)[0]).toBeLessThan(-2.9);
  });

  it("end on touching a car, and tell the time to it before", () => {
    const world = alone(12);
    const [leader] = world.episodes[0].vehicles;
    Object.assign(leader, { arcM: 14.8, lane: 1, lateralM: 0, speedMps: 2, desiredMps: 2 });
    expect(factsOf(world).timeToCollisionS).toBeCloseTo((14.8 - 4.8) / (12 - 2), 6);
    const rewards = drive(world, { steer: 0, accel: 0 }, 50);
    expect(rewards.length).toBeGreaterThanOrEqual(9);
    expect(rewards.length).toBeLessThanOrEqual(11);
    expect(rewards.at(-1)).toBeLessThan(-2);
  });

  it("do not see a leader in another lane or one that drives away", () => {
    const world = alone(12);
    const [leader] = world.episodes[0].vehicles;
    Object.assign(leader, { arcM: 14.8, lane: 2, lateralM: 4, speedMps: 2 });
    expect(factsOf(world).timeToCollisionS).toBe(10);
    Object.assign(leader, { lane: 1, lateralM: 0, speedMps: 13 });
    expect(factsOf(world).timeToCollisionS).toBe(10);
  });

  it("make an episode from its id alone, whoever asks for it", () => {
    const [one, other] = [traffic(), traffic()];
    one.reset(0, Rng.fromSeed(1), 77);
    other.reset(0, Rng.fromSeed(2), 77);
    const rewards = drive(one, { steer: 0.02, accel: 0 }, 80);
    expect(drive(other, { steer: 0.02, accel: 0 }, 80)).toEqual(rewards);
    other.reset(0, Rng.fromSeed(2), 78);
    expect(drive(other, { steer: 0.02, accel: 0 }, 80)).not.toEqual(rewards);
  });

  it("start in a lane's middle at 8–14 m/s; wide starts off it, at 2–16 m/s", () => {
    for (const wide of [false, true]) {
      const world = traffic(wide);
      const rng = Rng.fromSeed(5);
      let [slowest, fastest, aside] = [Infinity, 0, 0];
      for (let i = 0; i < 60; i++) {
        world.reset(0, rng, undefined);
        factsOf(world);
        slowest = Math.min(slowest, facts.speedMps);
        fastest = Math.max(fastest, facts.speedMps);
        aside = Math.max(aside, Math.abs(facts.lateralErrorM));
      }
      expect([slowest < 8, fastest > 14, aside > 1]).toEqual([wide, wide, wide]);
      expect(aside).toBeLessThan(1.25);
    }
  });
});
