/** @file A compiled graph in ONNX Runtime: options, feeds without copies, outputs into given arrays. */

import * as ort from "onnxruntime-node";
import { ReverieError } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import { cacheEntry } from "./cache.ts";
import { threadCount, unavailable, withoutLocation } from "./devices.ts";
import type { Device } from "./devices.ts";

// Failures arrive as exceptions; without this they are printed in colour as well.
ort.env.logLevel = "fatal";

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
    logSeverityLevel: 4,
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

function refusal(device: Device, cause: unknown): ReverieError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (device !== "cpu") return unavailable(device, withoutLocation(reason), cause);
  return new ReverieError({
    code: "NOT_SUPPORTED",
    what: "ONNX Runtime refused the traced graph",
    got: reason,
    fix: "this is a fault of a lowering in engine/kernels/: report the function that was traced",
    cause,
  });
}

/** From the cache if it is there and sound, else compiled and, for a large graph, put there. */
async function create(model: Uint8Array, device: Device): Promise<ort.InferenceSession> {
  const options = sessionOptions(device);
  const entry = device === "cpu" ? cacheEntry(model, ort.env.versions.node ?? "") : undefined;
  if (entry === undefined) return ort.InferenceSession.create(model, options);
  try {
    const stored = entry.read();
    if (stored !== undefined) {
      return await ort.InferenceSession.create(stored, { ...options, graphOptimizationLevel: "disabled" });
    }
    const session = await ort.InferenceSession.create(model, {
      ...options,
      optimizedModelFilePath: entry.partial,
    });
    entry.commit();
    return session;
  } catch {
    // A damaged file or a full disk must not stand in the way of compiling.
    entry.drop();
    return ort.InferenceSession.create(model, options);
  }
}

/** Compile `model` (bytes) for `device`. @throws DEVICE_UNAVAILABLE when its provider refuses, NOT_SUPPORTED on cpu */
export async function openSession(model: Uint8Array, device: Device): Promise<Session> {
  let session: ort.InferenceSession;
  try {
    session = await create(model, device);
  } catch (cause) {
    throw refusal(device, cause);
  }
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
