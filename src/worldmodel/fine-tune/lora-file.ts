/** @file Adapters on disk: small files that belong to one base, which they name by its hash. */

import { fail } from "../../core/errors.ts";
import { Rng } from "../../core/rng.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../nn/checkpoint.ts";
import { initLora, mergeLora, type LoraConfig } from "../../nn/lora.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { checkActionSpec, requireSameActions } from "../action-spec.ts";
import type { TunedAdapter } from "./fine-tune.ts";
import { openTunable, type ModelFacts, type TunableModel, type Weights } from "./fine-tune-kinds.ts";
import type { ActionSpec, EncodedWorldModel } from "../worldmodel.ts";

const KIND = "lora-adapter";

/** Write an adapter with the facts that go with it; returns the file's hash. */
export function saveAdapter(
  path: string,
  adapter: TunedAdapter,
  base: Pick<TunableModel, "hash" | "kind">,
  facts: ModelFacts,
): string {
  const { rank, alpha, targets } = adapter.config;
  const meta = {
    kind: KIND,
    base: base.hash,
    baseKind: base.kind,
    config: { rank, alpha, targets },
    normalizers: facts.normalizers,
    actionSpec: checkActionSpec(facts.actionSpec),
  };
  return saveCheckpoint(path, { members: adapter.members }, meta);
}

/** A base with an adapter merged into it. */
export interface AdaptedModel {
  readonly base: TunableModel;
  readonly members: readonly Weights[];
  readonly facts: ModelFacts;
  /** The adapter itself, for use beside the base. */
  readonly adapter: TunedAdapter;
}

/** Read an adapter and merge it. @throws CHECKPOINT_MISMATCH for another base or no adapter; CORRUPT_FILE, IO_FAILED */
export function readAdapted(basePath: string, adapterPath: string, tokenizer: Tokenizer): AdaptedModel {
  const base = openTunable(basePath, tokenizer);
  const { tensors, meta } = loadCheckpoint(adapterPath);
  if (meta.kind !== KIND || meta.base !== base.hash) {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: `${adapterPath} does not belong to ${basePath}`,
      expected: `a ${KIND} of base ${base.hash.slice(0, 12)}`,
      got: meta.kind === KIND ? `one of base ${String(meta.base).slice(0, 12)}` : String(meta.kind),
      fix: "load the base that the adapter was trained beside: weights of another one would be changed at random",
    });
  }
  const config = meta.config as LoraConfig;
  const like = { members: base.members.map((member) => initLora(Rng.fromSeed(0), member, config)) };
  const { members } = restoreParams(like, tensors, adapterPath);
  return {
    base,
    members: base.members.map((member, i) => mergeLora(member, members[i], config)),
    facts: { normalizers: meta.normalizers, actionSpec: meta.actionSpec } as unknown as ModelFacts,
    adapter: { config, members },
  };
}

/**
 * A base with an adapter, as a world model.
 * @param options.actionSpec what the caller's actions mean; an adapter of other actions is refused
 * @throws as `readAdapted`
 */
export function loadAdapted(
  basePath: string,
  adapterPath: string,
  tokenizer: Tokenizer,
  options: { readonly actionSpec?: ActionSpec } = {},
): EncodedWorldModel {
  const { base, members, facts } = readAdapted(basePath, adapterPath, tokenizer);
  if (options.actionSpec !== undefined) requireSameActions(facts.actionSpec, options.actionSpec, adapterPath);
  return base.build(members, facts);
}
