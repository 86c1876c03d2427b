/** @file Recording: rows that belong together stay together, across resets, whoever drives. */

import { describe, expect, it } from "vitest";
import { overwriteRows } from "../../../src/core/array-record.ts";
import { zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import type { Episode } from "../../../src/data/episode.ts";
import { withLatentObservations } from "../../../src/env/latent.ts";
import { policyChooser, recordedEpisodes } from "../../../src/experiment/loop/recording.ts";
import { asPixelEnv, makeTaskEnv } from "../../../src/experiment/driving/task.ts";
import type { Policy } from "../../../src/policy/policy.ts";
import type { LatentState, Observation, WorldModel } from "../../../src/worldmodel/worldmodel.ts";

type Features = NdArray<"float32">;

/** A "model" that remembers: its state is the last two state vectors and the last action, its features are all of them. */
function makeMemoryModel(): WorldModel {
  const widths = { before: 3, now: 3, action: 2 };
  const make = (rows: number): LatentState =>
    Object.fromEntries(
      Object.entries(widths).map(([name, width]) => [name, zeros("float32", [rows, width])]),
    );
  return {
    kind: "memory",
    frameShape: [64, 64, 3],
    stateSize: 3,
    actionSpec: {
      names: ["a", "b"],
      units: ["1", "1"],
      kind: "absolute",
      low: [-1, -1],
      high: [1, 1],
      rateHz: 10,
    },
    contextLength: 2,
    stepSeconds: 0.1,
    featureSize: 8,
    async encode(observations: Observation) {
      const rows = observations.state.shape[0];
      const state = make(rows);
      state.now.data.set(observations.state.data);
      state.before.data.set(observations.state.data);
      return state;
    },
    async observe(state, actions, observation) {
      const next = make(actions.shape[0]);
      next.before.data.set(state.now.data);
      next.now.data.set(observation.state.data);
      next.action.data.set(actions.data);
      return next;
    },
    step: () => Promise.reject(new Error("not needed")),
    decode: () => Promise.reject(new Error("not needed")),
    features(state) {
      const rows = state.now.shape[0];
      const out = zeros("float32", [rows, 8]);
      for (let i = 0; i < rows; i++) {
        out.data.set(state.before.data.subarray(3 * i, 3 * i + 3), 8 * i);
        out.data.set(state.now.data.subarray(3 * i, 3 * i + 3), 8 * i + 3);
        out.data.set(state.action.data.subarray(2 * i, 2 * i + 2), 8 * i + 6);
      }
      return out;
    },
  };
}

/** Steers by what it remembers, badly enough to leave the road, and writes down what it saw. */
function makeWitness(seen: Features[]): Policy<Features> {
  return {
    async act(observations) {
      seen.push({ ...observations, data: observations.data.slice() });
      const rows = observations.shape[0];
      const actions = zeros("float32", [rows, 2]);
      for (let i = 0; i < rows; i++)
        actions.data.set([Math.sin(observations.data[8 * i + 3] + i), 0.8], 2 * i);
      return { actions };
    },
  };
}

const numEnvs = 3;
const makeEnv = () => makeTaskEnv("DriveTrack-v0", { numEnvs, split: "train" });

async function recordSome(seen: Features[], steps = 240): Promise<Episode[]> {
  return recordedEpisodes({
    env: makeEnv(),
    choose: policyChooser(makeMemoryModel(), makeWitness(seen), Rng.fromSeed(0)),
    seed: 7,
    steps,
    prefix: "e",
    meta: {},
  });
}

describe("recording", () => {
  it("replays: the recorded actions give the recorded states, rewards and end", async () => {
    const [episode] = await recordSome([]);
    const env = makeTaskEnv("DriveTrack-v0", { numEnvs, split: "train" });
    await env.reset({ seed: 7 });
    const row = rowOf(episode, env);
    expect(row).toBeGreaterThanOrEqual(0);
    let ended = false;
    for (let t = 0; t < episode.rewards.data.length; t++) {
      const actions = zeros("float32", [numEnvs, 2]);
      actions.data.set(episode.actions.data.subarray(2 * t, 2 * t + 2), 2 * row);
      const mask = zeros("bool", [numEnvs]);
      mask.data[row] = 1;
      const batch = await env.step(actions, mask);
      const { state } = batch.observations as { state: Features };
      expect(batch.rewards.data[row]).toBeCloseTo(episode.rewards.data[t], 5);
      expect([...state.data.subarray(3 * row, 3 * row + 3)]).toEqual([
        ...episode.states.data.subarray(3 * (t + 1), 3 * (t + 1) + 3),
      ]);
      ended = batch.terminations.data[row] === 1;
    }
    expect(ended).toBe(episode.terminated);
    expect(episode.terminated).toBe(true);
  });

  it("cuts what is still running at the end as truncated, and loses no step", async () => {
    const episodes = await recordSome([]);
    expect(episodes.reduce((sum, { rewards }) => sum + rewards.data.length, 0)).toBe(240);
    expect(episodes.every(({ terminated, truncated }) => terminated !== truncated)).toBe(true);
    for (const { frames, rewards } of episodes) expect(frames.shape[0]).toBe(rewards.data.length + 1);
  });

  it("shows a policy the features that the latent view of the same environment shows, resets included", async () => {
    const recorded: Features[] = [];
    await recordSome(recorded);
    const env = withLatentObservations(asPixelEnv(makeEnv()), makeMemoryModel());
    const policy = makeWitness([]);
    let { observations } = await env.reset({ seed: 7 });
    const begins = zeros("bool", [numEnvs]);
    for (const features of recorded) {
      expect([...observations.data]).toEqual([...features.data]);
      const { actions } = await policy.act(observations, begins);
      const batch = await env.step(actions);
      observations = batch.observations;
      for (let i = 0; i < numEnvs; i++)
        begins.data[i] = batch.terminations.data[i] | batch.truncations.data[i];
      if (begins.data.includes(1)) ({ observations } = await env.reset({ mask: begins }));
    }
  });
});

function rowOf(episode: Episode, env: ReturnType<typeof makeEnv>): number {
  const fresh = env.snapshot().state as { frame: NdArray<"uint8"> };
  const size = 64 * 64 * 3;
  const first = Buffer.from(episode.frames.data.subarray(0, size));
  return [0, 1, 2].findIndex((i) =>
    first.equals(Buffer.from(fresh.frame.data.subarray(i * size, (i + 1) * size))),
  );
}

describe("rows of records", () => {
  it("are overwritten in place of their own alone", () => {
    const old = { a: { dtype: "float32" as const, shape: [3, 1], data: Float32Array.of(1, 2, 3) } };
    const fresh = { a: { dtype: "float32" as const, shape: [1, 1], data: Float32Array.of(9) } };
    expect([...overwriteRows(old, fresh, [1]).a.data]).toEqual([1, 9, 3]);
    expect([...old.a.data]).toEqual([1, 2, 3]);
  });
});
