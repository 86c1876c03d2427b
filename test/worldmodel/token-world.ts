/**
 * @file A world of tokens whose next frame is a known function of the action: a place on a ring of six.
 *
 * A frame is 2 × 2 pixels; the token of pixel i is place + i, modulo 6, and its red is 40 times that. An action above 0 goes
 * one place on, another one back. The reward is the place; to come to place 5 ends the task.
 */

import { float32, ndarray, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { makeReplay } from "../../src/data/replay.ts";
import type { DiscreteVideoTokenizer } from "../../src/tokenizer/tokenizer.ts";
import {
  initAutoregressive,
  type AutoregressiveConfig,
} from "../../src/worldmodel/autoregressive/autoregressive.ts";
import {
  makeAutoregressiveWorldModel,
  type AutoregressiveParts,
  type AutoregressiveWorldModel,
} from "../../src/worldmodel/autoregressive/autoregressive-model.ts";
import { makeAutoregressiveTrainer } from "../../src/worldmodel/autoregressive/autoregressive-train.ts";
import type { LatentReplay } from "../../src/worldmodel/contexts.ts";
import { fitNormalizers } from "../../src/worldmodel/normalizers.ts";
import type { ActionSpec } from "../../src/worldmodel/worldmodel.ts";
import { plain } from "./line-world.ts";

type Floats = NdArray<"float32">;

export const PLACES = 6;
const [RED, COUNT] = [40, 4];

export const actionSpec: ActionSpec = {
  names: ["turn"],
  units: ["1"],
  kind: "delta",
  low: [-1],
  high: [1],
  rateHz: 10,
};

/** Tokens of a place. */
export const tokensAt = (place: number): number[] =>
  Array.from({ length: COUNT }, (_, i) => (place + i) % PLACES);

/** Frames uint8 [B, T, 2, 2, 3] of ids [B, T, 4]. */
function paint(ids: ArrayLike<number>, shape: readonly number[]): NdArray<"uint8"> {
  const frames = zeros("uint8", [...shape, 2, 2, 3]);
  for (let i = 0; i < ids.length; i++) frames.data[3 * i] = ids[i] * RED;
  return frames;
}

/** Frames uint8 [B, T, 2, 2, 3] of places [B · T]. */
export function framesAt(places: readonly number[], shape: readonly number[]): NdArray<"uint8"> {
  return paint(places.flatMap(tokensAt), shape);
}

/** Reads ids from red; six of them, as three steps times two. */
export const ringTokenizer: DiscreteVideoTokenizer = {
  kind: "discrete-video",
  frameShape: [2, 2, 3],
  temporal: 1,
  spatial: 1,
  tokens: COUNT,
  channels: 2,
  levels: [3, 2],
  codebookSize: PLACES,
  hash: "fedcba9876543210",
  encode: () => Promise.reject(new Error("not used here")),
  decode: () => Promise.reject(new Error("not used here")),
  tokenize: async (frames) => {
    const [batch, time] = frames.shape;
    const ids = zeros("int32", [batch, time, COUNT]);
    ids.data.forEach((_, i) => (ids.data[i] = Math.round(frames.data[3 * i] / RED)));
    return ids;
  },
  detokenize: async (ids) => paint(ids.data, ids.shape.slice(0, 2)),
};

export const ringConfig: AutoregressiveConfig = {
  contextLength: 2,
  rows: 2,
  columns: 2,
  levels: [3, 2],
  stateSize: 1,
  actionSize: 1,
  dim: 32,
  heads: 2,
  blocks: 2,
  draftHeads: 3,
};

/** An untrained model: enough for every law that does not speak of accuracy. */
export function untrainedRing(
  over: Partial<AutoregressiveParts> & { seed?: number } = {},
): AutoregressiveWorldModel {
  const { seed = 0, ...parts } = over;
  const config = parts.config ?? ringConfig;
  const params = initAutoregressive(Rng.fromSeed([7, seed]), config);
  const output = params.output.weight.data as Float32Array;
  // Loud enough that tokens differ from place to place.
  output.forEach((_, i) => (output[i] *= 20));
  return makeAutoregressiveWorldModel({
    config,
    params,
    normalizers: plain,
    tokenizer: ringTokenizer,
    actionSpec,
    ...parts,
  });
}

/** Random walks on the ring until place 5 or `length` steps. */
export function ringReplay(count: number, length: number, seed: number): LatentReplay {
  const rng = Rng.fromSeed(seed);
  const replay = makeReplay({
    observationColumns: { latent: [COUNT], state: [1] },
    transitionColumns: { action: [1], reward: [] },
  }) as unknown as LatentReplay;
  for (let n = 0; n < count; n++) {
    const places = [Math.floor(rng.random() * 5)];
    const actions: number[] = [];
    while (actions.length < length && (actions.length === 0 || places[places.length - 1] !== 5)) {
      const action = rng.random() * 2 - 1;
      actions.push(action);
      places.push((places[places.length - 1] + (action > 0 ? 1 : PLACES - 1)) % PLACES);
    }
    const columns = {
      latent: float32(places.flatMap(tokensAt), [places.length, COUNT]),
      state: float32(places, [places.length, 1]),
      action: float32(actions, [actions.length, 1]),
      reward: float32(places.slice(1)),
    };
    const terminated = places[places.length - 1] === 5;
    replay.add({ columns, terminated, truncated: !terminated });
  }
  return replay;
}

/** A model trained on walks, and its last metrics. */
export async function trainedRing(steps: number): Promise<{ parts: AutoregressiveParts; bits: number }> {
  const replay = ringReplay(80, 20, 11);
  const normalizers = fitNormalizers(replay, 1);
  const trainer = makeAutoregressiveTrainer({
    config: ringConfig,
    replay,
    normalizers,
    weights: { latent: 1, state: 1, reward: 1, termination: 1, draft: 0.3 },
    optimizer: { kind: "adamw", clipNorm: 1 },
    averageDecay: 0.9,
    ownTokens: 0.3,
    rng: Rng.fromSeed(12),
  });
  let bits = Infinity;
  for (let i = 0; i < steps; i++) {
    const rate = 0.01 * Math.min(1, 2 * (1 - i / steps));
    const phase = { batchSize: 32, terminalFraction: 0.3 };
    ({ bits } = await trainer.step(phase, rate, Rng.fromSeed([13, i])));
  }
  const parts = {
    config: ringConfig,
    params: trainer.params(),
    normalizers,
    tokenizer: ringTokenizer,
    actionSpec,
  };
  return { parts, bits };
}

/** Actions float32 [B, 1]. */
export const turns = (values: readonly number[]): Floats =>
  ndarray("float32", [values.length, 1], Float32Array.from(values));
