/** @file A small causal flow model of the line world, untrained but not silent. */

import type { NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { flattenTree } from "../../src/nn/tree.ts";
import {
  initCausalFlow,
  type CausalFlowConfig,
  type CausalFlowParams,
} from "../../src/worldmodel/causal-flow/causal-flow.ts";
import { makeCausalFlowModel } from "../../src/worldmodel/causal-flow/causal-flow-model.ts";
import type { EncodedWorldModel } from "../../src/worldmodel/worldmodel.ts";
import { actionSpec, lineTokenizer, plain } from "./line-world.ts";

/** Two tokens of one channel, as the line's tokenizer has them. */
export const causalConfig = (): CausalFlowConfig => ({
  contextLength: 2,
  tokens: 2,
  channels: 1,
  stateSize: 1,
  actionSize: 1,
  dim: 32,
  heads: 2,
  blocks: 1,
  samplingSteps: 2,
  preconditioning: "residual",
  shortcut: true,
});

/** Fresh weights whose modulations, zero at first, are not zero. */
export function loudCausalParams(config: CausalFlowConfig): CausalFlowParams<NdArray> {
  const params = initCausalFlow(Rng.fromSeed(3), config);
  const rng = Rng.fromSeed(4);
  for (const [name, leaf] of flattenTree<NdArray<"float32">>(params)) {
    if (name.includes("modulation")) leaf.data.forEach((_, i) => (leaf.data[i] = 0.3 * rng.normal()));
  }
  return params;
}

/** An untrained model. */
export function untrainedCausal(over: Partial<CausalFlowConfig>): EncodedWorldModel {
  const config = { ...causalConfig(), ...over };
  const params = loudCausalParams(config);
  return makeCausalFlowModel({ config, params, normalizers: plain, tokenizer: lineTokenizer, actionSpec });
}
