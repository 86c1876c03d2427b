/** @file The fused norms and GELU equal their definitions on tfjs's CPU backend, with first and second derivatives. */

import { describe, it } from "vitest";
import { tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";
import { gelu, layerNorm, rmsNorm } from "../../src/engine/ops.ts";
import { compare, floats, makeRandom } from "./compare.ts";

/** Gradients of the squared length of fn's gradient: wrong if a hand-written gradient hides a path. */
function second(fn: (...inputs: Tensor[]) => Tensor): (...inputs: Tensor[]) => Tensor[] {
  const slope = (...inputs: Tensor[]): Tensor => {
    const weighted = (...list: Tensor[]): Tensor => tf.sum(tf.mul(fn(...list), tf.sin(fn(...list))));
    return tf.addN(
      tf
        .grads(weighted)(inputs)
        .map((g) => tf.sum(tf.square(g))),
    );
  };
  return (...inputs) => tf.grads(slope)(inputs);
}

describe("fused operators", () => {
  for (const shape of [[6], [3, 8], [2, 3, 5], [2, 1, 3, 4]]) {
    const width = shape[shape.length - 1];
    it(`equal their definitions on shape [${shape.join()}], gradients included`, async () => {
      const random = makeRandom(71);
      const [x, gain, bias] = [floats(random, shape), floats(random, [width]), floats(random, [width])];
      await compare("layerNorm", (a, g, b) => layerNorm(a, g, b), [x, gain, bias]);
      await compare("rmsNorm", (a, g) => rmsNorm(a, g), [x, gain]);
      await compare("gelu", gelu, [floats(random, shape, [-5, 5])]);
    });
  }

  it("have the second derivatives of their definitions", async () => {
    const random = makeRandom(72);
    const [x, gain, bias] = [floats(random, [3, 5]), floats(random, [5]), floats(random, [5])];
    const options = { gradients: false, tolerance: 2e-3 };
    await compare(
      "layerNorm",
      second((a, g, b) => layerNorm(a, g, b)),
      [x, gain, bias],
      options,
    );
    await compare(
      "rmsNorm",
      second((a, g) => rmsNorm(a, g)),
      [x, gain],
      options,
    );
    await compare("gelu", second(gelu), [x], options);
  });

  it("stay exact on rows far from zero and on constant rows", async () => {
    const random = makeRandom(73);
    const far = floats(random, [4, 16], [999, 1001]);
    const [gain, bias] = [floats(random, [16]), floats(random, [16])];
    await compare("far", (a, g, b) => layerNorm(a, g, b), [far, gain, bias], {
      gradients: false,
      tolerance: 2e-3,
    });
    const flat = floats(random, [2, 16], [3, 3]);
    await compare("constant", (a, g, b) => layerNorm(a, g, b), [flat, gain, bias], { gradients: false });
  });
});
