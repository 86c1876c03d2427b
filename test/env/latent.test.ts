/** @file A real environment seen through a world model: the contract, and the same features as the dream's. */

import { describe, expect, it } from "vitest";
import { float32, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { Box } from "../../src/core/spaces/box.ts";
import { Dict } from "../../src/core/spaces/dict.ts";
import type { Snapshot, StepBatch, VectorEnv, VectorResetOptions } from "../../src/env/env.ts";
import { withLatentObservations, type PixelBatch } from "../../src/env/latent.ts";
import { contextState } from "../../src/worldmodel/contexts.ts";
import { configOf, EDGE, framesOf, MOVE, play, replayOf, untrained } from "../worldmodel/line-world.ts";
import { conforms } from "./conformance.ts";

/** The line as a real environment with pixels; cut after 9 steps. */
class LineEnv implements VectorEnv<PixelBatch, NdArray<"float32">> {
  readonly numEnvs: number;
  readonly singleObservationSpace = new Dict({
    frame: new Box(0, 255, [1, 1, 3], "uint8"),
    state: new Box(-9, 9, [1]),
  });
  readonly singleActionSpace = new Box(-1, 1, [1]);
  readonly observationSpace;
  readonly actionSpace;
  readonly metadata = { renderModes: ["rgb_array"], autoreset: "disabled" as const };
  readonly positions: Float32Array;
  readonly steps: Int32Array;
  rngs: Rng[];
  closed = 0;

  constructor(numEnvs: number) {
    this.numEnvs = numEnvs;
    this.observationSpace = this.singleObservationSpace.batch(numEnvs);
    this.actionSpace = this.singleActionSpace.batch(numEnvs);
    this.positions = new Float32Array(numEnvs);
    this.steps = new Int32Array(numEnvs);
    this.rngs = Rng.fromSeed(0).spawn(numEnvs);
  }

  #observe(): PixelBatch {
    return { frame: framesOf(this.positions), state: float32(this.positions, [this.numEnvs, 1]) };
  }

  async reset(options: VectorResetOptions = {}) {
    for (let i = 0; i < this.numEnvs; i++) {
      if (options.mask?.data[i] === 0) continue;
      const own = typeof options.seed === "object" ? options.seed[i] : options.seed && options.seed + i;
      if (own !== undefined) this.rngs[i] = Rng.fromSeed(own);
      this.positions[i] = Math.round(this.rngs[i].random() * 40 - 20) / 40;
      this.steps[i] = 0;
    }
    return { observations: this.#observe(), infos: {} };
  }

  async step(actions: NdArray<"float32">, mask?: NdArray<"bool">): Promise<StepBatch<PixelBatch>> {
    if (this.closed > 0) throw new Error("closed");
    const flags = (): NdArray<"bool"> => zeros("bool", [this.numEnvs]);
    const batch = {
      rewards: zeros("float64", [this.numEnvs]),
      terminations: flags(),
      truncations: flags(),
      valid: flags(),
    };
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask?.data[i] === 0) continue;
      this.positions[i] += MOVE * actions.data[i];
      this.steps[i]++;
      batch.valid.data[i] = 1;
      batch.rewards.data[i] = this.positions[i];
      batch.terminations.data[i] = Math.abs(this.positions[i]) > EDGE ? 1 : 0;
      batch.truncations.data[i] = this.steps[i] >= 9 ? 1 : 0;
    }
    return { ...batch, observations: this.#observe(), infos: {} };
  }

  async render() {
    const { frame } = this.#observe();
    return Array.from(this.positions, (_, i) => ({
      ...frame,
      shape: [1, 1, 3],
      data: frame.data.slice(3 * i, 3 * i + 3),
    }));
  }

  snapshot(): Snapshot {
    const { positions, steps, rngs } = this;
    return { kind: "line", state: structuredClone({ positions, steps, rngs: rngs.map((rng) => rng.state) }) };
  }

  restore(snapshot: Snapshot): void {
    const state = snapshot.state as { positions: Float32Array; steps: Int32Array; rngs: Rng["state"][] };
    this.positions.set(state.positions);
    this.steps.set(state.steps);
    this.rngs = state.rngs.map((rng) => Rng.fromState(rng));
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

const model = untrained("deterministic", { config: configOf("deterministic", 3) });
conforms(
  "a real environment seen through a world model",
  () => withLatentObservations(new LineEnv(4), model),
  {
    steps: 24,
  },
);

describe("latent observations", () => {
  it("are the features that the recorded episode gives at every step", async () => {
    const real = new LineEnv(2);
    const env = withLatentObservations(real, model);
    const seen = [structuredClone((await env.reset({ seed: 3 })).observations)];
    const start = [...real.positions];
    const moves = [0.1, -0.2, 0.3, 0.4].map((x) => Math.fround(x));
    for (const move of moves)
      seen.push(structuredClone((await env.step(float32([move, -move], [2, 1]))).observations));
    const exact = play(start[0], moves);
    const rounded = { ...exact, positions: exact.positions.map((x) => Math.round(x * 40) / 40) };
    const replay = replayOf([rounded]);
    seen.forEach((observations, present) => {
      const batch = replay.gather([{ episode: 0, present }], { context: 3, horizon: 0 });
      const expected = model.features(contextState(model, batch)).data;
      const width = expected.length;
      expected.forEach((value, k) => {
        // The state is exact, the recorded one was rounded to whole pixels.
        const tolerance = k === width - 2 ? 0.013 : 1e-5;
        expect(Math.abs(observations.data[k] - value)).toBeLessThan(tolerance);
      });
    });
  });

  it("of rows outside a mask stay bit-equal, and so does what a planner branches", async () => {
    const env = withLatentObservations(new LineEnv(2), model);
    await env.reset({ seed: 3 });
    const before = structuredClone(env.latentState);
    const mask = { dtype: "bool" as const, shape: [2], data: Uint8Array.of(1, 0) };
    await env.step(float32([0.5, 0.5], [2, 1]), mask);
    await env.reset({ seed: 9, mask });
    for (const [name, array] of Object.entries(env.latentState)) {
      const half = array.data.length / 2;
      expect(array.data.slice(half)).toEqual(before[name].data.slice(half));
      expect(array.data.slice(0, half)).not.toEqual(
        name === "pastActions" ? undefined : before[name].data.slice(0, half),
      );
    }
  });

  it("have a snapshot and a picture only where the real environment has them", async () => {
    const real = new LineEnv(2);
    const env = withLatentObservations(real, model);
    await env.reset({ seed: 1 });
    expect((await env.render?.())?.[1]?.shape).toEqual([1, 1, 3]);
    const snapshot = env.snapshot!();
    expect(() => env.restore!({ ...snapshot, kind: "line" })).toThrow(/INVALID_ARGUMENT/);
    Object.assign(real, { snapshot: undefined, restore: undefined, render: undefined });
    expect([env.snapshot, env.restore, env.render]).toEqual([undefined, undefined, undefined]);
  });

  it("need a first reset of all rows", async () => {
    const env = withLatentObservations(new LineEnv(2), model);
    expect(() => env.latentState).toThrow(/RESET_NEEDED/);
    const mask = { dtype: "bool" as const, shape: [2], data: Uint8Array.of(1, 0) };
    await expect(env.reset({ mask })).rejects.toThrow(/RESET_NEEDED/);
    await expect(env.step(zeros("float32", [2, 1]))).rejects.toThrow(/RESET_NEEDED/);
  });
});
