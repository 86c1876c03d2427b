/**
 * @file A world whose next latent, state, reward and end are known functions of the action: a point on a line.
 *
 * An action moves the point by half of it; the reward is where it comes to; beyond `EDGE` the task ends. A frame is one
 * pixel whose red is the position, and the latent is the position twice, so that every form of it can be told.
 */

import { float32, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { makeReplay } from "../../src/data/replay.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { LatentReplay } from "../../src/worldmodel/contexts.ts";
import { initDenoiser, type DenoiserConfig } from "../../src/worldmodel/latent/denoiser.ts";
import {
  makeLatentWorldModel,
  type LatentModelParts,
  type LatentWorldModel,
} from "../../src/worldmodel/latent/latent-model.ts";
import { fitNormalizers, type Normalizers } from "../../src/worldmodel/normalizers.ts";
import { makeEnsembleTrainer, type EnsembleTrainer } from "../../src/worldmodel/latent/train.ts";
import type { ActionSpec, LatentState } from "../../src/worldmodel/worldmodel.ts";

type Floats = NdArray<"float32">;

export const EDGE = 1.75;
export const MOVE = 0.5;
const PIXELS_PER_UNIT = 40;

export const actionSpec: ActionSpec = {
  names: ["push"],
  units: ["1"],
  kind: "delta",
  low: [-1],
  high: [1],
  rateHz: 10,
};

/** Frames uint8 [B, 1, 1, 3] of positions. */
export function framesOf(positions: ArrayLike<number>): NdArray<"uint8"> {
  const frame = zeros("uint8", [positions.length, 1, 1, 3]);
  for (let i = 0; i < positions.length; i++)
    frame.data.set(
      [Math.max(0, Math.min(255, Math.round(128 + PIXELS_PER_UNIT * positions[i]))), 10, 20],
      3 * i,
    );
  return frame;
}

/** Latents float32 [B, 2]: the position, twice. */
export function latentsOf(positions: ArrayLike<number>): Floats {
  return float32(
    Array.from(positions).flatMap((x) => [x, x]),
    [positions.length, 2],
  );
}

/** Reads the position from the red pixel; two tokens of one channel. */
export const lineTokenizer: Tokenizer = {
  kind: "line",
  frameShape: [1, 1, 3],
  tokens: 2,
  channels: 1,
  hash: "0123456789abcdef",
  encode: async (frames) =>
    latentsOf(
      Array.from({ length: frames.shape[0] }, (_, i) => (frames.data[3 * i] - 128) / PIXELS_PER_UNIT),
    ),
  decode: async (latents) =>
    framesOf(
      Array.from({ length: latents.shape[0] }, (_, i) => (latents.data[2 * i] + latents.data[2 * i + 1]) / 2),
    ),
};

/** One recorded episode: positions x₀ … x_T and the actions between them. */
export interface LineEpisode {
  readonly positions: number[];
  readonly actions: number[];
  readonly terminated: boolean;
}

/** The episode that `actions` make from `start`: it stops where the task ends. */
export function play(start: number, actions: readonly number[]): LineEpisode {
  const positions = [start];
  for (const [t, action] of actions.entries()) {
    positions.push(positions[t] + MOVE * action);
    if (Math.abs(positions[t + 1]) > EDGE)
      return { positions, actions: actions.slice(0, t + 1), terminated: true };
  }
  return { positions, actions: [...actions], terminated: false };
}

/** Random episodes of up to `length` steps; about half of them end beyond the edge. */
export function randomEpisodes(count: number, length: number, seed: number): LineEpisode[] {
  const rng = Rng.fromSeed(seed);
  return Array.from({ length: count }, () => {
    const drift = rng.random() * 1.2 - 0.6;
    const actions = Array.from({ length }, () => Math.max(-1, Math.min(1, drift + rng.normal() * 0.6)));
    return play(rng.random() * 2 - 1, actions);
  });
}

/** Episodes as a latent replay. */
export function replayOf(episodes: readonly LineEpisode[]): LatentReplay {
  const replay = makeReplay({
    observationColumns: { latent: [2], state: [1] },
    transitionColumns: { action: [1], reward: [] },
  }) as unknown as LatentReplay;
  for (const { positions, actions, terminated } of episodes) {
    const columns = {
      latent: latentsOf(positions),
      state: float32(positions, [positions.length, 1]),
      action: float32(actions, [actions.length, 1]),
      reward: float32(positions.slice(1)),
    };
    replay.add({ columns: columns, terminated, truncated: !terminated });
  }
  return replay;
}

export const configOf = (form: DenoiserConfig["form"], contextLength = 2): DenoiserConfig => ({
  form,
  contextLength,
  tokens: 2,
  channels: 1,
  stateSize: 1,
  actionSize: 1,
  dim: 32,
  heads: 2,
  blocks: 1,
  samplingSteps: 2,
});

export const plain: Normalizers = {
  stateMean: [0],
  stateScale: [1],
  rewardMean: 0,
  rewardScale: 1,
  terminalReward: 0,
};

/** An untrained model: enough for every law that does not speak of accuracy. Its ends are as likely as `logit` says. */
export function untrained(
  form: DenoiserConfig["form"],
  over: Partial<LatentModelParts> & { count?: number; logit?: number } = {},
): LatentWorldModel {
  const { count = 1, logit = 0, ...parts } = over;
  const config = parts.config ?? configOf(form);
  const members = Array.from({ length: count }, (_, i) => initDenoiser(Rng.fromSeed([0, i]), config));
  for (const { readout } of members) Object.values(readout)[1].bias.data[config.stateSize + 1] = logit;
  return makeLatentWorldModel({
    config,
    members,
    normalizers: plain,
    tokenizer: lineTokenizer,
    actionSpec,
    ...parts,
  });
}

/** A trainer over the line's replay. */
export function lineTrainer(replay: LatentReplay, config: DenoiserConfig, members = 1): EnsembleTrainer {
  return makeEnsembleTrainer({
    config,
    replay,
    normalizers: fitNormalizers(replay, 1),
    weights: { latent: 1, state: 1, reward: 1, termination: 1 },
    optimizer: { kind: "adamw", clipNorm: 1 },
    averageDecay: 0.95,
    contextNoise: 0.05,
    initRngs: Array.from({ length: members }, (_, i) => Rng.fromSeed([40, i])),
  });
}

/** A model trained on `replay` for `steps` steps per member, unrolled over `horizon`. */
export async function trained(
  replay: LatentReplay,
  config: DenoiserConfig,
  options: { steps: number; horizon: number; members?: number },
): Promise<LatentWorldModel> {
  const { steps, horizon, members = 1 } = options;
  const trainer = lineTrainer(replay, config, members);
  const phase = { horizon, batchSize: 64, terminalFraction: 0.3, recentFraction: 0, recentEpisodes: 1 };
  for (let i = 0; i < steps * members; i++) {
    const rate = 0.01 * Math.min(1, 2 * (1 - i / (steps * members)));
    await trainer.step(i % members, phase, rate, Rng.fromSeed([41, i]));
  }
  return makeLatentWorldModel({
    config,
    members: trainer.members(),
    normalizers: fitNormalizers(replay, 1),
    tokenizer: lineTokenizer,
    actionSpec,
  });
}

/** The model's state at position `at`, having stood there, for each of the positions. */
export function standing(model: LatentWorldModel, at: readonly number[]): LatentState {
  const window = { ...latentsOf(at), shape: [at.length, 1, 2] };
  return model.fromLatents(window, float32(at, [at.length, 1, 1]), zeros("float32", [at.length, 0, 1]));
}

/** What a fake model does wrong. */
export interface LineFaults {
  readonly ignoresActions?: boolean;
  readonly neverEnds?: boolean;
  readonly alwaysEnds?: boolean;
  /** Where it believes that the task ends. */
  readonly edge?: number;
}

/** The line itself as a world model, or a broken one. */
export function lineModel(faults: LineFaults = {}): LatentWorldModel {
  const model: LatentWorldModel = {
    kind: "line",
    frameShape: [1, 1, 3],
    stateSize: 1,
    actionSpec,
    contextLength: 2,
    stepSeconds: 0.1,
    featureSize: 1,
    async encode(observations, actions) {
      const [batch, time] = observations.frame.shape;
      const latents = await lineTokenizer.encode({ ...observations.frame, shape: [batch * time, 1, 1, 3] });
      return model.fromLatents({ ...latents, shape: [batch, time, 2] }, observations.state, actions);
    },
    fromLatents(latents) {
      const [batch, time] = latents.shape;
      return {
        x: float32(
          Array.from({ length: batch }, (_, b) => latents.data[2 * ((b + 1) * time - 1)]),
          [batch, 1],
        ),
      };
    },
    observe: (_state, _actions, { frame, state }) =>
      model.encode(
        { frame: { ...frame, shape: [frame.shape[0], 1, 1, 1, 3] }, state },
        zeros("float32", [frame.shape[0], 0, 1]),
      ),
    async step(state, actions) {
      const next = state.x.data.map((x, i) => (faults.ignoresActions ? x : x + MOVE * actions.data[i]));
      const ends = next.map((x) =>
        faults.alwaysEnds || (!faults.neverEnds && Math.abs(x) > (faults.edge ?? EDGE)) ? 1 : 0,
      );
      return {
        state: { x: { ...state.x, data: next } },
        rewards: float32(next),
        terminatedProbabilities: float32(ends),
        uncertainties: zeros("float32", [next.length]),
      };
    },
    features: (state) => state.x,
    decode: async (state) => ({ frame: framesOf(state.x.data), state: state.x }),
    withMembers: () => model,
  };
  return model;
}
