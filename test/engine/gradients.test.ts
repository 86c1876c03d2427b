/** @file Gradients that replace tfjs's own agree with finite differences, so they are tested by more than themselves. */

import { describe, expect, it } from "vitest";
import type { NdArray } from "../../src/core/ndarray.ts";
import { float32 } from "../../src/core/ndarray.ts";
import { jit, tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";
import { floats, makeRandom } from "./compare.ts";

const STEP = 2e-2;

/** Slope of a weighted sum of `fn` along `direction`: from the gradient, and from the function's values around `x`. */
async function slopes(fn: (x: Tensor) => Tensor, x: NdArray, direction: NdArray): Promise<[number, number]> {
  const body = (input: { x: Tensor; direction: Tensor }): Tensor => {
    const loss = (y: Tensor): Tensor => {
      const out = fn(y);
      return tf.sum(tf.mul(out, tf.reshape(tf.add(tf.sin(tf.range(0, out.size)), 1.5), out.shape)));
    };
    const along = tf.mul(input.direction, STEP);
    const byGradient = tf.sum(tf.mul(tf.grad(loss)(input.x), input.direction));
    const byValues = tf.div(tf.sub(loss(tf.add(input.x, along)), loss(tf.sub(input.x, along))), 2 * STEP);
    return tf.stack([byGradient, byValues]);
  };
  const f = jit(body);
  const { data } = await f({ x, direction });
  await f.dispose();
  return [Number(data[0]), Number(data[1])];
}

const random = makeRandom(61);
const other = (shape: number[]): Tensor =>
  tf.reshape(tf.sin(tf.range(1, 1 + shape.reduce((a, b) => a * b, 1))), shape);

const functions: Record<string, { shape: number[]; fn: (x: Tensor) => Tensor }> = {
  "maximum with a broadcast side": { shape: [3], fn: (x) => tf.maximum(tf.mul(x, x), other([2, 3])) },
  "minimum with a broadcast side": {
    shape: [2, 1],
    fn: (x) => tf.minimum(tf.mul(x, x), tf.add(other([2, 3]), 5)),
  },
  "squared difference with a broadcast side": {
    shape: [3],
    fn: (x) => tf.squaredDifference(other([2, 3]), x),
  },
  "matmul with a broadcast batch": { shape: [3, 4], fn: (x) => tf.matMul(other([2, 5, 3]), x) },
  "matmul with one transposed matrix for a batch": {
    shape: [4, 3],
    fn: (x) => tf.matMul(other([2, 5, 3]), x, false, true),
  },
  "transposed matmul with a broadcast batch": {
    shape: [4, 3],
    fn: (x) => tf.matMul(x, other([2, 4, 5]), true, false),
  },
  "tile of rank 5": { shape: [2, 1, 2, 1, 3], fn: (x) => tf.tile(tf.square(x), [1, 3, 2, 1, 2]) },
  "gather within batches": {
    shape: [2, 4, 3],
    fn: (x) =>
      tf.gather(
        tf.square(x),
        tf.tensor2d(
          [
            [0, 3, 3],
            [1, 0, 2],
          ],
          [2, 3],
          "int32",
        ),
        1,
        1,
      ),
  },
  "reflected pad": {
    shape: [3, 4],
    fn: (x) =>
      tf.mirrorPad(
        tf.square(x),
        [
          [2, 1],
          [0, 3],
        ],
        "reflect",
      ),
  },
  "symmetric pad": {
    shape: [3, 4],
    fn: (x) =>
      tf.mirrorPad(
        tf.square(x),
        [
          [3, 0],
          [1, 2],
        ],
        "symmetric",
      ),
  },
  "product over two axes": { shape: [2, 3, 2], fn: (x) => tf.prod(x, [0, 2]) },
  "cumsum over the first axis": { shape: [3, 2, 2], fn: (x) => tf.cumsum(tf.square(x), 0, true, true) },
  "cumsum over a negative axis": { shape: [3, 2], fn: (x) => tf.cumsum(tf.square(x), -1) },
  "select by a comparison": {
    shape: [12],
    fn: (x) => tf.where(tf.less(x, other([12])), tf.square(x), tf.mul(x, 3)),
  },
  "average pool at padded edges": {
    shape: [1, 5, 5, 2],
    fn: (x) => tf.avgPool(tf.square(x) as tf.Tensor4D, 3, 2, "same"),
  },
  "bilinear with half-pixel centres": {
    shape: [1, 4, 3, 2],
    fn: (x) => tf.image.resizeBilinear(tf.square(x) as tf.Tensor4D, [7, 5], false, true),
  },
  "nearest in a batch": {
    shape: [2, 4, 3, 2],
    fn: (x) => tf.image.resizeNearestNeighbor(tf.square(x) as tf.Tensor4D, [7, 5]),
  },
  "mirror image": {
    shape: [1, 2, 3, 2],
    fn: (x) => tf.image.flipLeftRight(tf.square(x) as tf.Tensor4D),
  },
  "gather by coordinates": {
    shape: [3, 2],
    fn: (x) =>
      tf.gatherND(
        tf.square(x),
        tf.tensor2d(
          [
            [0, 1],
            [2, 0],
            [0, 1],
          ],
          [3, 2],
          "int32",
        ),
      ),
  },
  "scatter by coordinates": {
    shape: [3],
    fn: (x) => tf.scatterND(tf.tensor2d([[0], [4], [0]], [3, 1], "int32"), tf.square(x), [5]),
  },
  "largest values": { shape: [3, 5], fn: (x) => tf.topk(tf.square(x), 2).values },
  "strided slice": { shape: [5, 6], fn: (x) => tf.stridedSlice(tf.square(x), [1, 5], [5, 0], [2, -2]) },
  "running product": { shape: [2, 4], fn: (x) => tf.cumprod(tf.add(tf.square(x), 0.3), 1) },
  "Einstein sum": { shape: [2, 3], fn: (x) => tf.einsum("ij,jk->ki", tf.square(x), other([3, 4])) },
  "Einstein sum over a lone axis": {
    shape: [2, 3],
    fn: (x) => tf.einsum("ij,jk->k", tf.square(x), other([3, 4])),
  },
};

/** Functions whose gradient in tfjs uses their own output. */
const curved: Record<string, (x: Tensor) => Tensor> = {
  tanh: tf.tanh,
  exp: tf.exp,
  sigmoid: tf.sigmoid,
  sqrt: tf.sqrt,
  softmax: (x) => tf.softmax(x),
  elu: (x) => tf.elu(tf.neg(x)),
  power: (x) => tf.pow(x, tf.add(x, 1)),
  logSumExp: (x) => tf.mul(tf.logSumExp(x, 1, true), x),
};

describe("gradients in place of tfjs's", () => {
  it.each(Object.entries(functions))("agree with finite differences: %s", async (_, { shape, fn }) => {
    const [byGradient, byValues] = await slopes(fn, floats(random, shape), floats(random, shape, [-1, 1]));
    expect(Math.abs(byGradient)).toBeGreaterThan(1e-3);
    expect(Math.abs(byGradient - byValues)).toBeLessThan(2e-2 * Math.max(1, Math.abs(byValues)));
  });

  it.each(Object.entries(curved))("of second order see what was saved for the first: %s", async (_, fn) => {
    const slope = (x: Tensor): Tensor => tf.grad((y: Tensor) => tf.sum(tf.mul(fn(y), other([2, 3]))))(x);
    const [byGradient, byValues] = await slopes(
      slope,
      floats(random, [2, 3], [0.3, 0.9]),
      floats(random, [2, 3], [-1, 1]),
    );
    expect(Math.abs(byGradient)).toBeGreaterThan(1e-3);
    expect(Math.abs(byGradient - byValues)).toBeLessThan(2e-2 * Math.max(1, Math.abs(byValues)));
  });

  it("let any comparison stand on the way", async () => {
    const f = jit((x: Tensor) =>
      tf.grad((y: Tensor) => tf.sum(tf.where(tf.logicalNot(tf.equal(y, 0)), tf.square(y), y)))(x),
    );
    expect([...(await f(float32([0, 3]))).data]).toEqual([1, 6]);
  });
});
