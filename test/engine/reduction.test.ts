/** @file Reductions, soft-max and running sums equal tfjs's CPU backend, over any axes, with gradients. */

import { describe, it } from "vitest";
import { float32 } from "../../src/core/ndarray.ts";
import { tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";
import { compare, flags, floats, makeRandom, shapeOf, wholes } from "./compare.ts";

type Reduction = (x: Tensor, axis?: number | number[], keepDims?: boolean) => Tensor;

const reductions: Record<string, Reduction> = {
  sum: tf.sum,
  mean: tf.mean,
  max: tf.max,
  min: tf.min,
  prod: tf.prod,
  logSumExp: tf.logSumExp,
  variance: (x, axis, keep) => tf.moments(x, axis, keep).variance,
};

describe("reductions", () => {
  it("over some, negative, all and unit axes equal tfjs's, gradients included", async () => {
    const random = makeRandom(11);
    for (const [name, op] of Object.entries(reductions)) {
      const cases: [number[], number | number[] | undefined][] = [
        [[3, 4], -1],
        [
          [2, 3, 4],
          [0, 2],
        ],
        [shapeOf(random, 4), undefined],
        [[3, 1, 2], 1],
        [shapeOf(random, 5), [-1, -3]],
        [[], undefined],
      ];
      for (const [shape, axis] of cases) {
        const keep = random() < 0.5;
        await compare(`${name} [${shape.join()}] over ${String(axis)}`, (x) => op(x, axis, keep), [
          floats(random, shape),
        ]);
      }
    }
  });

  it("over many leading rows stay exact to rounding", async () => {
    const random = makeRandom(17);
    await compare("rows", (x) => tf.sum(x, [0, 1]), [floats(random, [30, 40, 5], [0, 100])], {
      tolerance: 1e-5,
    });
    await compare("too many rows", (x) => tf.sum(x, 0), [floats(random, [20_000, 2], [0, 1])], {
      tolerance: 1e-5,
    });
    await compare("zero size", (x) => tf.sum(x, 0), [floats(random, [0, 3])], { gradients: false });
  });

  it("of ints and bools keep their dtypes", async () => {
    const random = makeRandom(12);
    for (const op of [tf.sum, tf.max, tf.min, tf.prod] as Reduction[]) {
      await compare(op.name, (x) => op(x, 1), [wholes(random, [3, 4])]);
    }
    for (const op of [tf.all, tf.any] as Reduction[]) {
      await compare(op.name, (x) => op(x, 0, true), [flags(random, [2, 5])]);
      await compare(op.name, (x) => op(x), [flags(random, [2])]);
    }
    await compare("sum of bools", (x) => tf.sum(x), [flags(random, [9])]);
    await compare("mean of ints", (x) => tf.mean(x), [wholes(random, [9])]);
  });

  it("to indices equal tfjs's", async () => {
    const random = makeRandom(13);
    for (const axis of [0, 1, -1]) {
      await compare("argMax", (x) => tf.argMax(x, axis), [floats(random, [3, 4, 5])]);
      await compare("argMin", (x) => tf.argMin(x, axis), [wholes(random, [3, 4, 5], [-90, 90])]);
    }
  });

  it("of constants fold to constants", async () => {
    await compare(
      "folded",
      (x) => tf.add(tf.add(tf.sum(tf.ones([3, 4]), 1), tf.mean(tf.fill([3, 2], 0.5))), x),
      [float32([1, 2, 3])],
    );
  });
});

describe("soft-max and running sums", () => {
  it("along any axis equal tfjs's, gradients included", async () => {
    const random = makeRandom(14);
    for (const shape of [[5], [2, 3], [2, 3, 4, 5]]) {
      await compare("softmax", (x) => tf.softmax(x), [floats(random, shape, [-9, 9])]);
      await compare("logSoftmax", (x) => tf.logSoftmax(x), [floats(random, shape, [-9, 9])]);
    }
    await compare("cross entropy", (x, y) => tf.losses.softmaxCrossEntropy(tf.softmax(y), x), [
      floats(random, [4, 6]),
      floats(random, [4, 6]),
    ]);
  });

  it("forwards, backwards, with and without the element itself", async () => {
    const random = makeRandom(15);
    for (const [exclusive, reverse] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      await compare("cumsum last", (x) => tf.cumsum(x, 1, exclusive, reverse), [floats(random, [3, 5])]);
      await compare("cumsum first", (x) => tf.cumsum(x, 0, exclusive, reverse), [floats(random, [4, 2, 3])]);
      await compare("cumprod", (x) => tf.cumprod(x, 1, exclusive, reverse), [floats(random, [3, 4])], {
        gradients: false,
      });
    }
  });

  it("of the usual losses have tfjs's values and gradients", async () => {
    const random = makeRandom(16);
    const [a, b] = [floats(random, [4, 3]), floats(random, [4, 3])];
    await compare("mse", (x, y) => tf.losses.meanSquaredError(x, y), [a, b]);
    await compare("huber", (x, y) => tf.losses.huberLoss(x, y), [a, b]);
    await compare("absolute", (x, y) => tf.losses.absoluteDifference(x, y), [a, b]);
    await compare("bce", (x, y) => tf.losses.sigmoidCrossEntropy(tf.sigmoid(x), y), [a, b]);
    await compare("norm", (x) => tf.norm(x), [a]);
  });
});
