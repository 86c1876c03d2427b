/** @file Actions keep their meaning: specs are checked and told apart, ranges round-trip, and so do all forms of rotations. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32 } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import {
  actionSpecHash,
  checkActionSpec,
  fitActionRange,
  fromDeltas,
  normalizeActions,
  requireSameActions,
  toDeltas,
} from "../../src/worldmodel/action-spec.ts";
import { loadLatentModel, saveLatentModel } from "../../src/worldmodel/latent/checkpoint.ts";
import { initDenoiser } from "../../src/worldmodel/latent/denoiser.ts";
import {
  applyDelta,
  eulerOfMatrix,
  matrixOfEuler,
  matrixOfQuaternion,
  matrixOfSix,
  multiply,
  poseDelta,
  quaternionOfMatrix,
  sixOfMatrix,
  transpose,
  type Matrix3,
  type Pose,
} from "../../src/worldmodel/rotations.ts";
import type { ActionSpec } from "../../src/worldmodel/worldmodel.ts";
import { actionSpec, configOf, lineTokenizer, plain } from "./line-world.ts";

const arm: ActionSpec = {
  names: ["x", "y", "gripper"],
  units: ["m/s", "m/s", "1"],
  kind: "delta",
  low: [-0.3, -0.3, 0],
  high: [0.3, 0.3, 1],
  rateHz: 10,
};

describe("an action spec", () => {
  it.each([
    ["lengths", { ...arm, units: ["m/s"] }],
    ["one name", { ...arm, names: ["x", "x", "gripper"] }],
    ["low end", { ...arm, low: [0.3, -0.3, 0] }],
    ["low end", { ...arm, high: [0.3, Number.POSITIVE_INFINITY, 1] }],
    ["no rate", { ...arm, rateHz: 0 }],
    ["no names", { ...arm, names: [], units: [], low: [], high: [] }],
  ])("is refused with %s", (what, spec) => {
    expect(() => checkActionSpec(spec)).toThrow(new RegExp(`INVALID_ARGUMENT[^]*${what}`));
  });

  it("has the hash of what it says: every field counts, their order does not", () => {
    const { rateHz, ...rest } = arm;
    expect(actionSpecHash({ rateHz, ...rest })).toBe(actionSpecHash(arm));
    const others: ActionSpec[] = [
      { ...arm, names: ["y", "x", "gripper"] },
      { ...arm, units: ["m", "m/s", "1"] },
      { ...arm, kind: "absolute" },
      { ...arm, low: [-0.31, -0.3, 0] },
      { ...arm, high: [0.31, 0.3, 1] },
      { ...arm, rateHz: 20 },
    ];
    expect(new Set([arm, ...others].map(actionSpecHash)).size).toBe(7);
  });

  it("travels with a model, which refuses actions of another meaning by the field that differs", () => {
    const path = join(mkdtempSync(join(tmpdir(), "reverie-spec-")), "model.safetensors");
    const config = configOf("deterministic");
    const members = [initDenoiser(Rng.fromSeed(0), config)];
    saveLatentModel(path, { config, members, normalizers: plain, actionSpec }, lineTokenizer.hash);
    expect(loadLatentModel(path, lineTokenizer, { actionSpec: { ...actionSpec } }).actionSpec).toEqual(
      actionSpec,
    );
    expect(() => loadLatentModel(path, lineTokenizer, { actionSpec: { ...actionSpec, high: [55] } })).toThrow(
      /CHECKPOINT_MISMATCH[^]*high \[55\][^]*high \[1\]/,
    );
    expect(() => requireSameActions(arm, { ...arm, kind: "absolute" }, "it")).toThrow(
      /"absolute"[^]*"delta"/,
    );
  });
});

describe("ranges of actions", () => {
  it("map to [-1, 1], and linearly beyond", () => {
    expect([...normalizeActions(float32([-0.3, 0, 1], [1, 3]), arm).data]).toEqual([-1, 0, 1]);
    const beyond = normalizeActions(float32([0.6, -0.15, 0.25, 0.3, 0.15, -0.5], [2, 3]), arm).data;
    [2, -0.5, -0.5, 1, 0.5, -2].forEach((value, i) => expect(beyond[i]).toBeCloseTo(value, 5));
  });

  it("fitted to data hold all but its tails", () => {
    const rows = Array.from({ length: 1001 }, (_, i) => [i, -2 * i, 7]).flat();
    const { low, high } = fitActionRange(float32(rows, [1001, 3]), 0.05);
    expect([low, high]).toEqual([
      [50, -1900, 6.5],
      [950, -100, 7.5],
    ]);
  });

  it("of deltas add up to what they came from", () => {
    const values = float32([1, 5, 2, 3, 4, -1, 8, 8], [4, 2]);
    expect([...toDeltas(values).data]).toEqual([1, -2, 2, -4, 4, 9]);
    expect(fromDeltas([1, 5], toDeltas(values))).toEqual(values);
  });
});

const angle = (most: number) => fc.double({ min: -most, max: most, noNaN: true });
const rotations = fc
  .tuple(angle(Math.PI), angle(Math.PI / 2), angle(Math.PI))
  .map((euler): Matrix3 => matrixOfEuler(euler));

function expectMatrix(a: Matrix3, b: Matrix3): void {
  a.forEach((value, i) => expect(value).toBeCloseTo(b[i], 6));
}

describe("rotations", () => {
  it("are rotations: orthogonal, right-handed", () => {
    fc.assert(
      fc.property(rotations, (m) => {
        expectMatrix(multiply(m, transpose(m)), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
        const [a, b, c, d, e, f, g, h, i] = m;
        expect(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)).toBeCloseTo(1, 6);
      }),
    );
  });

  it("come back from Euler angles, quaternions and six numbers, whichever the way", () => {
    fc.assert(
      fc.property(rotations, (m) => {
        expectMatrix(matrixOfEuler(eulerOfMatrix(m)), m);
        expectMatrix(matrixOfQuaternion(quaternionOfMatrix(m)), m);
        expectMatrix(matrixOfSix(sixOfMatrix(m)), m);
      }),
    );
  });

  it("of half turns and of a pitch of a right angle come back too", () => {
    for (const euler of [
      [Math.PI, 0, 0],
      [0, 0, Math.PI],
      [Math.PI, 0, Math.PI],
      [0.4, Math.PI / 2, -0.3],
      [0.4, -Math.PI / 2, 0.9],
    ] as const) {
      const m = matrixOfEuler(euler);
      expectMatrix(matrixOfEuler(eulerOfMatrix(m)), m);
      expectMatrix(matrixOfQuaternion(quaternionOfMatrix(m)), m);
    }
  });

  it("have one quaternion: of length 1, its first number not below 0", () => {
    fc.assert(
      fc.property(rotations, (m) => {
        const q = quaternionOfMatrix(m);
        expect(Math.hypot(...q)).toBeCloseTo(1, 9);
        expect(q[0]).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("turn the way that the right hand does", () => {
    expectMatrix(matrixOfEuler([0, 0, Math.PI / 2]), [0, -1, 0, 1, 0, 0, 0, 0, 1]);
    const half = Math.SQRT1_2;
    expectMatrix(matrixOfQuaternion([half, 0, 0, half]), [0, -1, 0, 1, 0, 0, 0, 0, 1]);
    expectMatrix(matrixOfSix([0, 3, 0, -2, 5, 0]), [0, -1, 0, 1, 0, 0, 0, 0, 1]);
  });

  it("make poses whose steps lead from one to the next", () => {
    const places = fc.tuple(angle(9), angle(9), angle(9));
    const poses = fc.record({ position: places, rotation: rotations });
    fc.assert(
      fc.property(poses, poses, (a: Pose, b: Pose) => {
        const there = applyDelta(a, poseDelta(a, b));
        expectMatrix(there.rotation, b.rotation);
        there.position.forEach((value, i) => expect(value).toBeCloseTo(b.position[i], 6));
      }),
    );
    const ahead = poseDelta(
      { position: [1, 1, 0], rotation: matrixOfEuler([0, 0, Math.PI / 2]) },
      { position: [1, 3, 0], rotation: matrixOfEuler([0, 0, Math.PI / 2]) },
    );
    ahead.position.forEach((value, i) => expect(value).toBeCloseTo([2, 0, 0][i], 9));
  });
});
