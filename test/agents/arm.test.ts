/** @file Between policy and arm: metres, limits, homing and the watch, on an arm that follows its setpoint or sticks. */

import { describe, expect, it } from "vitest";

import { withArmControl } from "../../src/agents/arm.ts";
import type { ArmControlOptions, ArmEvent } from "../../src/agents/arm.ts";
import { float32, zeros } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { Box } from "../../src/core/spaces/box.ts";
import type { ResetBatch, StepBatch, VectorEnv, VectorResetOptions } from "../../src/env/env.ts";

/** Rows of tips in a plane that go a share of the way to their setpoints, or stay. */
class ToyArm implements VectorEnv<NdArray<"float32">, NdArray<"float32">> {
  readonly singleObservationSpace = new Box(-1, 1, [2]);
  readonly singleActionSpace = new Box(-1, 1, [2]);
  readonly observationSpace;
  readonly actionSpace;
  readonly metadata = { renderModes: [], autoreset: "disabled" } as const;
  readonly numEnvs: number;
  readonly setpoints: number[][] = [];
  readonly tips: NdArray<"float32">;
  halts = 0;
  follow = 1;

  constructor(numEnvs = 1) {
    this.numEnvs = numEnvs;
    this.observationSpace = this.singleObservationSpace.batch(numEnvs);
    this.actionSpace = this.singleActionSpace.batch(numEnvs);
    this.tips = zeros("float32", [numEnvs, 2]);
  }

  async reset({ mask }: VectorResetOptions = {}): Promise<ResetBatch<NdArray<"float32">>> {
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask === undefined || mask.data[i] !== 0) this.tips.data.set([0.5, 0.1], 2 * i);
    }
    return { observations: this.tips, infos: {} };
  }

  async step(setpoints: NdArray<"float32">, mask?: NdArray<"bool">): Promise<StepBatch<NdArray<"float32">>> {
    this.setpoints.push(Array.from(setpoints.data));
    for (let i = 0; i < this.tips.data.length; i++) {
      if (mask?.data[i >> 1] === 0) continue;
      this.tips.data[i] += this.follow * (setpoints.data[i] - this.tips.data[i]);
    }
    const flags = () => zeros("bool", [this.numEnvs]);
    const valid = flags();
    valid.data.fill(1);
    return {
      observations: this.tips,
      rewards: zeros("float64", [this.numEnvs]),
      terminations: flags(),
      truncations: flags(),
      infos: {},
      valid,
    };
  }

  halt(): void {
    this.halts += 1;
  }

  async close(): Promise<void> {}
}

const meaning = { names: ["x", "y"], kind: "delta", low: [-0.03, -0.03], high: [0.03, 0.03] } as const;

function controlled(
  arm: ToyArm,
  changes: Partial<ArmControlOptions<NdArray<"float32">>> = {},
): ReturnType<typeof withArmControl<NdArray<"float32">>> {
  return withArmControl(arm, {
    meaning,
    rateHz: 10,
    limits: { low: [0.3, -0.2], high: [0.7, 0.2], speedMps: 1, leashM: 0.06 },
    watch: { lagM: 0.05, steps: 3 },
    positionsOf: (tips) => tips,
    ...changes,
  });
}

const rounded = (values: ArrayLike<number>): number[] => Array.from(values, (x) => Number(x.toFixed(5)));

describe("actions of an arm", () => {
  it("become setpoints in metres that add up, each row's own", async () => {
    const arm = new ToyArm(2);
    const env = controlled(arm);
    await env.reset();
    await env.step(float32([1, 0, 0, -0.5], [2, 2]));
    await env.step(float32([1, 0, 0, -0.5], [2, 2]));
    expect(arm.setpoints.map(rounded)).toEqual([
      [0.53, 0.1, 0.5, 0.085],
      [0.56, 0.1, 0.5, 0.07],
    ]);
  });

  it("that are not finite reach no arm", async () => {
    const arm = new ToyArm();
    const env = controlled(arm);
    await env.reset();
    await expect(env.step(float32([0, NaN], [1, 2]))).rejects.toThrow(/"y" is not finite/);
    expect(arm.setpoints).toEqual([]);
  });

  it("of a policy for other channels are refused", () => {
    const other = { ...meaning, kind: "absolute" as const };
    expect(() => controlled(new ToyArm(), { meaning: other })).toThrow(/no limits for this policy/);
    const limits = { low: [0], high: [1], speedMps: 1, leashM: 1 };
    expect(() => controlled(new ToyArm(), { limits })).toThrow(/no limits for this policy/);
  });
});

