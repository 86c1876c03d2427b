/** @file World models that can be tuned further: opened from their files with what training and saving them needs. */

import type { Tensor } from "../../engine/jit.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { fail } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import { loadCheckpoint, restoreParams } from "../../nn/checkpoint.ts";
import type { LossResult } from "../../nn/gradients.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { initCausalFlow, type CausalFlowConfig, type CausalFlowParams } from "../causal-flow/causal-flow.ts";
import { makeCausalFlowModel, saveCausalFlowModel } from "../causal-flow/causal-flow-model.ts";
import { causalFlowLoss, flowBatch } from "../causal-flow/causal-flow-train.ts";
import { saveLatentModel } from "../latent/checkpoint.ts";
import type { LatentReplay } from "../contexts.ts";
import { initDenoiser, type DenoiserConfig, type DenoiserParams } from "../latent/denoiser.ts";
import { makeLatentWorldModel } from "../latent/latent-model.ts";
import { windowLoss } from "../latent/loss.ts";
import { loadModelFile } from "../model-file.ts";
import type { Normalizers } from "../normalizers.ts";
import { windowBatch } from "../latent/train.ts";
import type { ActionSpec, EncodedWorldModel } from "../worldmodel.ts";

/** Weights of one member as a tree; its shape is its kind's own affair. */
export type Weights = object;

/** What belongs to weights. */
export interface ModelFacts {
  readonly normalizers: Normalizers;
  readonly actionSpec: ActionSpec;
}

/** Which windows are drawn. */
export interface TuningPhase {
  readonly batchSize: number;
  /** Steps that the latent kind is unrolled over; the flow predicts one. */
  readonly horizon: number;
  /** Share of windows that contain the end of a terminated episode. */
  readonly terminalFraction: number;
}

/** A saved world model, opened for training. */
export interface TunableModel extends ModelFacts {
  readonly kind: string;
  /** Of the file: what an adapter names as its base. */
  readonly hash: string;
  /** Ensemble members, or the one network. */
  readonly members: readonly Weights[];
  /** Loss of one member in a trace. */
  loss(weights: Weights, windows: never): LossResult;
  /** Windows as the loss takes them, host arrays. */
  windows(replay: LatentReplay, phase: TuningPhase, rng: Rng): unknown;
  /** A model of other weights and facts. */
  build(members: readonly Weights[], facts: ModelFacts): EncodedWorldModel;
  /** Write them as a model of this kind; returns the file's hash. */
  save(path: string, members: readonly Weights[], facts: ModelFacts): string;
}

const weights = { latent: 1, state: 1, reward: 0.5, termination: 1, shortcut: 1 };
/** Largest deviation of the noise on context frames: a model's own errors look like it. */
const contextNoise = 0.17;

function openLatent(path: string, tokenizer: Tokenizer): TunableModel {
  const kind = "latent-world-model";
  const { tensors, meta } = loadModelFile<DenoiserConfig>(path, { kind, tokenizerHash: tokenizer.hash });
  const { config, normalizers, actionSpec } = meta;
  const like = Array.from({ length: meta.members ?? 0 }, () => initDenoiser(Rng.fromSeed(0), config));
  const { members } = restoreParams({ members: like }, tensors, path);
  const loss = windowLoss(config, weights);
  const partsOf = (own: readonly Weights[], facts: ModelFacts) => ({
    ...facts,
    config,
    members: own as readonly DenoiserParams<NdArray>[],
  });
  return {
    kind,
    hash: loadCheckpoint(path).hash,
    members,
    normalizers,
    actionSpec,
    loss: (own, windows) => loss(own as DenoiserParams<Tensor>, windows),
    windows(replay, phase, rng) {
      const batch = replay.sample({ ...phase, context: config.contextLength, rng });
      return windowBatch(batch, config, { normalizers, contextNoise, rng });
    },
    build: (own, facts) => makeLatentWorldModel({ ...partsOf(own, facts), tokenizer }),
    save: (file, own, facts) => saveLatentModel(file, partsOf(own, facts), tokenizer.hash),
  };
}

function openCausalFlow(path: string, tokenizer: Tokenizer): TunableModel {
  const kind = "causal-flow-world-model";
  const { tensors, meta } = loadModelFile<CausalFlowConfig>(path, { kind, tokenizerHash: tokenizer.hash });
  const { config, normalizers, actionSpec } = meta;
  const { params } = restoreParams({ params: initCausalFlow(Rng.fromSeed(0), config) }, tensors, path);
  const loss = causalFlowLoss(config, weights);
  const times = { kind: "uniform" } as const;
  const partsOf = ([own]: readonly Weights[], facts: ModelFacts) => ({
    ...facts,
    config,
    params: own as CausalFlowParams<NdArray>,
  });
  return {
    kind,
    hash: loadCheckpoint(path).hash,
    members: [params],
    normalizers,
    actionSpec,
    loss: (own, windows) => loss(own as CausalFlowParams<Tensor>, windows),
    windows(replay, { batchSize, terminalFraction }, rng) {
      const shape = { batchSize, context: config.contextLength, horizon: 1, terminalFraction };
      return flowBatch(replay.sample({ ...shape, rng }), { config, normalizers, contextNoise, times }, rng);
    },
    build: (own, facts) => makeCausalFlowModel({ ...partsOf(own, facts), tokenizer }),
    save: (file, own, facts) => saveCausalFlowModel(file, partsOf(own, facts), tokenizer.hash),
  };
}

const openers: Readonly<Record<string, (path: string, tokenizer: Tokenizer) => TunableModel>> = {
  "latent-world-model": openLatent,
  "causal-flow-world-model": openCausalFlow,
};

/**
 * Open a saved world model for training.
 * @throws NOT_SUPPORTED for another kind, CHECKPOINT_MISMATCH for another tokenizer, CORRUPT_FILE, IO_FAILED
 */
export function openTunable(path: string, tokenizer: Tokenizer): TunableModel {
  const { kind } = loadCheckpoint(path).meta;
  const open = openers[String(kind)];
  if (open !== undefined) return open(path, tokenizer);
  return fail({
    code: "NOT_SUPPORTED",
    what: `${path} cannot be tuned further`,
    expected: Object.keys(openers).join(" or "),
    got: String(kind),
    fix: "train that kind anew with its own trainer",
  });
}
