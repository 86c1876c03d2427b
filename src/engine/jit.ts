/** @file The door of the engine: `jit` turns a tfjs function over trees of arrays into one compiled graph per input signature. */

import { fail } from "../core/errors.ts";
import { isNdArray, zeros } from "../core/ndarray.ts";
import type { DType, NdArray } from "../core/ndarray.ts";
import { defaultDevice } from "./devices.ts";
import type { Device } from "./devices.ts";
// Imported for its effect: tfjs's faulty and missing gradients are replaced before anything is traced.
import "./gradients.ts";
import { Graph } from "./graph.ts";
import type { Value, ValueType } from "./graph.ts";
import { cast } from "./kernels/elementwise.ts";
import { openSession } from "./session.ts";
import type { Session } from "./session.ts";
import { trace } from "./tracer.ts";
import { isTensor, tf } from "./tfjs.ts";
import type { Tensor } from "./tfjs.ts";
import { flatten, rebuild } from "./tree.ts";
import type { Leaf } from "./tree.ts";

export { tf };
export type { Tensor, Device };
export type { Tree } from "./tree.ts";

/** The tree `T` as the caller sees it: host arrays where the traced function has tensors. */
export type Host<T> = T extends Tensor ? NdArray : T extends object ? { [K in keyof T]: Host<T[K]> } : T;

/** Options of `jit`. */
export interface JitOptions<I> {
  /** Name for messages and for the ONNX graph. Default: the function's name. */
  readonly name?: string;
  /**
   * Top-level keys of the input whose arrays the caller gives up. An output leaf at the same path as a donated input
   * leaf, with its dtype and shape, is written into one of two arrays that the engine uses in turn.
   */
  readonly donate?: readonly (keyof I)[];
  /** Default: `REVERIE_DEVICE`, else `cpu`. */
  readonly device?: Device;
}

/**
 * A compiled function. Calls are queued: two in flight run one after the other.
 *
 * Ownership: outputs belong to the caller, who may keep or transfer them. The exception are donated paths: such an
 * output stays valid while it is the newest one; it is overwritten by the second call after the one that returned it.
 * So continue from the returned tree, and copy what must outlive it. The caller's own first arrays are never written.
 */
export interface Jitted<I, O> {
  (input: Host<I>): Promise<Host<O>>;
  /** A standard `.onnx` file of the graph for inputs shaped like `example`: inputs `i0 i1 …` and outputs `o0 o1 …` in tree order. */
  exportOnnx(example: Host<I>): Promise<Uint8Array>;
  /** Release every compiled graph; later calls are refused. */
  dispose(): Promise<void>;
}

/** What a graph needs to be run: its bytes and the form of its outputs. */
interface Traced {
  readonly bytes: Uint8Array;
  readonly outputs: readonly Leaf<ValueType>[];
  readonly tree: unknown;
}

interface Compiled extends Traced {
  readonly session: Session;
}

/** Marks, by tensor, the outputs that leave as uint8. */
const bytesOut = new WeakSet<Tensor>();

/** Round, clip to 0..255 and mark as an output that leaves the graph as uint8. Use only on returned tensors. */
export function toUint8(x: Tensor): Tensor {
  const rounded = tf.clipByValue(tf.round(tf.cast(x, "float32")), 0, 255);
  const marked = tf.cast(rounded, "int32");
  bytesOut.add(marked);
  return marked;
}

/** `x` as a constant to differentiation: the same values, gradient zero. */
export function stopGradient(x: Tensor): Tensor {
  const identity = tf.customGrad((...args: unknown[]) => ({
    value: (args[0] as Tensor).clone(),
    gradFunc: () => tf.zerosLike(args[0] as Tensor),
  }));
  return identity(x);
}

/** The dtype under which an input arrives in the traced function. */
function innerDtype(dtype: DType): DType {
  if (dtype === "bool") return "bool";
  return dtype.startsWith("float") ? "float32" : "int32";
}

function graphOf(fn: (input: never) => unknown, name: string, input: unknown, portable: boolean): Traced {
  const graph = new Graph({ portable });
  return trace(graph, (context) => {
    const leaves = flatten(input, isNdArray);
    const tensors = leaves.map(({ value: { dtype, shape } }) =>
      context.tensor(cast(graph, graph.input({ dtype, shape: [...shape] }), innerDtype(dtype))),
    );
    const tree = fn(rebuild(input, isNdArray, tensors) as never);
    const outputs = flatten(tree, isTensor);
    const values = outputs.map(({ value }): Value => {
      const inner = context.valueOf(value);
      return bytesOut.has(value) ? cast(graph, inner, "uint8") : inner;
    });
    const types = outputs.map(({ path }, i) => ({
      path,
      value: { dtype: values[i].dtype, shape: values[i].shape },
    }));
    let next = 0;
    const form = rebuild(
      tree,
      isTensor,
      types.map(() => new Slot(next++)),
    );
    return { bytes: graph.encode(name, values), outputs: types, tree: form };
  });
}