describe("the limits", () => {
  it("hold a setpoint inside its range, and tell what was let through in the policy's units", async () => {
    const events: ArmEvent[] = [];
    const arm = new ToyArm();
    const env = controlled(arm, { onEvent: (event) => events.push(event) });
    await env.reset();
    for (let i = 0; i < 3; i++) await env.step(float32([0, 1], [1, 2]));
    const { infos } = await env.step(float32([0, 1], [1, 2]));
    expect(rounded(arm.setpoints[3])).toEqual([0.5, 0.2]);
    expect(rounded((infos["executed"].values as NdArray<"float32">).data)).toEqual([0, 0.33333]);
    expect(events.map(({ type }) => type)).toEqual(["limited"]);
  });

  it("bound the speed along the way, not per channel", async () => {
    const arm = new ToyArm();
    const env = controlled(arm, { limits: { low: [0, -1], high: [1, 1], speedMps: 0.1, leashM: 1 } });
    await env.reset();
    const { infos } = await env.step(float32([1, -1], [1, 2]));
    const side = 0.01 / Math.SQRT2;
    expect(rounded(arm.setpoints[0])).toEqual(rounded([0.5 + side, 0.1 - side]));
    expect(rounded((infos["executed"].values as NdArray<"float32">).data)).toEqual(
      rounded([side / 0.03, -side / 0.03]),
    );
  });

  it("keep a setpoint near a tip that does not follow", async () => {
    const arm = new ToyArm();
    arm.follow = 0;
    const env = controlled(arm, { watch: { lagM: 1, steps: 100 } });
    await env.reset();
    for (let i = 0; i < 5; i++) await env.step(float32([1, 0], [1, 2]));
    expect(rounded(arm.setpoints[4])).toEqual([0.56, 0.1]);
  });
});

describe("the watch", () => {
  it("cuts the episode of an arm that has stuck for so many steps, and gives up pushing", async () => {
    const arm = new ToyArm();
    const events: ArmEvent[] = [];
    const env = controlled(arm, { onEvent: (event) => events.push(event) });
    await env.reset();
    const push = float32([1, 0], [1, 2]);
    await env.step(push);
    arm.follow = 0;
    const cut: number[] = [];
    for (let i = 0; i < 4; i++) cut.push((await env.step(push)).truncations.data[0]);
    expect(cut).toEqual([0, 0, 0, 1]);
    expect(events.filter(({ type }) => type === "stuck")).toHaveLength(1);
    await env.step(float32([0, 0], [1, 2]));
    expect(rounded(arm.setpoints[5])).toEqual(rounded(arm.tips.data));
  });

  it("lets an arm go on that is only slow", async () => {
    const arm = new ToyArm();
    arm.follow = 0.5;
    const env = controlled(arm);
    await env.reset();
    for (let i = 0; i < 6; i++) {
      expect((await env.step(float32([1, 0], [1, 2]))).truncations.data[0]).toBe(0);
    }
  });
});

describe("homing", () => {
  const home = { place: [0.4, 0], toleranceM: 0.005, steps: 40 };

  it("goes to the place at the limited speed before an episode, with the rows that are reset alone", async () => {
    const arm = new ToyArm(2);
    const limits = { low: [0.3, -0.2], high: [0.7, 0.2], speedMps: 0.2, leashM: 0.06 };
    const env = controlled(arm, { home, limits });
    const { observations } = await env.reset();
    expect(Math.abs(observations.data[0] - 0.4)).toBeLessThan(0.005);
    for (let i = 1; i < arm.setpoints.length; i++) {
      const way = [0, 1].map((c) => arm.setpoints[i][c] - arm.setpoints[i - 1][c]);
      expect(Math.hypot(...way)).toBeLessThan(0.02 + 1e-6);
    }
    await env.step(float32([1, 0, 1, 0], [2, 2]));
    const second = arm.tips.data.slice(2);
    await env.reset({ mask: { dtype: "bool", shape: [2], data: new Uint8Array([1, 0]) } });
    expect(arm.tips.data.slice(2)).toEqual(second);
  });

  it("that does not arrive is an error", async () => {
    const arm = new ToyArm();
    arm.follow = 0;
    await expect(controlled(arm, { home }).reset()).rejects.toThrow(/did not come home/);
  });
});

it("stops the robot beneath when it is halted", async () => {
  const arm = new ToyArm();
  const env = controlled(arm);
  await env.reset();
  (env as unknown as { halt(): void }).halt();
  expect(arm.halts).toBe(1);
});
