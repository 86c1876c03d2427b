/** @file The autoregressive world model on disk: weights, config, normalizers, action spec, and the tokenizer's hash. */

import { fail } from "../core/errors.ts";
import { Rng } from "../core/rng.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../nn/checkpoint.ts";
import type { DiscreteVideoTokenizer } from "../tokenizer/tokenizer.ts";
import { checkActionSpec, requireSameActions } from "./action-spec.ts";
import { initAutoregressive, type AutoregressiveConfig } from "./autoregressive.ts";
import {
  makeAutoregressiveWorldModel,
  type AutoregressiveParts,
  type AutoregressiveWorldModel,
} from "./autoregressive-model.ts";
import type { Normalizers } from "./latent-model.ts";
import type { ActionSpec } from "./worldmodel.ts";

/** Write a world model; returns the checkpoint's hash. */
export function saveAutoregressiveModel(
  path: string,
  parts: Pick<AutoregressiveParts, "config" | "params" | "normalizers" | "actionSpec">,
  tokenizerHash: string,
): string {
  const { params, config, normalizers } = parts;
  const actionSpec = checkActionSpec(parts.actionSpec);
  const kind = "autoregressive-world-model";
  return saveCheckpoint(path, { params }, { kind, config, normalizers, actionSpec, tokenizerHash });
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
  const { tensors, meta } = loadCheckpoint(path);
  if (meta.kind !== "autoregressive-world-model" || meta.tokenizerHash !== tokenizer.hash) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: `${path} does not belong to this tokenizer`,
      expected: `an autoregressive-world-model trained on tokenizer ${tokenizer.hash.slice(0, 12)}`,
      got: `${String(meta.kind)} of tokenizer ${String(meta.tokenizerHash).slice(0, 12)}`,
      fix: "load the tokenizer that was saved beside it",
    });
  }
  const config = meta.config as AutoregressiveConfig;
  const like = { params: initAutoregressive(Rng.fromSeed(0), config) };
  const { params } = restoreParams(like, tensors, path);
  const { normalizers, actionSpec } = meta as unknown as { normalizers: Normalizers; actionSpec: ActionSpec };
  const { actionSpec: wanted, ...settings } = options;
  if (wanted !== undefined) requireSameActions(actionSpec, wanted, path);
  return makeAutoregressiveWorldModel({ config, params, normalizers, tokenizer, ...settings, actionSpec });
}
