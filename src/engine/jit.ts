/** @file The door of the engine: `jit` turns a tfjs function over trees of arrays into one compiled graph per input signature. */

import { ReverieError } from "../core/errors.ts";
import { isNdArray } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import { defaultDevice, loadTensorflow } from "./devices.ts";
import type { Device } from "./devices.ts";
import { targets } from "./donation.ts";
import { runEagerly } from "./eager.ts";
import { fill, stopGradient, toUint8, traceProgram } from "./program.ts";
import type { AnyFunction, OutputForm } from "./program.ts";
import { openSession } from "./session.ts";
import type { Session } from "./session.ts";
import { tf } from "./tfjs.ts";
import type { Tensor } from "./tfjs.ts";
import { flatten } from "./tree.ts";
import type { Leaf, Tree } from "./tree.ts";

export { stopGradient, tf, toUint8 };
export type { Device, Tensor, Tree };

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
 * A compiled function. Calls are queued: two in flight run one after the other. A call blocks its thread while it
 * computes.
 *
 * Ownership: outputs belong to the caller, who may keep or transfer them. The exception are donated paths: such an
 * output is overwritten by the second call after the one that returned it. So continue from the returned tree, read it
 * (by other jitted functions too) before the call after next, and copy what must live longer (`copyOf`). The caller's
 * own first arrays are never written. Inputs are read when the call runs, so leave them alone until it has resolved.
 */
export interface Jitted<I, O> {
  (input: Host<I>): Promise<Host<O>>;
  /** A standard `.onnx` file of the graph for inputs shaped like `example`: ports `i0 i1 …` and `o0 o1 …`, in tree order. */
  exportOnnx(example: Host<I>): Promise<Uint8Array>;
  /** Release every compiled graph; later calls are refused. */
  dispose(): Promise<void>;
}

interface Compiled extends OutputForm {
  readonly session: Session;
}

function signatureOf(leaves: readonly Leaf<NdArray>[]): string {
  let key = "";
  for (const { path, value } of leaves) key += `${path}:${value.dtype}[${value.shape.join(",")}];`;
  return key;
}

/** The compiled graphs of one function, by input signature. */
class GraphCache {
  private readonly compiled = new Map<string, Promise<Compiled>>();
  private readonly fn: AnyFunction;
  private readonly name: string;
  private readonly device: Device;

  constructor(fn: AnyFunction, name: string, device: Device) {
    this.fn = fn;
    this.name = name;
    this.device = device;
  }

  find(input: unknown, leaves: readonly Leaf<NdArray>[]): Promise<Compiled> {
    const key = signatureOf(leaves);
    const known = this.compiled.get(key);
    if (known !== undefined) return known;
    const compiled = this.compile(input);
    this.compiled.set(key, compiled);
    compiled.catch(() => this.compiled.delete(key));
    return compiled;
  }

  private async compile(input: unknown): Promise<Compiled> {
    const target = this.device === "cpu" ? "cpu" : "device";
    const { bytes, outputs, form } = traceProgram(this.fn, input, { name: this.name, target });
    return { outputs, form, session: await openSession(bytes, this.device) };
  }

  async close(): Promise<void> {
    const entries = await Promise.allSettled(this.compiled.values());
    this.compiled.clear();
    for (const entry of entries) if (entry.status === "fulfilled") await entry.value.session.close();
  }
}

/**
 * Compile `fn` for every input signature that it is called with. Shapes are static; randomness enters as an argument.
 * @throws UNKNOWN_NAME for a wrong `REVERIE_DEVICE`; calls throw what tracing throws, and DEVICE_UNAVAILABLE
 */
export function jit<I, O>(fn: (input: I) => O, options: JitOptions<I> = {}): Jitted<I, O> {
  const name = options.name ?? (fn.name === "" ? "jit" : fn.name);
  const device = options.device ?? defaultDevice();
  const donated = new Set<string>((options.donate ?? []).map(String));
  const graphs = new GraphCache(fn, name, device);
  let queue: Promise<unknown> = Promise.resolve();
  let disposed = false;

  const call = async (input: Host<I>): Promise<Host<O>> => {
    if (device === "tensorflow") return runEagerly(fn, input, loadTensorflow()) as Host<O>;
    const leaves = flatten(input, isNdArray);
    const compiled = await graphs.find(input, leaves);
    const arrays = targets(compiled.outputs, leaves, donated);
    const given = leaves.map((leaf) => leaf.value);
    await compiled.session.run(given, arrays);
    return fill(compiled, arrays) as Host<O>;
  };
  const jitted = (input: Host<I>): Promise<Host<O>> => {
    if (disposed) return Promise.reject(disposedError(name));
    const result = queue.then(() => call(input));
    queue = result.catch(() => undefined);
    return result;
  };
  return Object.assign(jitted, {
    exportOnnx: async (example: Host<I>) => traceProgram(fn, example, { name, target: "any" }).bytes,
    dispose: async () => {
      disposed = true;
      await queue;
      await graphs.close();
    },
  });
}

function disposedError(name: string): ReverieError {
  return new ReverieError({
    code: "INVALID_ARGUMENT",
    what: `"${name}" is called after dispose()`,
    fix: "make a new one with jit(...)",
  });
}
