/** @file The safety checker over every combination of small scenarios, driven in the simulator's own car: nothing is missed. */

import { describe, expect, it } from "vitest";
import { checkAction, hasWayOut } from "../../../src/agents/driving/safety.ts";
import type {
  DrivingAction,
  DrivingSituation,
  SafetyLimits,
  SafetyReason,
} from "../../../src/agents/driving/safety.ts";
import { makeCar, stepCar, stepSeconds } from "../../../src/sim/driving/car.ts";
import type { CarState } from "../../../src/sim/driving/car.ts";
import { trafficCar } from "../../../src/sim/driving/traffic-world.ts";

const limits: SafetyLimits = {
  stepSeconds,
  wheelbaseM: trafficCar.wheelbaseM,
  maxSteeringRad: trafficCar.maxSteeringRad,
  steeringLag: trafficCar.steeringLag,
  driveMps2: trafficCar.driveMps2,
  brakeMps2: trafficCar.brakeMps2,
  maxLateralM: 1.8,
  maxLateralMps2: 5,
  leaderBrakeMps2: 8,
  minGapM: 0.5,
  minTimeToCollisionS: 0,
};

interface Scenario {
  readonly car: CarState;
  /** Where the rear bumper of the car ahead is; Infinity for none. */
  readonly leaderM: number;
  readonly leaderMps: number;
  readonly leaderMps2: number;
  readonly action: DrivingAction;
}

/** A straight lane along x: the car's y is its lateral error. Its place is its front bumper. */
function situationOf(car: CarState, leaderM: number, leaderMps: number): DrivingSituation {
  return {
    speedMps: car.speedMps,
    steeringRad: car.steeringRad,
    lateralErrorM: car.yM,
    headingErrorRad: car.yawRad,
    ...(leaderM === Infinity ? {} : { gapM: leaderM - car.xM, leaderSpeedMps: leaderMps }),
  };
}

type Check = (
  situation: DrivingSituation,
  action: DrivingAction,
) => { action: DrivingAction; reasons: readonly SafetyReason[] };

const unchecked: Check = (_, action) => ({ action, reasons: [] });
const checked: Check = (situation, action) => checkAction(limits, situation, action);

/** Four seconds of a held action. */
function drive(scenario: Scenario, check: Check): { violations: Set<SafetyReason>; overridden: boolean } {
  const car = { ...scenario.car };
  let { leaderM, leaderMps } = scenario;
  const violations = new Set<SafetyReason>();
  let overridden = false;
  for (let t = 0; t < 40; t++) {
    const { action, reasons } = check(situationOf(car, leaderM, leaderMps), scenario.action);
    overridden ||= reasons.length > 0;
    stepCar(car, trafficCar, action.steer, action.accel);
    const after = Math.max(0, leaderMps + scenario.leaderMps2 * stepSeconds);
    leaderM += ((leaderMps + after) / 2) * stepSeconds;
    leaderMps = after;
    if (leaderM - car.xM <= 0) violations.add("time to collision");
    if (Math.abs(car.yM) > limits.maxLateralM + 1e-6) violations.add("lane");
    if (Math.abs(car.speedMps * car.yawRateRadps) > limits.maxLateralMps2 + 1e-9)
      violations.add("acceleration");
  }
  return { violations, overridden };
}

/** Every combination of speed, place, heading, wheel, gap, the other's speed and braking, and held action. */
function* scenarios(): Generator<Scenario> {
  for (const speedMps of [0, 6, 13, 20])
    for (const yM of [-1.2, 0.5])
      for (const yawRad of [-0.05, 0, 0.1])
        for (const steeringRad of [0, 0.03])
          for (const [gapM, leaderMps, leaderMps2] of leaders)
            for (const action of actions) {
              const car = { ...makeCar(), speedMps, yM, yawRad, steeringRad };
              yield { car, leaderM: gapM, leaderMps, leaderMps2, action };
            }
}

const leaders: readonly (readonly [gapM: number, mps: number, mps2: number])[] = [
  [Infinity, 0, 0],
  ...[3, 12, 40].flatMap((gap) =>
    [0, 8, 16].flatMap((mps) => [0, -8].map((mps2) => [gap, mps, mps2] as const)),
  ),
];
const actions: readonly DrivingAction[] = [-1, 0, 1].flatMap((accel) =>
  [-1, -0.2, 0, 0.1, 1].map((steer) => ({ steer, accel })),
);

