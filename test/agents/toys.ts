/** @file Toys for agent tests: a counting env, and time that only policies and sleeps move. */

import { ndarray, zeros } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { Box } from "../../src/core/spaces/box.ts";
import type { ResetBatch, StepBatch, VectorEnv, VectorResetOptions } from "../../src/env/env.ts";
import type { PacingClock } from "../../src/agents/pacing.ts";

/** Sleeping moves time at once; so can anything else. */
export class ToyClock implements PacingClock {
  nowMs = 0;
  readonly sleeps: number[] = [];

  now(): number {
    return this.nowMs;
  }

  sleepUntil(atMs: number): Promise<void> {
    this.sleeps.push(atMs);
    this.nowMs = Math.max(this.nowMs, atMs);
    return Promise.resolve();
  }
}

/** Each row counts its own steps; an episode ends after `length` steps; the reward is the action. */
export class CountingEnv implements VectorEnv<NdArray<"float32">, NdArray> {
  readonly singleObservationSpace = new Box(0, 1000, [1]);
  readonly singleActionSpace = new Box(-1, 1, [1]);
  readonly observationSpace;
  readonly actionSpace;
  readonly metadata = { renderModes: [], autoreset: "disabled" } as const;
  readonly numEnvs: number;
  readonly length: number;
  readonly taken: number[][] = [];
  readonly resets: (number[] | undefined)[] = [];
  halts = 0;
  onStep: () => void = () => undefined;
  private readonly counts: NdArray<"float32">;

  constructor(numEnvs = 1, length = 1000) {
    this.numEnvs = numEnvs;
    this.length = length;
    this.observationSpace = this.singleObservationSpace.batch(numEnvs);
    this.actionSpace = this.singleActionSpace.batch(numEnvs);
    this.counts = zeros("float32", [numEnvs, 1]);
  }

  reset({ mask }: VectorResetOptions = {}): Promise<ResetBatch<NdArray<"float32">>> {
    this.resets.push(mask && [...mask.data]);
    for (let i = 0; i < this.numEnvs; i++)
      if (mask === undefined || mask.data[i] !== 0) this.counts.data[i] = 0;
    return Promise.resolve({ observations: this.counts, infos: {} });
  }

  async step(actions: NdArray): Promise<StepBatch<NdArray<"float32">>> {
    await Promise.resolve();
    this.onStep();
    this.taken.push(Array.from(actions.data, Number));
    const terminations = zeros("bool", [this.numEnvs]);
    const valid = ndarray("bool", [this.numEnvs], new Uint8Array(this.numEnvs).fill(1));
    for (let i = 0; i < this.numEnvs; i++) {
      this.counts.data[i] += 1;
      terminations.data[i] = this.counts.data[i] >= this.length + i ? 1 : 0;
    }
    const rewards = ndarray("float64", [this.numEnvs], Float64Array.from(actions.data as Float32Array));
    return {
      observations: this.counts,
      rewards,
      terminations,
      truncations: zeros("bool", [this.numEnvs]),
      infos: {},
      valid,
    };
  }

  halt(): void {
    this.halts += 1;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
