/** @file What a user reads when something is wrong. */

import { describe, expect, test } from "vitest";
import { ReverieError, fail, nearestName, unknownName } from "../../src/core/errors.ts";

describe("an error", () => {
  test("says what happened, what was expected, what came and what to do, under its code", () => {
    const cause = new Error("inner");
    const error = new ReverieError({
      code: "INVALID_SHAPE",
      what: "shape",
      expected: "[2]",
      got: "[3]",
      fix: "reshape",
      cause,
    });
    expect(error.message).toBe("[INVALID_SHAPE] shape\n  expected: [2]\n  got: [3]\n  fix: reshape");
    expect([error.code, error.name, error.cause]).toEqual(["INVALID_SHAPE", "ReverieError", cause]);
    expect(error).toBeInstanceOf(Error);
  });

  test("leaves out what it was not told", () => {
    expect(() => fail({ code: "TIMEOUT", what: "late" })).toThrow(/^\[TIMEOUT\] late$/);
  });

  test("about a wrong name lists the known ones and the nearest", () => {
    const error = unknownName("env", "CartPol-v1", ["Pendulum-v1", "CartPole-v1"]);
    expect(error.code).toBe("UNKNOWN_NAME");
    expect(error.message).toContain("one of Pendulum-v1, CartPole-v1");
    expect(error.message).toContain('did you mean "CartPole-v1"?');
    expect(unknownName("env", "x", []).message).toContain("none registered");
  });

  test("suggests no name that is nothing like it", () => {
    expect(nearestName("acrobat", ["Acrobot", "Pendulum"])).toBe("Acrobot");
    expect(nearestName("walker", ["Acrobot", "Pendulum"])).toBeUndefined();
  });
});
