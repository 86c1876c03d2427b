/** @file A compiled graph in ONNX Runtime: options, feeds without copies, outputs into given arrays. */

import * as ort from "onnxruntime-node";
import { fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import { threadCount } from "./devices.ts";
import type { Device } from "./devices.ts";

/** A compiled graph whose inputs are `i0 i1 …` and outputs `o0 o1 …`. */
export interface Session {
  /** Blocks its thread while it computes. `outputs` are written in place. */
  run(inputs: readonly NdArray[], outputs: readonly NdArray[]): Promise<void>;
  close(): Promise<void>;
}

function sessionOptions(device: Device): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    graphOptimizationLevel: "all",
    intraOpNumThreads: threadCount(),
    interOpNumThreads: 1,
    executionMode: "sequential",
    logSeverityLevel: 3,
    // Spinning workers cost threefold when the cores are shared with anything else.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  };
}

const tensors = new WeakMap<NdArray, ort.Tensor>();

/** The ORT view of an array (no copy); remembered, since training feeds the same arrays again. */
function view(array: NdArray): ort.Tensor {
  const known = tensors.get(array);
  if (known !== undefined) return known;
  const tensor = new ort.Tensor(array.dtype as "float32", array.data as Float32Array, array.shape);
  tensors.set(array, tensor);
  return tensor;
}

/** Compile `bytes` for `device`. @throws DEVICE_UNAVAILABLE when the provider refuses */
export async function openSession(bytes: Uint8Array, device: Device): Promise<Session> {
  const session = await ort.InferenceSession.create(bytes, sessionOptions(device)).catch((cause: unknown) =>
    fail({
      code: device === "cpu" ? "NOT_SUPPORTED" : "DEVICE_UNAVAILABLE",
      what: `ONNX Runtime refused the graph on device "${device}"`,
      got: cause instanceof Error ? cause.message : String(cause),
      fix: "run `reverie doctor` to see which devices work here",
      cause,
    }),
  );
  return {
    async run(inputs, outputs) {
      const feeds: Record<string, ort.Tensor> = {};
      inputs.forEach((array, i) => (feeds[`i${i}`] = view(array)));
      const fetches: Record<string, ort.Tensor> = {};
      outputs.forEach((array, i) => (fetches[`o${i}`] = view(array)));
      await session.run(feeds, fetches);
    },
    close: () => session.release(),
  };
}