/** Drive every scenario that begins with a way out, with and without the checker. */
function survey(check: Check): {
  driven: number;
  missed: number;
  harmful: number;
  harmless: number;
  falseAlarms: number;
} {
  const counts = { driven: 0, missed: 0, harmful: 0, harmless: 0, falseAlarms: 0 };
  for (const scenario of scenarios()) {
    const { car, leaderM, leaderMps } = scenario;
    if (!hasWayOut(limits, situationOf(car, leaderM, leaderMps))) continue;
    counts.driven++;
    const { violations, overridden } = drive(scenario, check);
    counts.missed += violations.size > 0 ? 1 : 0;
    if (drive(scenario, unchecked).violations.size > 0) counts.harmful++;
    else {
      counts.harmless++;
      counts.falseAlarms += overridden ? 1 : 0;
    }
  }
  return counts;
}

describe("the safety checker", () => {
  it(
    "misses no violation in any scenario, and seldom stops what would have been harmless",
    { timeout: 120_000 },
    () => {
      const counts = survey(checked);
      expect(counts.driven).toBeGreaterThan(8_000);
      expect(counts.harmful).toBeGreaterThan(4_000);
      expect(counts.missed).toBe(0);
      expect(counts.falseAlarms / counts.harmless).toBeLessThan(0.05);
    },
  );

  it("lets an action through untouched when nothing speaks against it", () => {
    const calm = {
      speedMps: 10,
      steeringRad: 0,
      lateralErrorM: 0,
      headingErrorRad: 0,
      gapM: 60,
      leaderSpeedMps: 10,
    };
    const action = { steer: 0.05, accel: 0.4 };
    expect(checkAction(limits, calm, action)).toEqual({ action, reasons: [] });
  });

  it.each<[string, Partial<DrivingSituation>, DrivingAction, SafetyReason]>([
    [
      "drives into a standing car",
      { gapM: 9, leaderSpeedMps: 0 },
      { steer: 0, accel: 1 },
      "time to collision",
    ],
    ["leaves the lane", { lateralErrorM: 1.5, headingErrorRad: 0.15 }, { steer: 0.3, accel: 0 }, "lane"],
    ["turns the wheel too far for the speed", { speedMps: 19 }, { steer: 1, accel: 0 }, "acceleration"],
  ])("says why when the policy %s", (_, change, action, reason) => {
    const now = { speedMps: 10, steeringRad: 0, lateralErrorM: 0, headingErrorRad: 0, ...change };
    const verdict = checkAction(limits, now, action);
    expect(verdict.reasons).toContain(reason);
    expect(verdict.action.accel).toBe(-1);
  });

  it("keeps a wanted time to collision beyond the braking distance", () => {
    const near = {
      speedMps: 12,
      steeringRad: 0,
      lateralErrorM: 0,
      headingErrorRad: 0,
      gapM: 30,
      leaderSpeedMps: 6,
    };
    const action = { steer: 0, accel: 0.2 };
    expect(checkAction(limits, near, action).reasons).toEqual([]);
    const patient = { ...limits, minTimeToCollisionS: 6 };
    expect(checkAction(patient, near, action).reasons).toEqual(["time to collision"]);
  });

  it("takes numbers that are none as no action", () => {
    const now = { speedMps: 5, steeringRad: 0, lateralErrorM: 0, headingErrorRad: 0 };
    expect(checkAction(limits, now, { steer: NaN, accel: Infinity }).action).toEqual({ steer: 0, accel: 0 });
  });

  it("brakes and steers back where there is no way out any more", () => {
    const late = { speedMps: 15, steeringRad: 0, lateralErrorM: 1.7, headingErrorRad: 0.3 };
    expect(hasWayOut(limits, late)).toBe(false);
    const { action, reasons } = checkAction(limits, late, { steer: 0.5, accel: 1 });
    expect(reasons).not.toEqual([]);
    expect(action.accel).toBe(-1);
    expect(action.steer).toBeLessThan(0);
  });
});
