/** @file Test harness: the same tfjs function through `jit` and, eagerly, on tfjs's own CPU backend, with gradients. */

import "@tensorflow/tfjs-backend-cpu";
import { expect } from "vitest";
import { ndarray, sizeOf } from "../../src/core/ndarray.ts";
import type { DType, NdArray } from "../../src/core/ndarray.ts";
import { jit, tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";

/** A function of several tensors. */
export type Fn = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

/** A small deterministic generator (mulberry32): tests need spread, not quality. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** float32 in [low, high). */
export function floats(
  random: () => number,
  shape: readonly number[],
  [low, high] = [-2, 2],
): NdArray<"float32"> {
  const data = Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random());
  return ndarray("float32", shape, data);
}

/** int32 in [low, high). */
export function wholes(
  random: () => number,
  shape: readonly number[],
  [low, high] = [-5, 6],
): NdArray<"int32"> {
  const data = Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(low + (high - low) * random()));
  return ndarray("int32", shape, data);
}

/** bool. */
export function flags(random: () => number, shape: readonly number[]): NdArray<"bool"> {
  return ndarray(
    "bool",
    shape,
    Uint8Array.from({ length: sizeOf(shape) }, () => Number(random() < 0.5)),
  );
}

/** A shape of the given rank with sizes 1..4. */
export function shapeOf(random: () => number, rank: number): number[] {
  return Array.from({ length: rank }, () => 1 + Math.floor(4 * random()));
}

/** Two shapes that broadcast together. */
export function broadcastPair(random: () => number, rank: number): [number[], number[]] {
  const full = shapeOf(random, rank);
  const squeezed = (): number[] => full.map((size) => (random() < 0.3 ? 1 : size));
  const [a, b] = [squeezed(), squeezed()];
  return random() < 0.5
    ? [a.slice(Math.floor(random() * (rank + 1))), b]
    : [a, b.slice(Math.floor(random() * (rank + 1)))];
}

function toTensor(array: NdArray): Tensor {
  return tf.tensor(array.data as Float32Array, [...array.shape], array.dtype as "float32");
}

interface Plain {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

const listOf = (out: Tensor | readonly Tensor[]): readonly Tensor[] =>
  out instanceof tf.Tensor ? [out] : out;

/** Run `body` on tfjs's CPU backend. */
function eagerly(inputs: readonly NdArray[], body: Fn): Plain[] {
  void tf.setBackend("cpu");
  const outputs: Plain[] = [];
  tf.tidy(() => {
    for (const tensor of listOf(body(...inputs.map(toTensor)))) {
      outputs.push({ dtype: tensor.dtype, shape: tensor.shape, data: tensor.dataSync() });
    }
  });
  return outputs;
}

const isClose = (a: number, b: number, tolerance: number): boolean =>
  Object.is(a, b) || Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a), Math.abs(b));

/** Assert equal dtype, shape, and values within a relative (below 1: absolute) tolerance. */
export function expectSame(got: Plain, wanted: Plain, tolerance: number, what: string): void {
  expect([got.dtype, ...got.shape], `${what}: dtype and shape`).toEqual([wanted.dtype, ...wanted.shape]);
  for (let i = 0; i < wanted.data.length; i++) {
    if (!isClose(got.data[i], wanted.data[i], tolerance)) {
      expect.fail(
        `${what}: element ${i} is ${got.data[i]}, tfjs has ${wanted.data[i]} (shape [${wanted.shape.join()}])`,
      );
    }
  }
}

/** Outputs, and (for float inputs) gradients of a weighted sum of the first float output. */
function withGradients(fn: Fn, dtypes: readonly DType[]): Fn {
  const floatAt = dtypes.flatMap((dtype, i) => (dtype === "float32" ? [i] : []));
  return (...inputs) => {
    const outputs = listOf(fn(...inputs));
    if (outputs[0].dtype !== "float32" || floatAt.length === 0) return outputs;
    const weights = tf.reshape(tf.add(tf.sin(tf.range(0, outputs[0].size)), 1.5), outputs[0].shape);
    const loss = (...some: Tensor[]): Tensor => {
      const all = [...inputs];
      floatAt.forEach((at, i) => (all[at] = some[i]));
      return tf.sum(tf.mul(listOf(fn(...all))[0], weights));
    };
    return [...outputs, ...tf.grads(loss)(floatAt.map((i) => inputs[i]))];
  };
}

/** Options of `compare`. */
export interface CompareOptions {
  readonly tolerance?: number;
  readonly gradients?: boolean;
}

/** Assert that `fn` gives the same through `jit` as on tfjs's CPU backend. */
export async function compare(
  what: string,
  fn: Fn,
  inputs: readonly NdArray[],
  options: CompareOptions = {},
): Promise<void> {
  const { tolerance = 1e-4, gradients = true } = options;
  const full = gradients
    ? withGradients(
        fn,
        inputs.map((input) => input.dtype),
      )
    : fn;
  const wanted = eagerly(inputs, full);
  const jitted = jit((list: readonly Tensor[]) => [...listOf(full(...list))]);
  try {
    const got = await jitted(inputs);
    got.forEach((array, i) =>
      expectSame(array as unknown as Plain, wanted[i], tolerance, `${what} output ${i}`),
    );
  } finally {
    await jitted.dispose();
  }
}
