/** @file A whole training step through the door: traced, differentiated, compiled, and run. */

import { describe, expect, it } from "vitest";
import { float32, ndarray, scalar, sizeOf } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import { jit, stopGradient, tf, toUint8 } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";

type Params = Record<string, Tensor>;

/** A deterministic stand-in for noise. */
function wave(shape: readonly number[], phase: number, scale = 1): NdArray<"float32"> {
  return float32(
    Array.from({ length: sizeOf(shape) }, (_, i) => scale * Math.sin(1.3 * i * (1 + phase) + phase)),
    shape,
  );
}

const WIDTH = 16;
const HEADS = 2;
const PATCH = 4;

function patchify(frames: Tensor): Tensor {
  const [b, h, w, c] = frames.shape;
  const grid = tf.reshape(frames, [b, h / PATCH, PATCH, w / PATCH, PATCH, c]);
  const tokens = tf.transpose(grid, [0, 1, 3, 2, 4, 5]);
  return tf.reshape(tokens, [b, (h / PATCH) * (w / PATCH), PATCH * PATCH * c]);
}

function linear(x: Tensor, weight: Tensor): Tensor {
  const flat = tf.matMul(tf.reshape(x, [-1, x.shape[x.shape.length - 1]]), weight);
  return tf.reshape(flat, [...x.shape.slice(0, -1), weight.shape[1] ?? 0]);
}

function rmsNorm(x: Tensor, gain: Tensor): Tensor {
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6))), gain);
}

function attention(x: Tensor, p: Params): Tensor {
  const [b, t] = x.shape;
  const heads = (y: Tensor): Tensor =>
    tf.transpose(tf.reshape(y, [b, t, HEADS, WIDTH / HEADS]), [0, 2, 1, 3]);
  const [q, k, v] = tf.split(linear(x, p.qkv), 3, -1).map(heads);
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(WIDTH / HEADS));
  const mask = tf.linalg.bandPart(tf.ones([t, t]), -1, 0);
  const masked = tf.where(tf.cast(mask, "bool"), scores, tf.fill(scores.shape, -1e9));
  const mixed = tf.matMul(tf.softmax(masked), v);
  return linear(tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [b, t, WIDTH]), p.out);
}

function network(frames: Tensor, actions: Tensor, p: Params): Tensor {
  let x = tf.add(linear(patchify(frames), p.embed), p.position);
  x = tf.add(x, tf.reshape(tf.gather(p.table, actions), [frames.shape[0], 1, WIDTH]));
  x = tf.add(x, attention(rmsNorm(x, p.gain1), p));
  const hidden = linear(rmsNorm(x, p.gain2), p.up);
  return linear(tf.add(x, linear(tf.mul(hidden, tf.sigmoid(tf.mul(hidden, 1.702))), p.down)), p.head);
}

/** Five Newton–Schulz iterations towards the nearest orthogonal matrix. */
function orthogonalize(gradient: Tensor): Tensor {
  const [a, b, c] = [3.4445, -4.775, 2.0315];
  let x = tf.div(gradient, tf.add(tf.norm(gradient), 1e-7));
  for (let i = 0; i < 5; i++) {
    const gram = tf.matMul(x, x, false, true);
    const poly = tf.add(tf.mul(gram, b), tf.mul(tf.matMul(gram, gram), c));
    x = tf.add(tf.mul(x, a), tf.matMul(poly, x));
  }
  return x;
}

interface State {
  readonly params: Params;
  readonly m: Params;
  readonly v: Params;
}

function adamW(state: State, gradients: Params, step: Tensor): State {
  const out = { params: {} as Params, m: {} as Params, v: {} as Params };
  for (const key of Object.keys(state.params)) {
    const muon = key === "up" || key === "down";
    const m = tf.add(tf.mul(state.m[key], 0.9), tf.mul(gradients[key], 0.1));
    const v = tf.add(tf.mul(state.v[key], 0.99), tf.mul(tf.square(gradients[key]), 0.01));
    const mHat = tf.div(m, tf.sub(1, tf.pow(0.9, step)));
    const vHat = tf.div(v, tf.sub(1, tf.pow(0.99, step)));
    const update = muon ? orthogonalize(m) : tf.div(mHat, tf.add(tf.sqrt(vHat), 1e-8));
    out.params[key] = tf.sub(tf.mul(state.params[key], 1 - 1e-5), tf.mul(update, 3e-3));
    out.m[key] = m;
    out.v[key] = v;
  }
  return out;
}

function trainStep(input: { state: State; frames: Tensor; actions: Tensor; target: Tensor; step: Tensor }): {
  state: State;
  loss: Tensor;
} {
  const { state, frames, actions, target, step } = input;
  const keys = Object.keys(state.params);
  const scaled = tf.sub(tf.div(tf.cast(frames, "float32"), 127.5), 1);
  const { value, grads } = tf.valueAndGrads((...list: Tensor[]) => {
    const p = Object.fromEntries(keys.map((key, i) => [key, list[i]]));
    return tf.mean(tf.square(tf.sub(network(scaled, actions, p), target)));
  })(keys.map((key) => state.params[key]));
  const gradients = Object.fromEntries(keys.map((key, i) => [key, grads[i]]));
  return { state: adamW(state, gradients, step), loss: value };
}

