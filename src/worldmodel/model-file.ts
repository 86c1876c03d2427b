/** @file What every kind of world model shares on disk: weights, config, normalizers, action spec, the tokenizer's hash. */

import { fail } from "../core/errors.ts";
import { loadCheckpoint, saveCheckpoint } from "../nn/checkpoint.ts";
import { checkActionSpec, requireSameActions } from "./action-spec.ts";
import type { Normalizers } from "./normalizers.ts";
import type { ActionSpec } from "./worldmodel.ts";

/** What a model's file says besides its weights. */
export interface ModelMeta<Config> {
  readonly config: Config;
  readonly normalizers: Normalizers;
  readonly actionSpec: ActionSpec;
  /** Of the tokenizer whose latents or tokens the weights were trained on. */
  readonly tokenizerHash: string;
}

/** Write weights under `kind`; returns the file's hash. @throws INVALID_ARGUMENT for an unsound action spec */
export function saveModelFile(
  path: string,
  weights: Parameters<typeof saveCheckpoint>[1],
  meta: ModelMeta<unknown> & { readonly kind: string; readonly members?: number },
): string {
  return saveCheckpoint(path, weights, { ...meta, actionSpec: checkActionSpec(meta.actionSpec) });
}

/** What a caller requires of the file that it opens. */
export interface ModelFileDemands {
  readonly kind: string;
  /** The tokenizer at hand. */
  readonly tokenizerHash: string;
  /** What the caller's actions mean. */
  readonly actionSpec?: ActionSpec;
}

/**
 * Read weights and what belongs to them.
 * @throws CORRUPT_FILE; CHECKPOINT_MISMATCH when it is of another kind, or was trained on another tokenizer's latents or on
 * actions of another meaning
 */
export function loadModelFile<Config>(
  path: string,
  { kind, tokenizerHash, actionSpec }: ModelFileDemands,
): {
  tensors: ReturnType<typeof loadCheckpoint>["tensors"];
  meta: ModelMeta<Config> & { readonly members?: number };
} {
  const { tensors, meta } = loadCheckpoint(path);
  if (meta.kind !== kind || meta.tokenizerHash !== tokenizerHash) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: `${path} does not belong to this tokenizer`,
      expected: `${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind} trained on tokenizer ${tokenizerHash.slice(0, 12)}`,
      got: `${String(meta.kind)} of tokenizer ${String(meta.tokenizerHash).slice(0, 12)}`,
      fix: "load the tokenizer that was saved beside it",
    });
  }
  const read = meta as unknown as ModelMeta<Config> & { readonly members?: number };
  if (actionSpec !== undefined) requireSameActions(read.actionSpec, actionSpec, path);
  return { tensors, meta: read };
}
