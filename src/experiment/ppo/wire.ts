/** @file Rollouts and weights as bytes (safetensors), and several actors' rollouts as one. */

import { ndarray, type NdArray } from "../../core/ndarray.ts";
import { decodeSafetensors, encodeSafetensors } from "../../nn/safetensors.ts";
import { flattenTree, unflattenLike } from "../../nn/tree.ts";
import type { ActorCriticParams } from "../../policy/networks.ts";
import type { Rollout } from "../../policy/rollout.ts";

/** What an actor sends. */
export interface Experience {
  readonly rollout: Rollout;
  /** Undiscounted returns of the episodes that ended in it. */
  readonly returns: readonly number[];
}

const columns = ["logProbabilities", "values", "rewards", "continues", "nextValues", "weights"] as const;

/** @returns bytes for `decodeExperience` */
export function encodeExperience({ rollout, returns }: Experience): Uint8Array {
  const total = rollout.steps * rollout.rows;
  const tensors = new Map<string, NdArray>([
    ["observations", rollout.observations],
    ["actions", rollout.actions],
    ["ends", ndarray("uint8", [total], rollout.ends)],
    ["returns", ndarray("float32", [returns.length], Float32Array.from(returns))],
  ]);
  for (const name of columns) tensors.set(name, ndarray("float32", [total], rollout[name]));
  return encodeSafetensors(tensors, { steps: String(rollout.steps), rows: String(rollout.rows) });
}

/** @throws CORRUPT_FILE */
export function decodeExperience(bytes: Uint8Array): Experience {
  const { tensors, metadata } = decodeSafetensors(bytes, "a trajectory");
  const floats = (name: string): Float32Array => (tensors.get(name) as NdArray<"float32">).data;
  const rollout = {
    steps: Number(metadata.steps),
    rows: Number(metadata.rows),
    observations: tensors.get("observations") as NdArray<"float32">,
    actions: tensors.get("actions") as NdArray<"float32">,
    ends: (tensors.get("ends") as NdArray<"uint8">).data,
    ...(Object.fromEntries(columns.map((name) => [name, floats(name)])) as Record<
      (typeof columns)[number],
      Float32Array
    >),
  };
  return { rollout, returns: [...floats("returns")] };
}

/** Rows of several rollouts of equal length side by side; time stays first. */
export function joinRollouts(rollouts: readonly Rollout[]): Rollout {
  const [{ steps }] = rollouts;
  const rows = rollouts.reduce((sum, rollout) => sum + rollout.rows, 0);
  const joined = <A extends Float32Array | Uint8Array>(make: (n: number) => A, of: (r: Rollout) => A): A => {
    const first = of(rollouts[0]);
    const width = first.length / (steps * rollouts[0].rows);
    const out = make(steps * rows * width);
    let at = 0;
    for (let t = 0; t < steps; t++) {
      for (const rollout of rollouts) {
        const size = rollout.rows * width;
        out.set(of(rollout).subarray(t * size, (t + 1) * size), at);
        at += size;
      }
    }
    return out;
  };
  const floats = (of: (r: Rollout) => Float32Array): Float32Array => joined((n) => new Float32Array(n), of);
  const table = (of: (r: Rollout) => NdArray<"float32">): NdArray<"float32"> =>
    ndarray(
      "float32",
      [steps * rows, of(rollouts[0]).shape[1]],
      floats((r) => of(r).data),
    );
  return {
    steps,
    rows,
    observations: table((r) => r.observations),
    actions: table((r) => r.actions),
    ends: joined(
      (n) => new Uint8Array(n),
      (r) => r.ends,
    ),
    ...(Object.fromEntries(columns.map((name) => [name, floats((r) => r[name])])) as Record<
      (typeof columns)[number],
      Float32Array
    >),
  };
}

/** Weights as bytes. */
export function encodeWeights(params: ActorCriticParams<NdArray>): Uint8Array {
  return encodeSafetensors(flattenTree<NdArray>(params), {});
}

/** Bytes as weights of the form of `like`. @throws CORRUPT_FILE */
export function decodeWeights(
  bytes: Uint8Array,
  like: ActorCriticParams<NdArray>,
): ActorCriticParams<NdArray> {
  return unflattenLike(like, decodeSafetensors(bytes, "weights").tensors);
}
