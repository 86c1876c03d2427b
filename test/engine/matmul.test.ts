/** @file Matrix products equal tfjs's CPU backend for every transpose, rank and broadcast batch, with gradients. */

import { describe, expect, it } from "vitest";
import { jit, tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";
import { compare, floats, makeRandom, wholes } from "./compare.ts";

const bools = [false, true];

describe("matrix products", () => {
  it("of ranks 2, 3 and 4 with either side transposed equal tfjs's, gradients included", async () => {
    const random = makeRandom(31);
    for (const batch of [[], [3], [2, 3]]) {
      for (const ta of bools) {
        for (const tb of bools) {
          const a = floats(random, [...batch, ...(ta ? [4, 2] : [2, 4])]);
          const b = floats(random, [...batch, ...(tb ? [3, 4] : [4, 3])]);
          await compare(`${batch.join()} ${ta} ${tb}`, (x, y) => tf.matMul(x, y, ta, tb), [a, b]);
        }
      }
    }
  });

  it("broadcast their batches, and their gradients sum over what was broadcast", async () => {
    const random = makeRandom(32);
    for (const [a, b] of [
      [
        [1, 2, 4],
        [3, 4, 5],
      ],
      [
        [2, 3, 2, 4],
        [1, 4, 5],
      ],
      [
        [3, 2, 4],
        [4, 5],
      ],
    ]) {
      for (const tb of bools) {
        const right = tb ? [...b.slice(0, -2), b[b.length - 1], b[b.length - 2]] : b;
        await compare(`[${a.join()}] [${b.join()}]`, (x, y) => tf.matMul(x, y, false, tb), [
          floats(random, a),
          floats(random, right),
        ]);
      }
    }
  });

  it("broadcast each side's batch where tfjs's CPU backend mixes rows up", async () => {
    const random = makeRandom(35);
    const [a, b] = [floats(random, [2, 1, 2, 4]), floats(random, [3, 4, 5])];
    const f = jit(({ x, y }: { x: Tensor; y: Tensor }) => {
      const rows = tf
        .unstack(x)
        .map((left) => tf.stack(tf.unstack(y).map((right) => tf.matMul(tf.squeeze(left, [0]), right))));
      return tf.max(tf.abs(tf.sub(tf.matMul(x, y), tf.stack(rows))));
    });
    expect((await f({ x: a, y: b })).data[0]).toBeLessThan(1e-5);
  });

  it("of ints, vectors and with a fused bias and activation", async () => {
    const random = makeRandom(33);
    await compare("ints", (x, y) => tf.matMul(x, y), [wholes(random, [2, 3]), wholes(random, [3, 2])]);
    await compare("dot", (x, y) => tf.dot(x, y), [floats(random, [3]), floats(random, [3])]);
    await compare("outer", (x, y) => tf.outerProduct(x as never, y as never), [
      floats(random, [3]),
      floats(random, [2]),
    ]);
    for (const activation of ["linear", "relu", "sigmoid", "elu", "relu6", "leakyrelu"] as const) {
      await compare(
        activation,
        (a, b, bias) => tf.fused.matMul({ a: a, b: b, bias, activation }),
        [floats(random, [2, 3]), floats(random, [3, 4]), floats(random, [4])],
        { gradients: activation === "linear" || activation === "relu" },
      );
    }
  });

  it("by Einstein's notation", async () => {
    const random = makeRandom(34);
    const [a, b] = [floats(random, [2, 3, 4]), floats(random, [2, 4, 5])];
    await compare("einsum", (x, y) => tf.einsum("bij,bjk->bik", x, y), [a, b], { gradients: false });
    await compare("einsum sum", (x) => tf.einsum("bij->j", x), [a], { gradients: false });
  });
});
