/** @file The world model on disk: weights of all members, config, normalizers, action spec, and the tokenizer's hash. */

import { Rng } from "../../core/rng.ts";
import { restoreParams } from "../../nn/checkpoint.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { initDenoiser, type DenoiserConfig } from "./denoiser.ts";
import { makeLatentWorldModel, type LatentModelParts, type LatentWorldModel } from "./latent-model.ts";
import { loadModelFile, saveModelFile } from "../model-file.ts";
import type { ActionSpec } from "../worldmodel.ts";

const KIND = "latent-world-model";

/** Write a world model; returns the checkpoint's hash. */
export function saveLatentModel(
  path: string,
  parts: Omit<LatentModelParts, "tokenizer" | "termination">,
  tokenizerHash: string,
): string {
  const { config, members, normalizers, actionSpec } = parts;
  const meta = { kind: KIND, config, normalizers, actionSpec, tokenizerHash, members: members.length };
  return saveModelFile(path, { members }, meta);
}

/**
 * Read a world model.
 * @param options.actionSpec what the caller's actions mean; a model of other actions is refused
 * @throws CORRUPT_FILE; CHECKPOINT_MISMATCH when it is no world model, or was trained on another tokenizer's latents or on
 * actions of another meaning
 */
export function loadLatentModel(
  path: string,
  tokenizer: Tokenizer,
  options: Pick<LatentModelParts, "termination"> & { readonly actionSpec?: ActionSpec } = {},
): LatentWorldModel {
  const { termination } = options;
  const demands = { kind: KIND, tokenizerHash: tokenizer.hash, actionSpec: options.actionSpec };
  const { tensors, meta } = loadModelFile<DenoiserConfig>(path, demands);
  const { config, normalizers, actionSpec } = meta;
  const like = Array.from({ length: meta.members ?? 0 }, () => initDenoiser(Rng.fromSeed(0), config));
  const { members } = restoreParams({ members: like }, tensors, path);
  return makeLatentWorldModel({ config, members, normalizers, actionSpec, tokenizer, termination });
}
