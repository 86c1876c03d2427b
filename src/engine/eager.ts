/** @file Running a function without tracing, op by op on a tfjs backend; how the device `tensorflow` works. */

import { isNdArray, ndarray } from "../core/ndarray.ts";
import type { DType, NdArray, Storage } from "../core/ndarray.ts";
// Imported for its effect: the same gradients as in a trace.
import "./gradients.ts";
import { innerDtype, leavesAsBytes } from "./program.ts";
import type { AnyFunction } from "./program.ts";
import { isTensor, tf, withOrderedTape } from "./tfjs.ts";
import type { Tensor } from "./tfjs.ts";
import { flatten, rebuild } from "./tree.ts";

function toTensor(array: NdArray): Tensor {
  const dtype = innerDtype(array.dtype);
  const { data } = array;
  const numbers =
    data instanceof BigInt64Array || data instanceof BigUint64Array ? Array.from(data, Number) : data;
  const values = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[dtype].from(numbers);
  return tf.tensor(values, [...array.shape], dtype);
}

function toArray(tensor: Tensor): NdArray {
  const data = tensor.dataSync() as unknown as Storage;
  if (leavesAsBytes(tensor)) return ndarray("uint8", [...tensor.shape], Uint8Array.from(data as Int32Array));
  return ndarray(tensor.dtype as DType, [...tensor.shape], data);
}

/** Outputs of `fn` for the host arrays of `input`, computed by tfjs backend `backend`. */
export function runEagerly(fn: AnyFunction, input: unknown, backend: string): unknown {
  const before = tf.engine().backendName;
  void tf.engine().setBackend(backend);
  tf.engine().startScope("reverie-eager");
  try {
    const tensors = flatten(input, isNdArray).map(({ value }) => toTensor(value));
    const tree = withOrderedTape(() => fn(rebuild(input, isNdArray, tensors) as never));
    const arrays = flatten(tree, isTensor).map(({ value }) => toArray(value));
    return rebuild(tree, isTensor, arrays);
  } finally {
    tf.engine().endScope();
    if (before !== undefined && before !== null && before !== backend) void tf.engine().setBackend(before);
  }
}
