/** @file Chunks of actions from a policy that knows one step: it acts on in the world model's dream of what comes next. */

import type { ChunkPolicy } from "../../src/agents/deciders.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { zeros } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import type { Policy } from "../../src/policy/policy.ts";
import type { LatentState, WorldModel } from "../../src/worldmodel/worldmodel.ts";

/** What dreams of chunks are made of. */
export interface ChunkParts {
  readonly model: WorldModel;
  readonly policy: Policy<NdArray<"float32">>;
  /** The present latent state of the one robot. */
  readonly state: () => LatentState;
  /** Actions per chunk. */
  readonly horizon: number;
}

/** A policy that plans `horizon` steps: the first on what is seen, the others on what the model says will be. */
export function dreamChunks({ model, policy, state, horizon }: ChunkParts): ChunkPolicy<NdArray<"float32">> {
  return {
    async actChunk(_observations, begins, options = {}) {
      const size = model.actionSpec.names.length;
      const chunk = zeros("float32", [1, horizon, size]);
      const rng = options.rng ?? Rng.fromSeed(0);
      let latent = state();
      for (let h = 0; h < horizon; h++) {
        const { actions } = await policy.act(model.features(latent), begins, options);
        chunk.data.set(actions.data, h * size);
        if (h + 1 < horizon) ({ state: latent } = await model.step(latent, actions, rng));
      }
      return { actions: chunk };
    },
  };
}
