/** @file The world model on disk: weights of all members, config, normalizers, action spec, and the tokenizer's hash. */

import { fail } from "../core/errors.ts";
import { Rng } from "../core/rng.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../nn/checkpoint.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { checkActionSpec, requireSameActions } from "./action-spec.ts";
import { initDenoiser, type DenoiserConfig } from "./denoiser.ts";
import {
  makeLatentWorldModel,
  type LatentModelParts,
  type LatentWorldModel,
  type Normalizers,
} from "./latent-model.ts";
import type { ActionSpec } from "./worldmodel.ts";

/** Write a world model; returns the checkpoint's hash. */
export function saveLatentModel(
  path: string,
  parts: Omit<LatentModelParts, "tokenizer" | "termination">,
  tokenizerHash: string,
): string {
  const { config, members, normalizers, actionSpec } = parts;
  const meta = {
    kind: "latent-world-model",
    config,
    normalizers,
    actionSpec: checkActionSpec(actionSpec),
    tokenizerHash,
    members: members.length,
  };
  return saveCheckpoint(path, { members }, meta);
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
  const { tensors, meta } = loadCheckpoint(path);
  if (meta.kind !== "latent-world-model" || meta.tokenizerHash !== tokenizer.hash) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: `${path} does not belong to this tokenizer`,
      expected: `a latent-world-model trained on tokenizer ${tokenizer.hash.slice(0, 12)}`,
      got: `${String(meta.kind)} of tokenizer ${String(meta.tokenizerHash).slice(0, 12)}`,
      fix: "load the tokenizer that was saved beside it",
    });
  }
  const config = meta.config as DenoiserConfig;
  const like = Array.from({ length: meta.members as number }, () => initDenoiser(Rng.fromSeed(0), config));
  const { members } = restoreParams({ members: like }, tensors, path);
  const { normalizers, actionSpec } = meta as unknown as { normalizers: Normalizers; actionSpec: ActionSpec };
  if (options.actionSpec !== undefined) requireSameActions(actionSpec, options.actionSpec, path);
  const { termination } = options;
  return makeLatentWorldModel({ config, members, normalizers, actionSpec, tokenizer, termination });
}
