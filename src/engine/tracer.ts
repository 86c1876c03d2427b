/** @file The recording tfjs backend: runs a function once with symbolic tensors and returns the graph of what it did. */

import { fail, ReverieError } from "../core/errors.ts";
import type { Graph, Value, ValueType } from "./graph.ts";
import { kernels } from "./kernels/table.ts";
import type { Lowering } from "./kernels/call.ts";
import { engineState, tf, withOrderedTape } from "./tfjs.ts";
import type { Tensor } from "./tfjs.ts";

const BACKEND = "reverie-trace";

/** tfjs ops whose numbers come from a generator in JavaScript: traced, they would be the same numbers at every call. */
const randomOps = new Set(
  `dropout multinomial rand randomGamma randomNormal randomStandardNormal randomUniform randomUniformInt truncatedNormal`
    .split(" ")
    .map((name) => `${name}__op`),
);

/** The user's line that led here: the first frame outside tfjs and this folder. */
function callerLine(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 100;
  const frames = (new Error("trace").stack ?? "").split("\n").slice(1);
  Error.stackTraceLimit = stackTraceLimit;
  const inside = /node_modules|tfjs-(core|layers)|[\\/](src|dist)[\\/]engine[\\/]|node:/;
  const frame = frames.find((line) => !inside.test(line));
  return frame?.trim().replace(/^at /, "") ?? "unknown line";
}

function failRandom(what: string): never {
  fail({
    code: "RANDOM_IN_TRACE",
    what: `${what} inside a jitted function, at ${callerLine()}`,
    expected: "a function of its arguments alone: a traced random number would be the same at every call",
    fix: "draw the noise outside (core/rng.ts) and pass it as an argument",
  });
}

/** Refuse a write of numbers that a random op has just drawn. */
function refuseRandom(): void {
  const random = engineState().scopeStack.find((scope) => randomOps.has(scope.name));
  if (random !== undefined) failRandom(`tf.${random.name.replace("__op", "")}`);
}

/** One tracing: the graph, and which value each tfjs data id stands for. */
class Trace {
  readonly graph: Graph;
  private readonly values = new WeakMap<object, Value>();

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** A fresh data id that stands for `value`. */
  identify(value: Value): object {
    const dataId = {};
    this.values.set(dataId, value);
    return dataId;
  }

  find(dataId: object): Value | undefined {
    return this.values.get(dataId);
  }

  forget(dataId: object): void {
    this.values.delete(dataId);
  }

  /** The value of a tensor; one made eagerly outside the trace becomes a constant. */
  valueOf(tensor: tf.TensorInfo): Value {
    const known = this.values.get(tensor.dataId);
    if (known !== undefined) return known;
    const backend = engineState().tensorInfo.get(tensor.dataId)?.backend;
    if (backend === undefined || backend instanceof TraceBackend) {
      fail({
        code: "INVALID_ARGUMENT",
        what: `a disposed tensor, or one of another trace, is used at ${callerLine()}`,
        expected: "tensors that came in as arguments or were made in this call",
        fix: "return what you need from one jitted function and pass it to the other",
      });
    }
    const data = backend.readSync(tensor.dataId) as ArrayLike<number>;
    const value = constantOf(
      this.graph,
      { dtype: tensor.dtype as ValueType["dtype"], shape: tensor.shape },
      data,
    );
    this.values.set(tensor.dataId, value);
    return value;
  }
}

function constantOf(graph: Graph, type: ValueType, values: ArrayLike<number>): Value {
  const { dtype } = type;
  if (dtype === "float32") return graph.constant(type, Float32Array.from(values));
  if (dtype === "int32") return graph.constant(type, Int32Array.from(values));
  if (dtype === "bool") return graph.constant(type, Uint8Array.from(values));
  fail({
    code: "NOT_SUPPORTED",
    what: `a ${dtype} tensor inside a jitted function, at ${callerLine()}`,
    expected: "float32, int32 or bool",
    fix: "split complex numbers into real and imaginary parts; keep strings outside",
  });
}

let current: Trace | undefined;

function currentTrace(): Trace {
  return (
    current ??
    fail({
      code: "INVALID_ARGUMENT",
      what: `tfjs is used outside a jitted function, or a traced tensor outlived its trace, at ${callerLine()}`,
      expected: "tfjs calls inside the function passed to jit, whose tensors stay inside",
      fix: "move the computation into jit(...), and return values instead of storing tensors elsewhere",
    })
  );
}

