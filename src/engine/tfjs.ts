/** @file tfjs: its namespace with every gradient registered, and the few inner parts of its engine that tracing needs. */

import * as tf from "@tensorflow/tfjs-core";
// Imported for its effect: tfjs-core's own Node bundle lacks the gradients, tfjs-layers' bundle registers them all.
import "@tensorflow/tfjs-layers";

export { tf };

/** A tensor of tfjs; inside `jit` it stands for a value of the traced graph. */
export type Tensor = tf.Tensor;

/** Is `value` a tensor (of any copy of tfjs)? */
export function isTensor(value: unknown): value is Tensor {
  return value instanceof tf.Tensor;
}

interface EngineState {
  readonly tensorInfo: WeakMap<object, { readonly backend: tf.KernelBackend }>;
  readonly scopeStack: readonly { readonly name: string }[];
}

/** The engine's private state, whose layout is that of tfjs 4.22. */
export function engineState(): EngineState {
  return (tf.engine() as unknown as { readonly state: EngineState }).state;
}
