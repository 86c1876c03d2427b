/** @file What really came of recorded states: returns of whole episodes, by hand and in the critic. */

import { describe, expect, it } from "vitest";
import { float32, ndarray, zeros, type NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { openRecordedReturns } from "../../../src/experiment/loop/recorded-returns.ts";
import { initActorCritic, makeActorCritic, type ActorCritic } from "../../../src/policy/networks.ts";
import { makePpo } from "../../../src/policy/ppo.ts";
import type { Rollout } from "../../../src/policy/rollout.ts";
import { makeLatentReplay } from "../../../src/worldmodel/latent/latent-replay.ts";
import type { LatentWorldModel } from "../../../src/worldmodel/latent/latent-model.ts";

/** Features are the newest latent: one number that names the observation. */
const model = {
  contextLength: 2,
  fromLatents: (latents: NdArray<"float32">) => ({ latents }),
  // A dream adds a thousandth to the name, and a tenth of the action.
  step: async ({ latents }: { latents: NdArray<"float32"> }, actions: NdArray<"float32">) => {
    const next = Float32Array.from(latents.data, (name, i) =>
      i % 2 === 0 ? latents.data[i + 1] : name + 0.001 + 0.1 * actions.data[(i - 1) / 2],
    );
    return { state: { latents: { ...latents, data: next } } };
  },
  features: ({ latents }: { latents: NdArray<"float32"> }) => {
    const [rows, frames] = latents.shape;
    return ndarray(
      "float32",
      [rows, 1],
      Float32Array.from({ length: rows }, (_, b) => latents.data[(b + 1) * frames - 1]),
    );
  },
} as unknown as LatentWorldModel;

/** The action of all steps of an episode. */
const actionOf = (first: number): number => (first === 100 ? 0 : 1);

/** Observations named from `first` on; rewards 1, 2, 3, … */
function replayOf(...episodes: { first: number; steps: number; terminated: boolean }[]) {
  const replay = makeLatentReplay({ tokens: 1, channels: 1 }, { stateSize: 1, actionSize: 1 });
  for (const { first, steps, terminated } of episodes) {
    const names = Float32Array.from({ length: steps + 1 }, (_, t) => first + t);
    const columns = {
      latent: ndarray("float32", [steps + 1, 1], names),
      state: zeros("float32", [steps + 1, 1]),
      action: ndarray("float32", [steps, 1], new Float32Array(steps).fill(actionOf(first))),
      reward: float32(Array.from({ length: steps }, (_, t) => t + 1)),
    };
    replay.add({ columns, terminated, truncated: !terminated });
  }
  return replay;
}

/** Values every observation by its name. */
const namesAsValues = {
  values: async (x: NdArray<"float32">) => ({ ...x, shape: [x.shape[0]] }),
} as unknown as ActorCritic;

async function returnsByName(
  replay: ReturnType<typeof replayOf>,
  options: { episodes: number; gaeLambda: number; dreamedShare?: number },
): Promise<Map<number, number>> {
  const settings = { discount: 0.5, terminationReward: -10, rows: 200, dreamedShare: 0, horizon: 3 };
  const recorded = await openRecordedReturns({ model, replay, ...settings, ...options }, Rng.fromSeed(2));
  const { observations, returns } = await recorded.draw(namesAsValues, Rng.fromSeed(1));
  return new Map(Array.from(returns, (value, k) => [observations.data[k], value]));
}

describe("recorded returns", () => {
  it("are discounted sums up to a crash, with the dream's penalty and nothing after it", async () => {
    const replay = replayOf({ first: 100, steps: 2, terminated: true });
    const found = await returnsByName(replay, { episodes: 1, gaeLambda: 1 });
    expect([...found].sort(([a], [b]) => a - b)).toEqual([
      [100, 1 + 0.5 * (2 - 10)],
      [101, 2 - 10],
    ]);
  });

  it("bootstrap from an episode's own last observation when it was cut, not from the next episode's first", async () => {
    const cut = { first: 100, steps: 2, terminated: false };
    const replay = replayOf(cut, { first: 900, steps: 1, terminated: true });
    const found = await returnsByName(replay, { episodes: 2, gaeLambda: 1 });
    expect(found.get(101)).toBe(2 + 0.5 * 102);
    expect(found.get(100)).toBe(1 + 0.5 * (2 + 0.5 * 102));
  });

  it("believe the critic one step ahead where gaeLambda is 0", async () => {
    const replay = replayOf({ first: 100, steps: 2, terminated: true });
    const found = await returnsByName(replay, { episodes: 1, gaeLambda: 0 });
    expect(found.get(100)).toBe(1 + 0.5 * 101);
  });

  it("come from the newest episodes alone", async () => {
    const old = { first: 100, steps: 5, terminated: true };
    const found = await returnsByName(replayOf(old, { first: 900, steps: 3, terminated: true }), {
      episodes: 1,
      gaeLambda: 1,
    });
    expect([...found.keys()].sort((a, b) => a - b)).toEqual([900, 901, 902]);
  });

  it("are those of the recorded states where these are dreamed: by the actions taken, within the horizon, in their episode", async () => {
    const replay = replayOf(
      { first: 100, steps: 5, terminated: true },
      { first: 900, steps: 4, terminated: false },
    );
    const dreamed = await returnsByName(replay, { episodes: 2, gaeLambda: 1, dreamedShare: 1 });
    const real = await returnsByName(replay, { episodes: 2, gaeLambda: 1 });
    expect(dreamed.size).toBe(9);
    const beginnings = [...dreamed.keys()].filter((name) => Number.isInteger(name));
    expect(beginnings).toContain(100);
    expect(beginnings).toContain(900);
    for (const [dream, value] of dreamed) {
      // A dream of k steps from observation o is named o + k · perStep, and stands for what came of o + k.
      const perStep = dream < 900 ? 0.001 : 0.101;
      const from = Math.floor(dream + 1e-4);
      const steps = Math.round((dream - from) / perStep);
      expect(steps).toBeLessThanOrEqual(3);
      expect(value).toBe(real.get(from + steps));
    }
  });

  it("move the critic where the rollout has nothing to say", async () => {
    const network = { observationSize: 1, actionSize: 1, hidden: [16], initialLogStd: -1, valueScale: 5 };
    const policy = makeActorCritic(network, initActorCritic(Rng.fromSeed(0), network));
    const learner = makePpo(policy, {
      discount: 0.9,
      gaeLambda: 0.9,
      clip: 0.2,
      epochs: 1,
      criticEpochs: 20,
      criticRate: 1,
      minibatches: 1,
      entropyCoefficient: 0,
      anchorCoefficient: 0,
      clipNorm: 1,
      klLimit: 1,
    });
    const recorded = {
      observations: ndarray("float32", [4, 1], Float32Array.of(-1, -1, -1, -1)),
      returns: new Float32Array(4).fill(-5),
    };
    for (let i = 0; i < 20; i++)
      await learner.update(quietRollout(), {
        learningRate: 0.01,
        rng: Rng.fromSeed(i),
        criticOnly: true,
        recorded,
      });
    const values = await policy.values(ndarray("float32", [2, 1], Float32Array.of(1, -1)));
    expect(values.data[0]).toBeCloseTo(0, 0);
    expect(values.data[1]).toBeCloseTo(-5, 0);
  });
});

/** Four steps in observation 1 without any reward. */
function quietRollout(): Rollout {
  const column = (value: number): Float32Array => new Float32Array(4).fill(value);
  return {
    steps: 1,
    rows: 4,
    observations: ndarray("float32", [4, 1], column(1)),
    actions: zeros("float32", [4, 1]),
    logProbabilities: column(0),
    values: column(0),
    rewards: column(0),
    continues: column(0),
    ends: new Uint8Array(4).fill(1),
    nextValues: column(0),
    weights: column(1),
  };
}
