/** @file Where imagined episodes begin: contexts drawn from recorded, already encoded episodes. */

import type { NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import type { Replay } from "../data/replay.ts";
import type { Batch } from "../data/window.ts";
import type { EncodedWorldModel, LatentState } from "./worldmodel.ts";

/** Columns of the latent replay: what the world model trains on. */
export interface LatentObservations extends Readonly<Record<string, readonly number[]>> {
  /** [N·C], standardized. */
  readonly latent: readonly [number];
  /** [S], SI units. */
  readonly state: readonly [number];
}

/** Transition columns of the latent replay. */
export interface LatentTransitions extends Readonly<Record<string, readonly number[]>> {
  readonly action: readonly [number];
  readonly reward: readonly [];
}

/** Episodes encoded once by the frozen tokenizer. */
export type LatentReplay = Replay<LatentObservations, LatentTransitions>;

/** A batch of windows of it. */
export type LatentBatch = Batch<LatentObservations, LatentTransitions>;

/** The model state at the first `contextLength` frames of every window. */
export function contextState(model: EncodedWorldModel, batch: LatentBatch): LatentState {
  const frames = model.contextLength;
  const { latent, state } = batch.observations as Record<string, NdArray<"float32">>;
  const { action } = batch.transitions as Record<string, NdArray<"float32">>;
  return model.fromLatents(head(latent, frames), head(state, frames), head(action, frames - 1));
}

/** The first `count` rows of the time axis of x [B, T, D]; shares memory when that is all of them. */
function head(x: NdArray<"float32">, count: number): NdArray<"float32"> {
  const [batch, time, width] = x.shape;
  if (time === count) return x;
  const data = new Float32Array(batch * count * width);
  for (let b = 0; b < batch; b++) {
    data.set(x.data.subarray(b * time * width, (b * time + count) * width), b * count * width);
  }
  return { dtype: "float32", shape: [batch, count, width], data };
}

/** Options of `makeReplayContexts`. */
export interface ContextOptions {
  /** Share of contexts from the newest `recentEpisodes` episodes. */
  readonly recentFraction?: number;
  readonly recentEpisodes?: number;
  /** Weight of a start in this episode among the others; all alike unless given. */
  readonly priority?: (episode: { readonly tag: string }) => number;
}

/** Draws start states from a replay; never a state after an episode's end. */
export function makeReplayContexts(
  model: EncodedWorldModel,
  replay: LatentReplay,
  options: ContextOptions = {},
) {
  return {
    sample(count: number, rng: Rng): LatentState {
      const { recentFraction = 0, recentEpisodes, priority } = options;
      // A batch of one cannot be shared out: it is drawn from the newest episodes with that probability.
      const recent = count > 1 ? recentFraction : rng.random() < recentFraction ? 1 : 0;
      const shape = { batchSize: count, context: model.contextLength, horizon: 0 };
      const batch = replay.sample({ ...shape, rng, recentFraction: recent, recentEpisodes, priority });
      return contextState(model, batch);
    },
  };
}
