/** @file Laws of the world-model contract that hold for any weights, and its checkpoint. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { float32, zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { selectRows } from "../../../src/core/array-record.ts";
import { Rng } from "../../../src/core/rng.ts";
import { saveCheckpoint } from "../../../src/nn/checkpoint.ts";
import { loadLatentModel, saveLatentModel } from "../../../src/worldmodel/latent/checkpoint.ts";
import { contextState, makeReplayContexts } from "../../../src/worldmodel/contexts.ts";
import { initDenoiser } from "../../../src/worldmodel/latent/denoiser.ts";
import { makeLatentWorldModel, type LatentWorldModel } from "../../../src/worldmodel/latent/latent-model.ts";
import { fitNormalizers } from "../../../src/worldmodel/normalizers.ts";
import type { LatentState } from "../../../src/worldmodel/worldmodel.ts";
import {
  actionSpec,
  configOf,
  framesOf,
  latentsOf,
  lineTokenizer,
  plain,
  play,
  randomEpisodes,
  replayOf,
  untrained,
} from "../line-world.ts";

const normalizers = { ...plain, stateMean: [0.5], stateScale: [2], rewardMean: 1, rewardScale: 3 };

/** Two windows of `time` observations, and the actions between them. */
function windows(time: number): {
  frame: NdArray<"uint8">;
  state: NdArray<"float32">;
  actions: NdArray<"float32">;
} {
  const positions = Array.from({ length: 2 * time }, (_, i) => Math.round(40 * Math.sin(i)) / 40);
  return {
    frame: { ...framesOf(positions), shape: [2, time, 1, 1, 3] },
    state: float32(positions, [2, time, 1]),
    actions: float32(
      Array.from({ length: 2 * (time - 1) }, (_, i) => Math.cos(i)),
      [2, time - 1, 1],
    ),
  };
}

/** Time rows [from, to) of x [2, T, …]. */
function timeSlice<D extends "uint8" | "float32">(x: NdArray<D>, from: number, to: number): NdArray<D> {
  const [batch, time, ...rest] = x.shape;
  const width = x.data.length / batch / time;
  const out = zeros(x.dtype, [batch, to - from, ...rest]);
  for (let b = 0; b < batch; b++) {
    const start = (b * time + from) * width;
    out.data.set(x.data.subarray(start, start + (to - from) * width), b * (to - from) * width);
  }
  return out;
}

const flatTime = <D extends "uint8" | "float32">(x: NdArray<D>): NdArray<D> => ({
  ...x,
  shape: [2, ...x.shape.slice(2)],
});

async function encoded(
  model: LatentWorldModel,
  time: number,
  from = 0,
  whole = windows(time),
): Promise<LatentState> {
  const { frame, state, actions } = whole;
  const cut = { frame: timeSlice(frame, from, time), state: timeSlice(state, from, time) };
  return model.encode(cut, timeSlice(actions, from, Math.max(from, time - 1)));
}

describe("encoding", () => {
  const model = untrained("deterministic", { config: configOf("deterministic", 3), normalizers });

  it.each([1, 2, 3, 4])(
    "of %i observations and observing one more is encoding them together",
    async (time) => {
      const whole = windows(time + 1);
      const { frame, state, actions } = whole;
      const before = await model.encode(
        { frame: timeSlice(frame, 0, time), state: timeSlice(state, 0, time) },
        timeSlice(actions, 0, time - 1),
      );
      const next = {
        frame: flatTime(timeSlice(frame, time, time + 1)),
        state: flatTime(timeSlice(state, time, time + 1)),
      };
      const observed = await model.observe(before, flatTime(timeSlice(actions, time - 1, time)), next);
      expect(observed).toEqual(await model.encode({ frame, state }, actions));
    },
  );

  it("keeps the newest frames and forgets the older ones", async () => {
    expect(await encoded(model, 6, 3, windows(6))).toEqual(await encoded(model, 6, 0, windows(6)));
  });

  it("from frames is encoding from their latents", async () => {
    const { frame, state, actions } = windows(3);
    const latents = await lineTokenizer.encode({ ...frame, shape: [6, 1, 1, 3] });
    const direct = model.fromLatents({ ...latents, shape: [2, 3, 2] }, state, actions);
    expect(direct).toEqual(await model.encode({ frame, state }, actions));
  });

  it("of a recorded window puts each action behind the frame it was taken in", async () => {
    const episode = play(0, [0.2, -0.4, 0.6, 0.8]);
    const replay = replayOf([episode]);
    const batch = replay.gather([{ episode: 0, present: 3 }], { context: 3, horizon: 0 });
    const state = contextState(model, batch);
    [0, 1, 2].forEach((k) => expect(state.latents.data[2 * k]).toBeCloseTo(episode.positions[k + 1], 6));
    [0, 1].forEach((k) => expect(state.pastActions.data[k]).toBeCloseTo(episode.actions[k + 1], 6));
  });

  it("gives back pixels and a state in its own units", async () => {
    const { frame, state } = windows(2);
    const decoded = await model.decode(await encoded(model, 2));
    expect(decoded.frame.data).toEqual(flatTime(timeSlice(frame, 1, 2)).data);
    decoded.state.data.forEach((value, b) => expect(value).toBeCloseTo(state.data[2 * b + 1], 6));
  });

  it("shows a policy the two newest latents, the newest state and the action before it", async () => {
    const state = await encoded(model, 3);
    const features = model.features(state);
    expect(features.shape).toEqual([2, model.featureSize]);
    for (let b = 0; b < 2; b++) {
      const row = [...features.data.subarray(b * 6, (b + 1) * 6)];
      const expected = [
        ...state.latents.data.subarray(b * 6 + 2, b * 6 + 6),
        state.states.data[b * 3 + 2],
        state.pastActions.data[b * 2 + 1],
      ];
      expect(row).toEqual(expected);
    }
  });
});

