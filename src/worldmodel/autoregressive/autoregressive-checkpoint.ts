/** @file The autoregressive world model on disk: weights, config, normalizers, action spec, and the tokenizer's hash. */

import { Rng } from "../../core/rng.ts";
import { restoreParams } from "../../nn/checkpoint.ts";
import type { DiscreteVideoTokenizer } from "../../tokenizer/tokenizer.ts";
import { initAutoregressive, type AutoregressiveConfig } from "./autoregressive.ts";
import {
  makeAutoregressiveWorldModel,
  type AutoregressiveParts,
  type AutoregressiveWorldModel,
} from "./autoregressive-model.ts";
import { loadModelFile, saveModelFile } from "../model-file.ts";
import type { ActionSpec } from "../worldmodel.ts";

const KIND = "autoregressive-world-model";

/** Write a world model; returns the checkpoint's hash. */
export function saveAutoregressiveModel(
  path: string,
  parts: Pick<AutoregressiveParts, "config" | "params" | "normalizers" | "actionSpec">,
  tokenizerHash: string,
): string {
  const { params, config, normalizers, actionSpec } = parts;
  return saveModelFile(path, { params }, { kind: KIND, config, normalizers, actionSpec, tokenizerHash });
}

/**
 * Read a world model.
 * @param options.actionSpec what the caller's actions mean; a model of other actions is refused
 * @throws CORRUPT_FILE; CHECKPOINT_MISMATCH when it is no such model, or was trained on another tokenizer's tokens or on
 * actions of another meaning
 */
export function loadAutoregressiveModel(
  path: string,
  tokenizer: DiscreteVideoTokenizer,
  options: Pick<AutoregressiveParts, "sampling" | "drafting"> & { readonly actionSpec?: ActionSpec } = {},
): AutoregressiveWorldModel {
  const { actionSpec: wanted, ...settings } = options;
  const demands = { kind: KIND, tokenizerHash: tokenizer.hash, actionSpec: wanted };
  const { tensors, meta } = loadModelFile<AutoregressiveConfig>(path, demands);
  const { config, normalizers, actionSpec } = meta;
  const like = { params: initAutoregressive(Rng.fromSeed(0), config) };
  const { params } = restoreParams(like, tensors, path);
  return makeAutoregressiveWorldModel({ config, params, normalizers, tokenizer, ...settings, actionSpec });
}
