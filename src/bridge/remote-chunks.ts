/** @file A policy server as a policy of chunks: what a robot's runtime plays while the next answer is on its way. */

import { fail } from "../core/errors.ts";
import { isNdArray, ndarray } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { WireMap } from "./codec.ts";
import type { RemotePolicy } from "./remote-policy.ts";

/** Settings of `asChunkPolicy`. */
export interface RemoteChunkOptions {
  /** The server's names of our observation's arrays, e.g. `{frame: "observation/exterior_image_1_left"}`. */
  readonly keys?: Readonly<Record<string, string>>;
  /** Sent with every observation, e.g. `{prompt: "pick up the fork"}`. */
  readonly extras?: WireMap;
}

/** Observations of one robot: arrays with a leading axis of 1. */
export type RobotBatch = NdArray | Readonly<Record<string, NdArray>>;

/** `remote` as `agents/` plays it: actions float32 [1, H, A] as the server gave them, for this step and those after it. */
export function asChunkPolicy(
  remote: Pick<RemotePolicy, "infer" | "beginEpisode">,
  options: RemoteChunkOptions = {},
): { actChunk(observations: RobotBatch, begins: NdArray<"bool">): Promise<{ actions: NdArray<"float32"> }> } {
  return {
    async actChunk(observations, begins) {
      if (begins.data[0] !== 0) remote.beginEpisode();
      const { actions } = await remote.infer({
        ...options.extras,
        ...messageOf(observations, options.keys ?? {}),
      });
      return { actions: chunkOf(actions) };
    },
  };
}

function messageOf(observations: RobotBatch, keys: Readonly<Record<string, string>>): WireMap {
  const named = isNdArray(observations) ? { observation: observations } : observations;
  return Object.fromEntries(Object.entries(named).map(([name, array]) => [keys[name] ?? name, rowOf(array)]));
}

function rowOf(array: NdArray): NdArray {
  const [rows, ...shape] = array.shape;
  if (rows !== 1)
    fail({
      code: "INVALID_SHAPE",
      what: "a chunk policy serves one robot",
      expected: "1 row",
      got: `${rows}`,
    });
  return { ...array, shape };
}

function chunkOf(actions: NdArray): NdArray<"float32"> {
  const shape = actions.shape.length === 1 ? [1, ...actions.shape] : actions.shape;
  if (shape.length !== 2) {
    fail({
      code: "PROTOCOL",
      what: "the policy server's actions are no chunk",
      expected: "[H, A]",
      got: `[${actions.shape.join(", ")}]`,
    });
  }
  return ndarray("float32", [1, ...shape], Float32Array.from(actions.data as Float32Array, Number));
}