describe.each(["deterministic", "flow"] as const)("a step of the %s form", (form) => {
  const model = untrained(form, { count: 2, normalizers });
  const actions = float32([0.3, -0.7], [2, 1]);

  it("is pure: arguments stay as they are, and equal generators give equal results", async () => {
    const state = await encoded(model, 2);
    const copies = structuredClone({ state, actions });
    const first = await model.step(state, actions, Rng.fromSeed(1));
    expect({ state, actions }).toEqual(copies);
    const kept = structuredClone(first);
    await model.step(first.state, actions, Rng.fromSeed(2));
    expect(first).toEqual(kept);
    expect(await model.step(state, actions, Rng.fromSeed(1))).toEqual(kept);
  });

  it("moves the windows up by one and puts the action last", async () => {
    const state = await encoded(model, 2);
    const { state: next } = await model.step(state, actions, Rng.fromSeed(1));
    for (let b = 0; b < 2; b++) {
      expect([...next.latents.data.subarray(4 * b, 4 * b + 2)]).toEqual([
        ...state.latents.data.subarray(4 * b + 2, 4 * b + 4),
      ]);
      expect(next.states.data[2 * b]).toBe(state.states.data[2 * b + 1]);
      expect(next.pastActions.data[b]).toBe(actions.data[b]);
    }
  });

  it("answers for each row alone when every row has its own generator", async () => {
    const state = await encoded(model, 2);
    const both = await model.step(state, actions, [Rng.fromSeed(4), Rng.fromSeed(5)]);
    const other = selectRows(state, [1, 1]);
    const second = await model.step(other, float32([-0.7, -0.7], [2, 1]), [Rng.fromSeed(9), Rng.fromSeed(5)]);
    expect(selectRows(second.state, [1])).toEqual(selectRows(both.state, [1]));
    expect(second.rewards.data[1]).toBe(both.rewards.data[1]);
  });

  it("gives probabilities, and more of them where the members' highest counts", async () => {
    const highest = untrained(form, { count: 2, normalizers, termination: "max" });
    const state = await encoded(model, 2);
    const mean = (await model.step(state, actions, Rng.fromSeed(1))).terminatedProbabilities.data;
    const max = (await highest.step(state, actions, Rng.fromSeed(1))).terminatedProbabilities.data;
    mean.forEach((p, i) => {
      expect(p).toBeGreaterThan(0);
      expect(p).toBeLessThan(1);
      expect(max[i]).toBeGreaterThan(p);
    });
  });
});

describe("the noise of a step", () => {
  it("moves the flow form and leaves the deterministic form alone", async () => {
    for (const form of ["deterministic", "flow"] as const) {
      const model = untrained(form);
      const state = await encoded(model, 2);
      const [a, b] = [
        await model.step(state, actions(), Rng.fromSeed(1)),
        await model.step(state, actions(), Rng.fromSeed(2)),
      ];
      if (form === "flow") expect(a.state.latents).not.toEqual(b.state.latents);
      else expect(a).toEqual(b);
    }
  });
  const actions = (): NdArray<"float32"> => float32([0.3, -0.7], [2, 1]);
});

describe("rewards", () => {
  it("are the model's own where it goes on and the terminal reward where it surely ends", async () => {
    const config = configOf("deterministic");
    const members = [initDenoiser(Rng.fromSeed(0), config)];
    const layers = Object.values(members[0].readout);
    const last = layers[layers.length - 1];
    last.weight.data.fill(0 as never);
    const model = (logit: number): LatentWorldModel => {
      last.bias.data.set([0, 2, logit] as never);
      return makeLatentWorldModel({
        config,
        members: structuredClone(members),
        normalizers: { ...normalizers, terminalReward: -10 },
        tokenizer: lineTokenizer,
        actionSpec,
      });
    };
    const rewardAt = async (logit: number): Promise<number> => {
      const { rewards } = await model(logit).step(
        await encoded(model(logit), 2),
        float32([0, 0], [2, 1]),
        Rng.fromSeed(0),
      );
      return rewards.data[0];
    };
    expect(await rewardAt(-40)).toBeCloseTo(2 * 3 + 1, 4);
    expect(await rewardAt(40)).toBeCloseTo(-10, 4);
    expect(await rewardAt(0)).toBeCloseTo((7 - 10) / 2, 4);
  });
});

