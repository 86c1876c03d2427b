/** @file The limiter's laws: no sequence of targets and no spacing in time takes a setpoint past a limit. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { parseSafety } from "../../../src/bridge/safety/channels.ts";
import type { Channel } from "../../../src/bridge/safety/channels.ts";
import { advance, brake, brakingSpeed } from "../../../src/bridge/safety/limiter.ts";

const slack = 1e-9;

function channelOf(input: Record<string, unknown>): Channel {
  return parseSafety({ channels: [{ name: "a", ...input }] }).channels[0];
}

const steps = fc.array(
  fc.record({
    target: fc.double({ min: -50, max: 50, noNaN: true }),
    dt: fc.double({ min: 1e-4, max: 0.01, noNaN: true }),
  }),
  { minLength: 1, maxLength: 100 },
);

/** How far `value` lies outside [low, high]. */
function excess(value: number, low: number, high: number): number {
  return Math.max(0, low - value, value - high);
}

describe("a position channel", () => {
  const joint = channelOf({
    kind: "position",
    position: [-1, 2],
    velocity: [-3, 5],
    acceleration: 40,
    step: 0.04,
  });

  it("keeps position, velocity, acceleration and step limits for any targets at any spacing", () => {
    fc.assert(
      fc.property(steps, fc.double({ min: -1, max: 2, noNaN: true }), (sequence, start) => {
        const state = { value: start, velocity: 0 };
        let worst = 0;
        for (const { target, dt } of sequence) {
          const before = { ...state };
          advance(joint, state, target, { elapsedSeconds: dt, periodSeconds: 0.01 });
          const change = state.value - before.value;
          // A step of 0.04 in a period of 10 ms is tighter than 5 per second.
          worst = Math.max(
            worst,
            excess(state.value, -1, 2),
            excess(change, -3 * dt, 4 * dt),
            excess(change, -0.04, 0.04),
          );
          worst = Math.max(worst, excess(state.velocity - before.velocity, -40 * dt, 40 * dt));
        }
        expect(worst).toBeLessThanOrEqual(slack);
      }),
      { numRuns: 150 },
    );
  });

  it("reaches a fixed target inside its bounds without overshooting it", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1, max: 2, noNaN: true }),
        fc.double({ min: -1, max: 2, noNaN: true }),
        (start, goal) => {
          const state = { value: start, velocity: 0 };
          let worst = 0;
          for (let i = 0; i < 400; i++) {
            advance(joint, state, goal, { elapsedSeconds: 0.01, periodSeconds: 0.01 });
            worst = Math.max(worst, excess(state.value, Math.min(start, goal), Math.max(start, goal)));
          }
          expect(worst).toBeLessThanOrEqual(slack);
          expect(state.value).toBeCloseTo(goal, 4);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("brakes inside its bounds from any reachable state", () => {
    const spacings = fc.array(fc.double({ min: 1e-4, max: 0.01, noNaN: true }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(steps, spacings, (sequence, spacing) => {
        const state = { value: 0, velocity: 0 };
        for (const { target, dt } of sequence)
          advance(joint, state, target, { elapsedSeconds: dt, periodSeconds: 0.01 });
        let worst = 0;
        for (let i = 0; i < 3000 && state.velocity !== 0; i++) {
          const before = state.velocity;
          const dt = spacing[i % spacing.length];
          brake(joint, state, { elapsedSeconds: dt, periodSeconds: 0.01 });
          worst = Math.max(
            worst,
            excess(state.value, -1, 2),
            excess(state.velocity - before, -40 * dt, 40 * dt),
          );
        }
        expect(worst).toBeLessThanOrEqual(slack);
        expect(Math.abs(state.velocity)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it("only moves inward when it starts outside its bounds", () => {
    const state = { value: 2.5, velocity: 0 };
    for (const target of [9, 9, 9]) {
      const before = state.value;
      advance(joint, state, target, { elapsedSeconds: 0.01, periodSeconds: 0.01 });
      expect(state.value).toBeLessThan(before);
    }
  });
});

describe("a velocity channel", () => {
  const wheel = channelOf({ kind: "velocity", velocity: [-0.2, 0.5], acceleration: 1, step: 0.008 });

  it("keeps velocity, acceleration and step limits for any targets", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const state = { value: 0, velocity: 0 };
        let worst = 0;
        for (const { target, dt } of sequence) {
          const before = state.value;
          advance(wheel, state, target, { elapsedSeconds: dt, periodSeconds: 0.01 });
          const most = Math.min(dt, 0.008);
          worst = Math.max(worst, excess(state.value, -0.2, 0.5), excess(state.value - before, -most, most));
        }
        expect(worst).toBeLessThanOrEqual(slack);
      }),
    );
  });

  it.each([1, 2, 5])("stays inside its travel when the position is measured %i periods late", (delay) => {
    const rail = channelOf({ kind: "velocity", velocity: 2, acceleration: 4, position: [0, 1] });
    const positions = Array.from({ length: delay + 1 }, () => 0.5);
    const state = { value: 0, velocity: 0 };
    let [worst, furthest] = [0, 0];
    for (let i = 0; i < 600; i++) {
      const moment = {
        elapsedSeconds: 0.01,
        periodSeconds: 0.01,
        measured: positions[0],
        measuredAgeSeconds: delay * 0.01,
      };
      advance(rail, state, i < 300 ? 9 : -9, moment);
      positions.shift();
      positions.push((positions.at(-1) as number) + state.value * 0.01);
      worst = Math.max(worst, excess(positions.at(-1) as number, 0, 1));
      furthest = Math.max(furthest, positions.at(-1) as number);
    }
    expect(worst).toBeLessThanOrEqual(slack);
    expect(furthest).toBeGreaterThan(0.97);
  });
});

it("brakingSpeed is the largest speed that still stops within the distance", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-3, max: 100, noNaN: true }),
      fc.double({ min: 1e-2, max: 100, noNaN: true }),
      fc.double({ min: 1e-4, max: 1, noNaN: true }),
      (distance, acceleration, reach) => {
        const v = brakingSpeed(distance, acceleration, reach);
        expect(v * reach + (v * v) / (2 * acceleration)).toBeCloseTo(distance, 6);
      },
    ),
  );
});
