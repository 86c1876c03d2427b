/** @file A learned policy as one standard .onnx file: from camera pictures to an action, weights and statistics inside. */

import { join } from "node:path";
import { isNdArray, zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import { jit, tf, type Host, type Tensor } from "../../engine/jit.ts";
import { loadCheckpoint, restoreParams } from "../../nn/checkpoint.ts";
import { actionDistribution, initActorCritic, type ActorCriticConfig } from "../../policy/networks.ts";
import { encodeTraced, loadContinuousParts } from "../../tokenizer/continuous.ts";
import type { Normalizers } from "../../worldmodel/normalizers.ts";

/** What the exported policy looks at, and what it answers. */
export interface ExportedInput {
  /** uint8 [2, 64, 64, 3]: the picture before and the present one (twice the first one when an episode begins). */
  readonly frames: NdArray<"uint8">;
  /** float32 [1, A]: the action before, in [-1, 1]; zeros when an episode begins. */
  readonly lastAction: NdArray<"float32">;
  /** float32 [1, S]: the present state in SI units. */
  readonly state: NdArray<"float32">;
}

/** Host arrays to constants of the graph. */
function constants<T>(tree: T): Host<T> {
  if (isNdArray(tree)) return tf.tensor(tree.data as Float32Array, [...tree.shape], "float32") as never;
  const entries = Object.entries(tree as Record<string, unknown>);
  return Object.fromEntries(entries.map(([name, value]) => [name, constants(value)])) as Host<T>;
}

function loadParts(folder: string, name: string) {
  const tokenizer = loadContinuousParts(join(folder, "tokenizer.safetensors"), Rng.fromSeed(0));
  const normalizers = loadCheckpoint(join(folder, "worldmodel.safetensors")).meta.normalizers as Normalizers;
  const path = join(folder, "policies", `${name}.safetensors`);
  const { tensors, meta } = loadCheckpoint(path);
  const config = meta.config as ActorCriticConfig;
  const params = restoreParams(initActorCritic(Rng.fromSeed(0), config), tensors, path);
  return { tokenizer, normalizers, config, params };
}

/**
 * The mean action of a run's policy as .onnx; `folder` is a seed's (`runs/<run>/seed-0`).
 *
 * Inputs `i0` (frames), `i1` (lastAction), `i2` (state) as in `ExportedInput`, output `o0`: the action float32 [1, A] in
 * [-1, 1]. Nothing else is needed to run it.
 * @throws CORRUPT_FILE, CHECKPOINT_MISMATCH, IO_FAILED
 */
export async function exportPolicy(folder: string, name: string): Promise<Uint8Array> {
  const { tokenizer, normalizers, config, params } = loadParts(folder, name);
  const { stateMean, stateScale } = normalizers;
  type In = { readonly frames: Tensor; readonly lastAction: Tensor; readonly state: Tensor };
  const act = jit(
    ({ frames, lastAction, state }: In) => {
      const { mean, scale } = tokenizer.normalizer;
      const traced = constants({ params: tokenizer.params, mean, scale });
      const latents = encodeTraced(traced as never, frames, tokenizer.config);
      const seen = tf.div(tf.sub(state, tf.tensor([stateMean])), tf.tensor([stateScale]));
      const features = tf.concat([tf.reshape(latents, [1, -1]), seen, lastAction], 1);
      const { actor, logStd } = constants({ actor: params.actor, logStd: params.logStd }) as never;
      return { action: tf.tanh(actionDistribution({ actor, logStd }, features).mean) };
    },
    { name: "policy" },
  );
  const { size } = tokenizer.config;
  return act.exportOnnx({
    frames: zeros("uint8", [2, size, size, 3]),
    lastAction: zeros("float32", [1, config.actionSize]),
    state: zeros("float32", [1, stateMean.length]),
  });
}
