/** @file The transformer that bench/engine.ts times: forward pass, loss, gradients and AdamW in one traced function. */

import { float32, sizeOf } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";
import { gelu, layerNorm } from "../../src/engine/ops.ts";

/** Sizes of one benchmark. Tokens come as [batch × length, patch]. */
export interface ModelSize {
  readonly name: string;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly patch: number;
  readonly batch: number;
  readonly length: number;
}

type Params<T> = Record<string, T>;

/** Parameters, moments, and their shapes by name. */
export function parameterShapes(size: ModelSize): Record<string, number[]> {
  const { width: d, patch, length } = size;
  const shapes: Record<string, number[]> = {
    embed: [patch, d],
    position: [length, d],
    gain: [d],
    bias: [d],
    head: [d, patch],
  };
  for (let i = 0; i < size.layers; i++) {
    Object.assign(shapes, {
      [`${i}.gain1`]: [d],
      [`${i}.bias1`]: [d],
      [`${i}.qkv`]: [d, 3 * d],
      [`${i}.out`]: [d, d],
      [`${i}.gain2`]: [d],
      [`${i}.bias2`]: [d],
      [`${i}.up`]: [d, 4 * d],
      [`${i}.upBias`]: [4 * d],
      [`${i}.down`]: [4 * d, d],
      [`${i}.downBias`]: [d],
    });
  }
  return shapes;
}

/** Floating-point operations of the forward pass's matrix products; a training step has three times as many. */
export function forwardFlops(size: ModelSize): number {
  const { width: d, layers, patch, batch, length } = size;
  const perToken = 2 * (2 * patch * d + layers * 12 * d * d) + layers * 4 * length * d;
  return perToken * batch * length;
}

function attention(x: Tensor, p: Params<Tensor>, at: string, size: ModelSize): Tensor {
  const { batch, length, heads, width } = size;
  const split = tf.reshape(tf.matMul(x, p[`${at}.qkv`]), [batch, length, 3, heads, width / heads]);
  const [q, k, v] = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]));
  const scores = tf.matMul(tf.mul(q, Math.sqrt(heads / width)), k, false, true);
  const mixed = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
  return tf.matMul(tf.reshape(mixed, [batch * length, width]), p[`${at}.out`]);
}

/** Tokens [batch × length, patch] to predictions of the same shape. */
export function forward(x: Tensor, p: Params<Tensor>, size: ModelSize): Tensor {
  const { batch, length, width } = size;
  const embedded = tf.reshape(tf.matMul(x, p.embed), [batch, length, width]);
  let h: Tensor = tf.reshape(tf.add(embedded, p.position), [batch * length, width]);
  for (let i = 0; i < size.layers; i++) {
    const at = String(i);
    h = tf.add(h, attention(layerNorm(h, p[`${at}.gain1`], p[`${at}.bias1`]), p, at, size));
    const up = tf.matMul(layerNorm(h, p[`${at}.gain2`], p[`${at}.bias2`]), p[`${at}.up`]);
    const down = tf.matMul(gelu(tf.add(up, p[`${at}.upBias`])), p[`${at}.down`]);
    h = tf.add(h, tf.add(down, p[`${at}.downBias`]));
  }
  return tf.matMul(layerNorm(h, p.gain, p.bias), p.head);
}

/** What a training step updates. */
export interface State<T> {
  readonly params: Params<T>;
  readonly first: Params<T>;
  readonly second: Params<T>;
}

/** One parameter's AdamW, with moments kept as plain sums so that each is two passes over the data. */
function adamW([p, g, m, v]: readonly Tensor[], step: Tensor): [Tensor, Tensor, Tensor] {
  const first = tf.add(tf.mul(m, 0.9), g);
  const second = tf.add(tf.mul(v, 0.99), tf.square(g));
  const root = tf.sqrt(tf.div(0.01, tf.sub(1, tf.pow(0.99, step))));
  const rate = tf.div(tf.div(1e-4, tf.sub(1, tf.pow(0.9, step))), root);
  const direction = tf.div(first, tf.add(tf.sqrt(second), tf.div(1e-8, root)));
  return [tf.sub(tf.mul(p, 1 - 1e-5), tf.mul(direction, rate)), first, second];
}

/** Parameters below this many elements are updated as one vector: a dozen nodes together instead of a dozen each. */
const JOINED_BELOW = 16_384;

interface Groups {
  readonly large: readonly string[];
  readonly small: readonly string[];
}

function groupsOf(shapes: Readonly<Record<string, readonly number[]>>): Groups {
  const names = Object.keys(shapes);
  const isSmall = (name: string): boolean => sizeOf(shapes[name]) < JOINED_BELOW;
  return { large: names.filter((name) => !isSmall(name)), small: names.filter(isSmall) };
}

const joined = (names: readonly string[], tensors: Params<Tensor>): Tensor =>
  tf.concat(names.map((name) => tf.reshape(tensors[name], [-1])));

function update(
  state: State<Tensor>,
  grads: Params<Tensor>,
  step: Tensor,
  { large, small }: Groups,
): State<Tensor> {
  const out: State<Tensor> = { params: {}, first: {}, second: {} };
  for (const name of large) {
    const all = [state.params[name], grads[name], state.first[name], state.second[name]];
    [out.params[name], out.first[name], out.second[name]] = adamW(all, step);
  }
  const all = [joined(small, state.params), joined(small, grads), state.first.joined, state.second.joined];
  const [params, first, second] = adamW(all, step);
  const parts = tf.split(
    params,
    small.map((name) => state.params[name].size),
  );
  small.forEach((name, i) => (out.params[name] = tf.reshape(parts[i], state.params[name].shape)));
  Object.assign(out.first, { joined: first });
  Object.assign(out.second, { joined: second });
  return out;
}

/** A whole training step on mean squared error. */
export function makeStep(size: ModelSize) {
  const groups = groupsOf(parameterShapes(size));
  return function step(input: { state: State<Tensor>; x: Tensor; y: Tensor; step: Tensor }) {
    const names = Object.keys(input.state.params);
    const tree = (list: readonly Tensor[]): Params<Tensor> =>
      Object.fromEntries(names.map((name, i) => [name, list[i]]));
    const loss = (...list: Tensor[]): tf.Scalar =>
      tf.mean(tf.squaredDifference(forward(input.x, tree(list), size), input.y));
    const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => input.state.params[name]));
    return { state: update(input.state, tree(grads), input.step, groups), loss: value };
  };
}

/** Deterministic values of the size of `scale`. */
export function wave(shape: readonly number[], scale: number, phase = 0): NdArray<"float32"> {
  return float32(
    Array.from({ length: sizeOf(shape) }, (_, i) => scale * Math.sin(i * 1.618 * (1 + phase) + phase)),
    shape,
  );
}

/** Fresh parameters and moments. */
export function initialState(size: ModelSize): State<NdArray> {
  const shapes = parameterShapes(size);
  const { large, small } = groupsOf(shapes);
  const first = (shape: readonly number[], name: string, i: number): NdArray =>
    name.includes("gain") ? float32(new Array(shape[0]).fill(1)) : wave(shape, 1 / Math.sqrt(shape[0]), i);
  const moments = (): Params<NdArray> => ({
    ...Object.fromEntries(large.map((name) => [name, wave(shapes[name], 0)])),
    joined: wave([small.reduce((sum, name) => sum + sizeOf(shapes[name]), 0)], 0),
  });
  const params = Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [name, first(shape, name, i)]),
  );
  return { params, first: moments(), second: moments() };
}