/** Stands for the n-th output in a stored output tree. */
class Slot {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

const isSlot = (value: unknown): value is Slot => value instanceof Slot;

function signatureOf(leaves: readonly Leaf<NdArray>[]): string {
  let key = "";
  for (const { path, value } of leaves) key += `${path}:${value.dtype}[${value.shape.join(",")}];`;
  return key;
}

/** The other array of each ping-pong pair. */
const partners = new WeakMap<NdArray, NdArray>();
/** Arrays that the engine made for donated outputs, and so may write again. */
const owned = new WeakSet<NdArray>();

function partnerOf(input: NdArray): NdArray {
  const known = partners.get(input);
  if (known !== undefined) return known;
  const fresh = zeros(input.dtype, input.shape);
  owned.add(fresh);
  if (owned.has(input)) {
    partners.set(input, fresh);
    partners.set(fresh, input);
  }
  return fresh;
}

function fits(array: NdArray | undefined, type: ValueType): array is NdArray {
  return (
    array !== undefined &&
    array.dtype === type.dtype &&
    array.shape.length === type.shape.length &&
    array.shape.every((size, i) => size === type.shape[i])
  );
}

/** Compile `fn` for every input signature it is called with. Shapes are static; randomness enters as an argument. */
export function jit<I, O>(fn: (input: I) => O, options: JitOptions<I> = {}): Jitted<I, O> {
  const name = options.name ?? (fn.name === "" ? "jit" : fn.name);
  const device = options.device ?? defaultDevice();
  const donated = new Set<string>((options.donate ?? []).map(String));
  const cache = new Map<string, Promise<Compiled>>();
  let queue: Promise<unknown> = Promise.resolve();
  let disposed = false;

  const compile = async (input: unknown): Promise<Compiled> => {
    const traced = graphOf(fn, name, input, false);
    return { ...traced, session: await openSession(traced.bytes, device) };
  };

  const compiledFor = (input: unknown, leaves: readonly Leaf<NdArray>[]): Promise<Compiled> => {
    const key = signatureOf(leaves);
    const known = cache.get(key);
    if (known !== undefined) return known;
    const compiled = compile(input);
    cache.set(key, compiled);
    compiled.catch(() => cache.delete(key));
    return compiled;
  };

  const targets = (compiled: Compiled, leaves: readonly Leaf<NdArray>[]): NdArray[] => {
    const given = new Map<string, NdArray>();
    for (const { path, value } of leaves) if (donated.has(path.split(".", 1)[0])) given.set(path, value);
    return compiled.outputs.map(({ path, value: type }) => {
      const input = given.get(path);
      return fits(input, type) ? partnerOf(input) : zeros(type.dtype, type.shape);
    });
  };

  const call = async (input: Host<I>): Promise<Host<O>> => {
    const leaves = flatten(input, isNdArray);
    const compiled = await compiledFor(input, leaves);
    const outputs = targets(compiled, leaves);
    await compiled.session.run(
      leaves.map((leaf) => leaf.value),
      outputs,
    );
    return rebuild(compiled.tree, isSlot, outputs) as Host<O>;
  };

  const jitted = (input: Host<I>): Promise<Host<O>> => {
    if (disposed) return Promise.reject(disposedError(name));
    const result = queue.then(() => call(input));
    queue = result.catch(() => undefined);
    return result;
  };

  return Object.assign(jitted, {
    exportOnnx: async (example: Host<I>) =>
      graphOf(fn as (input: never) => unknown, name, example, true).bytes,
    dispose: async () => {
      disposed = true;
      await queue;
      const compiled = await Promise.allSettled(cache.values());
      cache.clear();
      for (const entry of compiled) if (entry.status === "fulfilled") await entry.value.session.close();
    },
  });
}

function disposedError(name: string): Error {
  try {
    return fail({
      code: "INVALID_ARGUMENT",
      what: `"${name}" is called after dispose()`,
      fix: "make a new jit",
    });
  } catch (error) {
    return error as Error;
  }
}
