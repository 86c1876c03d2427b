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

/** The parts of tfjs's engine that are private in its types; their layout is that of version 4.22. */
interface Internals {
  readonly state: {
    readonly tensorInfo: WeakMap<object, { readonly backend: tf.KernelBackend }>;
    readonly scopeStack: readonly { readonly name: string }[];
    readonly activeTape?: unknown[] | null;
    readonly gradientDepth: number;
    readonly kernelDepth: number;
  };
  runKernelFunc(params: unknown): unknown;
}

const internals = (): Internals => tf.engine() as unknown as Internals;

/** The engine's private state. */
export function engineState(): Internals["state"] {
  return internals().state;
}

/**
 * Run `body` with derivatives of second and higher order mended. tfjs puts the copies that it saves for the gradient on
 * its tape before the kernel that made them, so that what flows back into a saved output (tanh's, exp's, …) is lost.
 */
export function withOrderedTape<T>(body: () => T): T {
  const engine = internals();
  const plain = engine.runKernelFunc.bind(engine);
  engine.runKernelFunc = (params) => {
    const { state } = engine;
    const tape = state.gradientDepth > 0 && state.kernelDepth === 0 ? state.activeTape : undefined;
    const start = tape?.length ?? 0;
    const out = plain(params);
    if (tape && tape.length > start + 1) tape.splice(start, 0, tape.pop());
    return out;
  };
  try {
    return body();
  } finally {
    Reflect.deleteProperty(engine, "runKernelFunc");
  }
}
