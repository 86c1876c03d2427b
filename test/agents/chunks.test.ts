/** @file Chunks on a time line: what is trimmed, what is merged, what is forgotten. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { ChunkSchedule, overlapWeights } from "../../src/agents/chunks.ts";
import type { Overlap } from "../../src/agents/chunks.ts";

const one = (row: Float32Array | undefined): number | undefined => row?.[0];

describe("ChunkSchedule", () => {
  it("plays a chunk row by row, each once", () => {
    const schedule = new ChunkSchedule(2);
    schedule.merge([1, 2, 3, 4], 0, 0);
    expect([...(schedule.take(0) ?? [])]).toEqual([1, 2]);
    expect(schedule.take(0)).toBeUndefined();
    expect([...(schedule.take(1) ?? [])]).toEqual([3, 4]);
    expect(schedule.take(2)).toBeUndefined();
  });

  it("drops the rows for steps taken while the chunk was computed, and no others", () => {
    const schedule = new ChunkSchedule(1, "latest");
    expect(schedule.merge([10, 11, 12, 13], 5, 7)).toEqual({ trimmed: 2, blended: 0 });
    expect(one(schedule.take(7))).toBe(12);
    expect(schedule.merge([1, 2], 0, 9)).toEqual({ trimmed: 2, blended: 0 });
    expect(schedule.remaining(9)).toBe(0);
  });

  it.each(Object.entries(overlapWeights))("merges an overlap by the weights of %s", (name, weight) => {
    const schedule = new ChunkSchedule(1, name as Overlap);
    schedule.merge([0, 0, 0, 0], 0, 0);
    const { blended } = schedule.merge([1, 1, 1, 1], 2, 2);
    expect(blended).toBe(weight < 1 ? 2 : 0);
    expect(one(schedule.take(2))).toBeCloseTo(weight, 6);
    expect(one(schedule.take(4))).toBe(1);
  });

  it("does not play the rest of an older, longer chunk after a newer one", () => {
    const schedule = new ChunkSchedule(1);
    schedule.merge([0, 0, 0, 0, 0, 0], 0, 0);
    schedule.merge([1, 1], 1, 1);
    expect(schedule.take(3)).toBeUndefined();
  });

  it("is low at the threshold's share of the last chunk", () => {
    const schedule = new ChunkSchedule(1);
    expect(schedule.isLow(0, 0.5)).toBe(true);
    schedule.merge([1, 2, 3, 4], 0, 0);
    expect([0, 1, 2, 3].map((step) => schedule.isLow(step, 0.5))).toEqual([false, false, true, true]);
  });

  it("forgets all when an episode begins, and refuses rows of another width", () => {
    const schedule = new ChunkSchedule(2);
    schedule.merge([1, 2], 0, 0);
    schedule.clear();
    expect(schedule.take(0)).toBeUndefined();
    expect(() => schedule.merge([1, 2, 3], 0, 0)).toThrow(/INVALID_SHAPE/);
    expect(() => schedule.merge([], 0, 0)).toThrow(/INVALID_SHAPE/);
  });

  it("never plays an action for a step from a chunk that began after it, whatever the delays", () => {
    const arrival = fc.record({
      delay: fc.integer({ min: 0, max: 6 }),
      length: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 30 }), (arrivals) => {
        const schedule = new ChunkSchedule(1, "latest");
        let step = 0;
        for (const { delay, length } of arrivals) {
          const from = step;
          for (let i = 0; i < delay; i++) schedule.take(step++);
          // Row r of a chunk made at step s says the step that it is meant for.
          schedule.merge(
            Array.from({ length }, (_, row) => from + row),
            from,
            step,
          );
          const value = one(schedule.take(step));
          expect(value === undefined || value === step).toBe(true);
          step += 1;
        }
      }),
    );
  });
});
