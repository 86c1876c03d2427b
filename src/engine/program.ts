/** @file A traced function: from a tfjs function over trees of tensors to ONNX bytes and the form of its outputs. */

import type { DType } from "../core/ndarray.ts";
import { isNdArray } from "../core/ndarray.ts";
// Imported for its effect: tfjs's faulty and missing gradients are replaced before anything is traced.
import "./gradients.ts";
import { Graph } from "./graph.ts";
import type { Target, Value, ValueType } from "./graph.ts";
import { cast } from "./kernels/elementwise.ts";
import { isTensor, tf } from "./tfjs.ts";
import type { Tensor } from "./tfjs.ts";
import { trace } from "./tracer.ts";
import { flatten, rebuild } from "./tree.ts";
import type { Leaf } from "./tree.ts";

/** A function over trees of tensors, its types forgotten. */
export type AnyFunction = (input: never) => unknown;

/** The form of a function's outputs. */
export interface OutputForm {
  readonly outputs: readonly Leaf<ValueType>[];
  /** The output tree with a `Slot` for each array. */
  readonly form: unknown;
}

/** What a graph needs to be run. */
export interface Program extends OutputForm {
  readonly bytes: Uint8Array;
}

/** Stands for the n-th output in an output tree. */
export class Slot {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

const isSlot = (value: unknown): value is Slot => value instanceof Slot;

/** The output tree with `arrays` in place. */
export function fill({ form }: OutputForm, arrays: readonly unknown[]): unknown {
  return rebuild(form, isSlot, arrays);
}

const bytesOut = new WeakSet<Tensor>();

/** Round, clip to 0..255 and mark as an output that leaves the function as uint8. Only for tensors that are returned. */
export function toUint8(x: Tensor): Tensor {
  const rounded = tf.clipByValue(tf.round(tf.cast(x, "float32")), 0, 255);
  const marked = tf.cast(rounded, "int32");
  bytesOut.add(marked);
  return marked;
}

/** Was `tensor` made by `toUint8`? */
export function leavesAsBytes(tensor: Tensor): boolean {
  return bytesOut.has(tensor);
}

/** `x` as a constant to differentiation: the same values, gradient zero. */
export function stopGradient(x: Tensor): Tensor {
  const identity = tf.customGrad((...args: unknown[]) => ({
    value: (args[0] as Tensor).clone(),
    // Of the shape of x, which may be disposed by then.
    gradFunc: (dy: Tensor) => tf.zerosLike(dy),
  }));
  return identity(x);
}

/** The dtype under which an input arrives in the traced function. */
export function innerDtype(dtype: DType): "float32" | "int32" | "bool" {
  if (dtype === "bool") return "bool";
  return dtype.startsWith("float") ? "float32" : "int32";
}

/** How to trace. */
export interface ProgramOptions {
  readonly name: string;
  readonly target: Target;
}

/**
 * Run `fn` once on symbols shaped like `input` (a tree of host arrays, whose values are not looked at).
 * @throws UNSUPPORTED_KERNEL, RANDOM_IN_TRACE, NOT_SUPPORTED, INVALID_ARGUMENT
 */
export function traceProgram(fn: AnyFunction, input: unknown, options: ProgramOptions): Program {
  const graph = new Graph(options.target);
  return trace(graph, (context) => {
    const tensors = flatten(input, isNdArray).map(({ value: { dtype, shape } }) =>
      context.tensor(cast(graph, graph.input({ dtype, shape: [...shape] }), innerDtype(dtype))),
    );
    const tree = fn(rebuild(input, isNdArray, tensors) as never);
    const leaves = flatten(tree, isTensor);
    const values = leaves.map(({ value }): Value => {
      const inner = context.valueOf(value);
      return leavesAsBytes(value) ? cast(graph, inner, "uint8") : inner;
    });
    const outputs = leaves.map(({ path }, i) => ({
      path,
      value: { dtype: values[i].dtype, shape: values[i].shape },
    }));
    const form = rebuild(
      tree,
      isTensor,
      Array.from(outputs, (_, i) => new Slot(i)),
    );
    return { bytes: graph.encode(options.name, values), outputs, form };
  });
}