describe("normalizers", () => {
  it("are the data's means and scales, with the ending steps' rewards apart", () => {
    const fitted = fitNormalizers(replayOf([play(0, [1, 1, 1, 1]), play(1, [-1, -1])]), 1);
    expect(fitted.terminalReward).toBeCloseTo(2, 6);
    expect(fitted.rewardMean).toBeCloseTo((0.5 + 1 + 1.5 + 0.5 + 0) / 5, 6);
    expect(fitted.stateMean[0]).toBeCloseTo((0 + 0.5 + 1 + 1.5 + 2 + 1 + 0.5 + 0) / 8, 6);
    const squares = [0, 0.5, 1, 1.5, 2, 1, 0.5, 0].map((x) => (x - fitted.stateMean[0]) ** 2);
    expect(fitted.stateScale[0]).toBeCloseTo(Math.sqrt(squares.reduce((a, b) => a + b) / 8), 6);
  });
});

describe("a world model's checkpoint", () => {
  const path = join(mkdtempSync(join(tmpdir(), "reverie-model-")), "model.safetensors");
  const config = configOf("flow");
  const members = [0, 1].map((i) => initDenoiser(Rng.fromSeed(i), config));
  saveLatentModel(path, { config, members, normalizers, actionSpec }, lineTokenizer.hash);

  it("gives back the same predictions by the bit, with normalizers and the actions' meaning", async () => {
    const loaded = loadLatentModel(path, lineTokenizer);
    const made = makeLatentWorldModel({ config, members, normalizers, actionSpec, tokenizer: lineTokenizer });
    expect(loaded.actionSpec).toEqual(actionSpec);
    const state = await encoded(made, 2);
    expect(await encoded(loaded, 2)).toEqual(state);
    const actions = float32([0.3, -0.7], [2, 1]);
    expect(await loaded.step(state, actions, Rng.fromSeed(3))).toEqual(
      await made.step(state, actions, Rng.fromSeed(3)),
    );
    expect(await loaded.decode(state)).toEqual(await made.decode(state));
  });

  it("is refused beside another tokenizer", () => {
    expect(() => loadLatentModel(path, { ...lineTokenizer, hash: "another" })).toThrow(
      /CHECKPOINT_MISMATCH.*tokenizer/,
    );
  });

  it("of another kind is refused", () => {
    const other = join(path, "..", "other.safetensors");
    saveCheckpoint(other, { w: float32([1]) }, { kind: "actor-critic" });
    expect(() => loadLatentModel(other, lineTokenizer)).toThrow(/CHECKPOINT_MISMATCH/);
  });

  it("whose latents have another shape is refused", () => {
    const parts = { config, members, normalizers, actionSpec, tokenizer: { ...lineTokenizer, channels: 3 } };
    expect(() => makeLatentWorldModel(parts)).toThrow(/CHECKPOINT_MISMATCH.*\n.*2 tokens of 1 channels/);
  });
});

it("a context too short to show speed is refused", () => {
  expect(() => initDenoiser(Rng.fromSeed(0), configOf("deterministic", 1))).toThrow(
    /INVALID_ARGUMENT.*contextLength/,
  );
});

describe("start states", () => {
  it("are never the frame on which the task ended", () => {
    const model = untrained("deterministic");
    const replay = replayOf(randomEpisodes(20, 8, 3));
    const { latents } = makeReplayContexts(model, replay).sample(300, Rng.fromSeed(1));
    const ended = new Set(
      replay.episodes
        .filter(({ terminated }) => terminated)
        .map(({ columns, length }) => columns.latent.data[2 * length]),
    );
    expect(ended.size).toBeGreaterThan(5);
    for (let b = 0; b < 300; b++) expect(ended.has(latents.data[4 * b + 2])).toBe(false);
  });

  it("come from the newest episodes as often as asked, drawn one by one or together", () => {
    const model = untrained("deterministic");
    const replay = replayOf([...randomEpisodes(20, 8, 3), play(-1.5, [0, 0, 0, 0, 0, 0, 0, 0])]);
    const contexts = makeReplayContexts(model, replay, { recentFraction: 0.5, recentEpisodes: 1 });
    const rng = Rng.fromSeed(2);
    const newest = latentsOf([-1.5]).data[0];
    const share = (states: LatentState[]): number => {
      const rows = states.flatMap(({ latents }) =>
        Array.from({ length: latents.shape[0] }, (_, b) => latents.data[4 * b + 2]),
      );
      return rows.filter((x) => x === newest).length / rows.length;
    };
    expect(share(Array.from({ length: 200 }, () => contexts.sample(1, rng)))).toBeGreaterThan(0.4);
    expect(share([contexts.sample(200, rng)])).toBeGreaterThan(0.48);
    expect(share(Array.from({ length: 200 }, () => contexts.sample(1, rng)))).toBeLessThan(0.65);
  });
});