function initialState(): {
  params: Record<string, NdArray>;
  m: Record<string, NdArray>;
  v: Record<string, NdArray>;
} {
  const sizes: Record<string, number[]> = {
    embed: [48, WIDTH],
    position: [4, WIDTH],
    table: [5, WIDTH],
    qkv: [WIDTH, 3 * WIDTH],
    out: [WIDTH, WIDTH],
    up: [WIDTH, 32],
    down: [32, WIDTH],
    head: [WIDTH, 48],
    gain1: [WIDTH],
    gain2: [WIDTH],
  };
  const each = (scale: number): Record<string, NdArray> =>
    Object.fromEntries(
      Object.entries(sizes).map(([key, shape], i) => [
        key,
        key.startsWith("gain") && scale > 0 ? float32(new Array(WIDTH).fill(1)) : wave(shape, i, scale),
      ]),
    );
  return { params: each(0.1), m: each(0), v: each(0) };
}

describe("a transformer's training step as one graph", () => {
  const frames = ndarray(
    "uint8",
    [3, 8, 8, 3],
    Uint8Array.from({ length: 576 }, (_, i) => (i * 37) % 256),
  );
  const actions = ndarray("int32", [3], Int32Array.of(0, 4, 2));
  const target = wave([3, 4, 48], 2);

  it("learns, with donated state handed from call to call", async () => {
    const step = jit(trainStep, { donate: ["state"] });
    let state = initialState();
    const losses: number[] = [];
    for (let i = 1; i <= 40; i++) {
      const out = await step({ state, frames, actions, target, step: scalar(i) });
      state = out.state;
      losses.push(out.loss.data[0] as number);
    }
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses[39]).toBeLessThan(0.9 * losses[0]);
    await step.dispose();
  });

  it("gives the same numbers with and without donation", async () => {
    const results: number[] = [];
    for (const donate of [[], ["state"]] as const) {
      const step = jit(trainStep, { donate });
      let state = initialState();
      for (let i = 1; i <= 4; i++) {
        const out = await step({ state, frames, actions, target, step: scalar(i) });
        state = out.state;
        if (i === 4) results.push(out.loss.data[0] as number, state.params.qkv.data[7] as number);
      }
      await step.dispose();
    }
    expect(results.slice(2)).toEqual(results.slice(0, 2));
  });
});

describe("jit", () => {
  it("feeds uint8, bool and views into larger buffers, and returns uint8 where marked", async () => {
    const f = jit(({ image, flag, part }: { image: Tensor; flag: Tensor; part: Tensor }) => {
      expect([image.dtype, flag.dtype, part.dtype]).toEqual(["int32", "bool", "float32"]);
      const brighter = tf.mul(tf.cast(image, "float32"), 1.5);
      return {
        bytes: toUint8(tf.where(flag, brighter, tf.zerosLike(brighter))),
        sum: tf.sum(part),
        negated: tf.logicalNot(flag),
      };
    });
    const out = await f({
      image: ndarray("uint8", [3], Uint8Array.of(1, 100, 200)),
      flag: ndarray("bool", [3], Uint8Array.of(1, 0, 1)),
      part: ndarray("float32", [2], new Float32Array([9, 9, 1, 2]).subarray(2)),
    });
    expect(out.bytes.dtype).toBe("uint8");
    expect([...out.bytes.data]).toEqual([2, 0, 255]);
    expect(out.sum.data[0]).toBe(3);
    expect(out.negated.dtype).toBe("bool");
    expect([...out.negated.data]).toEqual([0, 1, 0]);
  });

  it("compiles once per signature", async () => {
    let traces = 0;
    const f = jit(({ x }: { x: Tensor }) => {
      traces++;
      return tf.add(x, 1);
    });
    await f({ x: float32([1, 2]) });
    await f({ x: float32([3, 4]) });
    expect(traces).toBe(1);
    expect([...(await f({ x: float32([1, 2, 3]) })).data]).toEqual([2, 3, 4]);
    expect(traces).toBe(2);
  });

  it("stops gradients where told", async () => {
    const f = jit(({ x }: { x: Tensor }) => tf.grad((y) => tf.sum(tf.mul(stopGradient(y), y)))(x));
    expect([...(await f({ x: float32([3, 5]) })).data]).toEqual([3, 5]);
  });

  it("takes gradients of gradients, and through an unrolled model", async () => {
    const f = jit(({ x, w }: { x: Tensor; w: Tensor }) => {
      const roll = (weight: Tensor): Tensor => {
        let state = x;
        for (let i = 0; i < 3; i++) state = tf.mul(state, weight);
        return tf.sum(state);
      };
      return { first: tf.grad(roll)(w), second: tf.grad((v) => tf.sum(tf.grad(roll)(v)))(w) };
    });
    const out = await f({ x: float32([2]), w: float32([3]) });
    expect(out.first.data[0]).toBeCloseTo(2 * 3 * 9, 4);
    expect(out.second.data[0]).toBeCloseTo(2 * 6 * 3, 4);
  });
});