/** tfjs's view of the tracer. Every kernel makes fresh data ids, so reference counts are always one. */
class TraceBackend extends tf.KernelBackend {
  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    refuseRandom();
    const trace = currentTrace();
    const type = { dtype: dtype as ValueType["dtype"], shape };
    return trace.identify(constantOf(trace.graph, type, values as ArrayLike<number>));
  }

  override readSync(dataId: object): tf.BackendValues {
    const value = current?.find(dataId);
    if (value?.data !== undefined) return value.data as Float32Array;
    fail({
      code: "NOT_SUPPORTED",
      what: `the values of a tensor are read inside a jitted function, at ${callerLine()}`,
      expected: "a computation that does not look at values: they do not exist until the graph runs",
      fix: "decide with tf.where instead of if, and read values from what the jitted function returns",
    });
  }

  override async read(dataId: object): Promise<tf.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: object): boolean {
    current?.forget(dataId);
    return true;
  }

  override incRef(): void {}
  override refCount(): number {
    return 1;
  }
  override numDataIds(): number {
    return 0;
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }
  override floatPrecision(): 16 | 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override timerAvailable(): boolean {
    return false;
  }
  override dispose(): void {}
}

function run(
  name: string,
  lowering: Lowering,
  params: Parameters<tf.KernelFunc>[0],
): tf.TensorInfo | tf.TensorInfo[] {
  const trace = currentTrace();
  const inputs: Record<string, Value> = {};
  for (const [key, tensor] of Object.entries(params.inputs ?? {})) {
    if (tensor !== undefined && tensor !== null) inputs[key] = trace.valueOf(tensor);
  }
  const out = lowering({ graph: trace.graph, name, inputs, attrs: params.attrs ?? {} });
  const wrap = (value: Value): tf.TensorInfo => ({
    dataId: trace.identify(value),
    shape: [...value.shape],
    dtype: value.dtype as tf.DataType,
  });
  return Array.isArray(out) ? out.map(wrap) : wrap(out as Value);
}

function failUnsupported(kernelName: string): never {
  if (kernelName === tf.Multinomial) failRandom("tf.multinomial");
  fail({
    code: "UNSUPPORTED_KERNEL",
    what: `tfjs kernel "${kernelName}" has no ONNX lowering; used at ${callerLine()}`,
    expected: `one of the ${Object.keys(kernels).length} kernels of engine/kernels/`,
    fix: "express it with supported ops, or add a lowering to the table",
  });
}

/** Every kernel that tfjs knows by name: its namespace exports each name as a string constant. */
function kernelNames(): string[] {
  const exported: readonly unknown[] = Object.values(tf);
  return exported.filter((value) => typeof value === "string").filter((name) => /^_?[A-Z]\w+$/.test(name));
}

let registered = false;

function register(): void {
  if (registered) return;
  registered = true;
  tf.registerBackend(BACKEND, () => new TraceBackend(), 0);
  for (const kernelName of new Set([...kernelNames(), ...Object.keys(kernels)])) {
    const lowering = kernels[kernelName];
    const kernelFunc: tf.KernelFunc =
      lowering === undefined
        ? () => failUnsupported(kernelName)
        : (params) => run(kernelName, lowering, params);
    tf.registerKernel({ kernelName, backendName: BACKEND, kernelFunc });
  }
}

/** Access to the values behind tensors while a trace runs. */
export interface TraceContext {
  readonly graph: Graph;
  /** A tensor that stands for `value`. */
  tensor(value: Value): Tensor;
  /** The value that `tensor` stands for. */
  valueOf(tensor: Tensor): Value;
}

function makeContext(trace: Trace): TraceContext {
  return {
    graph: trace.graph,
    tensor: (value) =>
      tf.engine().makeTensorFromTensorInfo({
        dataId: trace.identify(value),
        shape: [...value.shape],
        dtype: value.dtype as tf.DataType,
      }),
    valueOf: (tensor) => trace.valueOf(tensor),
  };
}

/** The context of the running trace, if any; for ops that lower themselves. */
export function activeTrace(): TraceContext | undefined {
  return current === undefined ? undefined : makeContext(current);
}

function withoutMathRandom<T>(body: () => T): T {
  const { random } = Math;
  Math.random = () => {
    refuseRandom();
    return failRandom("Math.random()");
  };
  try {
    return body();
  } finally {
    Math.random = random;
  }
}

/**
 * Run `body` with the recording backend in place of tfjs's current one. Synchronous, not re-entrant; everything that
 * tfjs allocated in it is released on the way out.
 * @throws UNSUPPORTED_KERNEL, RANDOM_IN_TRACE, NOT_SUPPORTED
 */
export function trace<T>(graph: Graph, body: (context: TraceContext) => T): T {
  register();
  const engine = tf.engine();
  const before = engine.backendName;
  const outer = current;
  const own = new Trace(graph);
  current = own;
  void engine.setBackend(BACKEND);
  engine.startScope(BACKEND);
  try {
    return withOrderedTape(() => withoutMathRandom(() => body(makeContext(own))));
  } catch (error) {
    throw error instanceof ReverieError ? error : wrapped(error);
  } finally {
    engine.endScope();
    current = outer;
    if (before !== undefined && before !== null) void engine.setBackend(before);
    else engine.backendName = null as unknown as string;
  }
}

function wrapped(error: unknown): unknown {
  if (error instanceof Error) error.message = `while tracing: ${error.message}`;
  return error;
}
