/** @file Layers against arithmetic done by hand, gradients over a tree, and the tree itself. */

import { describe, expect, it } from "vitest";
import { jit, tf, type Tensor } from "../../src/engine/jit.ts";
import { float32, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { valueAndGrad } from "../../src/nn/gradients.ts";
import {
  initLinear,
  initMlp,
  linear,
  mlp,
  rmsNorm,
  timeEmbedding,
  type Linear,
  type Mlp,
} from "../../src/nn/layers.ts";
import { copyTree, flattenTree, mapTree, unflattenLike, unflattenTree } from "../../src/nn/tree.ts";

type Floats = NdArray<"float32">;

async function run(
  fn: (input: never) => Record<string, Tensor>,
  input: unknown,
): Promise<Record<string, Floats>> {
  return (await jit(fn)(input as never)) as unknown as Record<string, Floats>;
}

describe("a linear layer", () => {
  it("is x · W + b over the last axis, whatever the leading ones", async () => {
    const p = { weight: float32([1, 2, 3, 4, 5, 6], [2, 3]), bias: float32([10, 20, 30]) };
    const x = float32([1, 0, 0, 1, 1, 1, 2, -1], [2, 2, 2]);
    const { y } = await run(
      ({ p: layer, x: input }: { p: Linear<Tensor>; x: Tensor }) => ({ y: linear(layer, input) }),
      { p, x },
    );
    expect(y.shape).toEqual([2, 2, 3]);
    expect([...y.data]).toEqual([11, 22, 33, 14, 25, 36, 15, 27, 39, 8, 19, 30]);
  });

  it("begins with unit variance out of unit variance in, and with zeros at gain 0", () => {
    const { weight } = initLinear(Rng.fromSeed(0), 400, 50);
    const squares = (weight as Floats).data.reduce((sum, w) => sum + w * w, 0) / 50;
    expect(squares).toBeGreaterThan(0.9);
    expect(squares).toBeLessThan(1.1);
    expect(initLinear(Rng.fromSeed(0), 4, 3, 0).weight).toEqual(zeros("float32", [4, 3]));
  });
});

it("RMS norm divides by the root mean square of the last axis", async () => {
  const input = { p: { gain: float32([1, 2]) }, x: float32([3, 4, -6, 8], [2, 2]) };
  const { y } = await run(({ p, x }: { p: { gain: Tensor }; x: Tensor }) => ({ y: rmsNorm(p, x) }), input);
  const rms = Math.sqrt(12.5);
  [3 / rms, 8 / rms, -3 / rms, 8 / rms].forEach((value, i) => expect(y.data[i]).toBeCloseTo(value, 4));
});

it("a perceptron is linear after its last layer", async () => {
  const p = initMlp(Rng.fromSeed(0), [1, 2, 1]) as unknown as Record<string, Linear<NdArray>>;
  p.layer0.weight.data.set([1, -1] as never);
  p.layer1.weight.data.set([2, 3] as never);
  p.layer1.bias.data.set([-10] as never);
  const { y } = await run(({ p: layers, x }: { p: Mlp<Tensor>; x: Tensor }) => ({ y: mlp(layers, x) }), {
    p,
    x: float32([2, -2], [2, 1]),
  });
  expect([...y.data]).toEqual([-6, -4]);
});

it("the time embedding tells times apart, near ones as well as far ones", async () => {
  const times = float32([0, 0.01, 0.5, 0.99, 1]);
  const { y } = await run(({ t }: { t: Tensor }) => ({ y: timeEmbedding(t, 32) }), { t: times });
  expect(y.shape).toEqual([5, 32]);
  const distance = (a: number, b: number): number =>
    Math.hypot(...y.data.subarray(a * 32, a * 32 + 32).map((v, i) => v - y.data[b * 32 + i]));
  for (let a = 0; a < 5; a++) for (let b = 0; b < a; b++) expect(distance(a, b)).toBeGreaterThan(0.5);
});

it("the gradient of a tree has its shape, and the metrics come along", async () => {
  type Params = { a: Tensor; deep: { b: Tensor } };
  const out = await run(
    ({ p }: { p: Params }) => {
      const { loss, grads, metrics } = valueAndGrad(
        ({ a, deep }: Params) => ({
          loss: tf.sum(tf.mul(tf.square(a), deep.b)),
          metrics: { sum: tf.sum(a) },
        }),
        p,
      );
      return { loss, a: grads.a, b: grads.deep.b, sum: metrics.sum };
    },
    { p: { a: float32([1, 2]), deep: { b: float32([3, 5]) } } },
  );
  expect(out.loss.data[0]).toBe(23);
  expect([...out.a.data]).toEqual([6, 20]);
  expect([...out.b.data]).toEqual([1, 4]);
  expect(out.sum.data[0]).toBe(3);
});

describe("a parameter tree", () => {
  const tree = { a: float32([1]), list: [{ b: float32([2]) }, { b: float32([3]) }] };

  it("is flattened to dotted names and comes back, lists as lists", () => {
    const leaves = flattenTree<Floats>(tree);
    expect([...leaves.keys()]).toEqual(["a", "list.0.b", "list.1.b"]);
    expect(unflattenLike(tree, leaves)).toEqual(tree);
    expect(unflattenTree([["x.y", 1 as never]])).toEqual({ x: { y: 1 } });
    expect(flattenTree(unflattenTree(leaves))).toEqual(leaves);
  });

  it("is mapped leaf by leaf and copied without sharing", () => {
    const names: string[] = [];
    mapTree(tree, (leaf: Floats, name) => (names.push(name), leaf));
    expect(names).toEqual(["a", "list.0.b", "list.1.b"]);
    const copy = copyTree(tree);
    copy.list[1].b.data[0] = 9;
    expect(tree.list[1].b.data[0]).toBe(3);
  });
});
