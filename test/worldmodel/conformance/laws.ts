/** @file The laws of the `WorldModel` contract, for any model: encoding, observing, imagining and decoding. */

import { describe, expect, it } from "vitest";
import { selectRows } from "../../../src/core/array-record.ts";
import { float32, zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import type { LatentState, WorldModel } from "../../../src/worldmodel/worldmodel.ts";

type Floats = NdArray<"float32">;

/** A model and frames that it may be shown. */
export interface Subject {
  readonly model: WorldModel;
  /** Windows uint8 [batch, time, H, W, 3], different in every row and at every time. */
  readonly frames: (batch: number, time: number) => NdArray<"uint8">;
  /** Does a step draw random numbers? */
  readonly random: boolean;
}

/** Time rows [from, to) of x [B, T, …]. */
function timeSlice<D extends "uint8" | "float32">(x: NdArray<D>, from: number, to: number): NdArray<D> {
  const [batch, time, ...rest] = x.shape;
  const width = rest.reduce((a, b) => a * b, 1);
  const out = zeros(x.dtype, [batch, to - from, ...rest]);
  for (let b = 0; b < batch; b++) {
    const start = (b * time + from) * width;
    out.data.set(x.data.subarray(start, start + (to - from) * width), b * (to - from) * width);
  }
  return out;
}

const flatTime = <D extends "uint8" | "float32">(x: NdArray<D>): NdArray<D> => ({
  ...x,
  shape: [x.shape[0], ...x.shape.slice(2)],
});

function numbers(shape: readonly number[], seed: number): Floats {
  const out = zeros("float32", shape);
  const rng = Rng.fromSeed(seed);
  out.data.forEach((_, i) => (out.data[i] = rng.random() * 2 - 1));
  return out;
}

function windowOf(subject: Subject, batch: number, time: number) {
  const { model, frames } = subject;
  return {
    frame: frames(batch, time),
    state: numbers([batch, time, model.stateSize], 1),
    actions: numbers([batch, time - 1, model.actionSpec.names.length], 2),
  };
}

async function begin(subject: Subject, batch: number): Promise<LatentState> {
  const { frame, state, actions } = windowOf(subject, batch, subject.model.contextLength);
  return subject.model.encode({ frame, state }, actions);
}

const rngs = (count: number): Rng[] => Array.from({ length: count }, (_, i) => Rng.fromSeed([9, i]));

function expectNear(a: Readonly<Record<string, Floats>>, b: Readonly<Record<string, Floats>>): void {
  for (const [name, array] of Object.entries(a)) {
    expect(b[name].shape, name).toEqual(array.shape);
    array.data.forEach((value, i) => expect(Math.abs(value - b[name].data[i]), name).toBeLessThan(1e-4));
  }
}

/** Declare every law for one model. */
export function conformance(name: string, make: () => Subject): void {
  describe(`the contract of a world model: ${name}`, () => {
    const subject = make();
    const { model } = subject;
    const size = model.actionSpec.names.length;

    it("says of itself what its parts are", () => {
      expect(model.contextLength).toBeGreaterThanOrEqual(1);
      expect(model.stepSeconds).toBeCloseTo(1 / model.actionSpec.rateHz, 9);
      for (const list of [model.actionSpec.units, model.actionSpec.low, model.actionSpec.high])
        expect(list).toHaveLength(size);
    });

    it("encodes to batch-first float32 arrays, from one observation up", async () => {
      for (const time of [1, model.contextLength, model.contextLength + 2]) {
        const { frame, state, actions } = windowOf(subject, 3, time);
        const encoded = await model.encode({ frame, state }, actions);
        for (const array of Object.values(encoded)) {
          expect(array.dtype).toBe("float32");
          expect(array.shape[0]).toBe(3);
        }
      }
    });

    it("comes by observing to what encoding the longer window gives", async () => {
      for (const time of [1, 2, 3, 4]) {
        const { frame, state, actions } = windowOf(subject, 2, time + 1);
        const before = await model.encode(
          { frame: timeSlice(frame, 0, time), state: timeSlice(state, 0, time) },
          timeSlice(actions, 0, time - 1),
        );
        const next = {
          frame: flatTime(timeSlice(frame, time, time + 1)),
          state: flatTime(timeSlice(state, time, time + 1)),
        };
        const observed = await model.observe(before, flatTime(timeSlice(actions, time - 1, time)), next);
        expectNear(observed, await model.encode({ frame, state }, actions));
      }
    });

    it("steps without touching its arguments, and equal generators give equal futures", async () => {
      const state = await begin(subject, 2);
      const copy = structuredClone(state);
      const actions = numbers([2, size], 5);
      const kept = actions.data.slice();
      const a = await model.step(state, actions, Rng.fromSeed(3));
      const b = await model.step(state, actions, Rng.fromSeed(3));
      expect(a).toEqual(b);
      expect(state).toEqual(copy);
      expect(actions.data).toEqual(kept);
    });

    it("predicts states of the form that it takes, finite rewards, and probabilities", async () => {
      let state = await begin(subject, 3);
      for (let h = 0; h < 3; h++) {
        const next = await model.step(state, numbers([3, size], h), Rng.fromSeed(h));
        expect(Object.keys(next.state)).toEqual(Object.keys(state));
        for (const [key, array] of Object.entries(next.state)) expect(array.shape).toEqual(state[key].shape);
        for (const facts of [next.rewards, next.terminatedProbabilities, next.uncertainties]) {
          expect(facts.shape).toEqual([3]);
          for (const value of facts.data) expect(Number.isFinite(value)).toBe(true);
        }
        for (const p of next.terminatedProbabilities.data) {
          expect(p).toBeGreaterThanOrEqual(0);
          expect(p).toBeLessThanOrEqual(1);
        }
        state = next.state;
      }
    });

    it("gives a row the future that it would have alone, with a generator of its own", async () => {
      const state = await begin(subject, 3);
      const actions = numbers([3, size], 6);
      const together = await model.step(state, actions, rngs(3));
      const alone = await model.step(
        selectRows(state, [2]),
        float32(actions.data.slice(2 * size, 3 * size), [1, size]),
        [rngs(3)[2]],
      );
      expectNear(alone.state, selectRows(together.state, [2]));
      expect(Math.abs(alone.rewards.data[0] - together.rewards.data[2])).toBeLessThan(1e-4);
    });

    it("draws other futures from other generators, or the same where it does not draw", async () => {
      const state = await begin(subject, 2);
      const actions = numbers([2, size], 7);
      const futures = await Promise.all(
        Array.from({ length: 6 }, (_, seed) => model.step(state, actions, Rng.fromSeed([8, seed]))),
      );
      const different = new Set(
        futures.map((future) => JSON.stringify(Object.values(future.state).map((x) => [...x.data]))),
      );
      if (subject.random) expect(different.size).toBeGreaterThan(1);
      else expect(different.size).toBe(1);
    });

    it("hears the action", async () => {
      const state = await begin(subject, 2);
      const [a, b] = [0.9, -0.9].map((value) => float32(new Array(2 * size).fill(value), [2, size]));
      const [up, down] = [await model.step(state, a, rngs(2)), await model.step(state, b, rngs(2))];
      expect(up.rewards.data).not.toEqual(down.rewards.data);
    });

    it("shows a policy a vector of the declared length, and a viewer frames and states of the declared shapes", async () => {
      const state = await begin(subject, 2);
      expect(model.features(state).shape).toEqual([2, model.featureSize]);
      const { frame, state: values } = await model.decode(state);
      expect(frame.dtype).toBe("uint8");
      expect(frame.shape).toEqual([2, ...model.frameShape]);
      expect(values.shape).toEqual([2, model.stateSize]);
      const truth = windowOf(subject, 2, model.contextLength).state;
      const last = flatTime(timeSlice(truth, model.contextLength - 1, model.contextLength));
      values.data.forEach((value, i) => expect(value).toBeCloseTo(last.data[i], 4));
    });
  });
}
