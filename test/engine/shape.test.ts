/** @file Kernels that move elements equal tfjs's CPU backend, with gradients, on ranks 0 to 6. */

import { describe, it } from "vitest";
import { tf } from "../../src/engine/jit.ts";
import { compare, flags, floats, makeRandom, shapeOf, wholes } from "./compare.ts";

function permutation(random: () => number, rank: number): number[] {
  const order = Array.from({ length: rank }, (_, i) => i);
  for (let i = rank - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

describe("kernels that move elements", () => {
  it("reshape, transpose and flip, in chains too", async () => {
    const random = makeRandom(21);
    for (let rank = 0; rank <= 6; rank++) {
      const shape = shapeOf(random, rank);
      const perm = permutation(random, rank);
      await compare(`transpose ${perm.join()}`, (x) => tf.transpose(x, perm), [floats(random, shape)]);
      await compare("twice", (x) => tf.transpose(tf.transpose(x, perm), perm), [floats(random, shape)]);
      await compare("flat", (x) => tf.reshape(tf.expandDims(tf.reshape(x, [-1]), 0), [-1, 1]), [
        floats(random, shape),
      ]);
    }
    await compare("reverse", (x) => tf.reverse(x, [0, -1]), [floats(random, [3, 1, 4])]);
    await compare("reverse all", (x) => tf.reverse(x), [wholes(random, [3, 2])]);
    await compare("squeeze", (x) => tf.squeeze(x), [floats(random, [1, 3, 1])]);
    await compare("bools", (x) => tf.transpose(tf.reshape(x, [2, 3])), [flags(random, [6])]);
  });

  it("slice, strided too", async () => {
    const random = makeRandom(22);
    await compare("slice", (x) => tf.slice(x, [1, 0, 2], [2, -1, 2]), [floats(random, [4, 3, 5])]);
    await compare("slice 1", (x) => tf.slice(x, [2], [3]), [floats(random, [7])]);
    await compare("whole slice", (x) => tf.slice(x, [0, 0], [2, 3]), [floats(random, [2, 3])]);
    const plain = { gradients: false };
    await compare(
      "strided",
      (x) => tf.stridedSlice(x, [0, 4], [5, 0], [2, -2]),
      [floats(random, [5, 6])],
      plain,
    );
    await compare(
      "to the front",
      (x) => tf.stridedSlice(x, [4], [-9], [-1], 0, 1),
      [floats(random, [5])],
      plain,
    );
    await compare(
      "shrink",
      (x) => tf.stridedSlice(x, [1, 0], [2, 3], [1, 1], 0, 0, 0, 0, 1),
      [floats(random, [3, 3])],
      plain,
    );
  });

  it("join and part", async () => {
    const random = makeRandom(23);
    const three = [floats(random, [2, 3]), floats(random, [2, 1]), floats(random, [2, 4])];
    await compare("concat", (...list) => tf.concat(list, -1), three);
    await compare("concat of one", (x) => tf.concat([x], 0), [floats(random, [2, 3])]);
    await compare("stack", (a, b) => tf.stack([a, b, a], 1), [
      floats(random, [2, 3]),
      floats(random, [2, 3]),
    ]);
    await compare("stack of scalars", (a, b) => tf.stack([a, b], 0), [
      floats(random, []),
      floats(random, []),
    ]);
    await compare("split", (x) => tf.split(x, 3, 1), [floats(random, [2, 6])]);
    await compare("split sizes", (x) => tf.split(x, [1, 3, 2], -1), [floats(random, [2, 6])]);
    await compare("split and join", (x) => tf.concat(tf.split(x, 2, 0), 1), [floats(random, [4, 3])]);
    await compare("unstack", (x) => tf.unstack(x, 1), [floats(random, [2, 3, 2])]);
    await compare(
      "meshgrid",
      (a, b) => tf.meshgrid(a as never, b as never),
      [floats(random, [3]), floats(random, [2])],
      { gradients: false },
    );
  });

  it("repeat and pad", async () => {
    const random = makeRandom(24);
    await compare("tile", (x) => tf.tile(x, [2, 1, 3]), [floats(random, [2, 3, 2])]);
    await compare("tile of ones", (x) => tf.tile(x, [4, 3]), [floats(random, [1, 1])]);
    await compare("tile rank 5", (x) => tf.tile(x, [1, 2, 1, 2, 2]), [floats(random, [2, 1, 2, 2, 1])], {
      gradients: false,
    });
    await compare("broadcastTo", (x) => tf.broadcastTo(x, [2, 3, 4]), [floats(random, [3, 1])]);
    await compare(
      "pad",
      (x) =>
        tf.pad(
          x,
          [
            [1, 0],
            [2, 3],
          ],
          7,
        ),
      [floats(random, [2, 2])],
    );
    await compare("pad ints", (x) => tf.pad(x, [[0, 2]], -1), [wholes(random, [3])]);
    for (const mode of ["reflect", "symmetric"] as const) {
      await compare(
        mode,
        (x) =>
          tf.mirrorPad(
            x,
            [
              [1, 2],
              [0, 1],
            ],
            mode,
          ),
        [floats(random, [3, 4])],
      );
    }
  });

  it("regroup space and batch", async () => {
    const random = makeRandom(25);
    await compare(
      "spaceToBatch",
      (x) =>
        tf.spaceToBatchND(
          x,
          [2, 2],
          [
            [0, 0],
            [2, 0],
          ],
        ),
      [floats(random, [2, 4, 2, 3])],
    );
    await compare(
      "batchToSpace",
      (x) =>
        tf.batchToSpaceND(
          x,
          [2, 2],
          [
            [0, 1],
            [1, 0],
          ],
        ),
      [floats(random, [8, 2, 3, 1])],
    );
    await compare("depthToSpace", (x) => tf.depthToSpace(x as never, 2), [floats(random, [2, 2, 3, 8])], {
      gradients: false,
    });
  });

  it("make constants", async () => {
    const random = makeRandom(26);
    const x = floats(random, [4]);
    await compare("range", (y) => tf.mul(y, tf.range(3, 11, 2)), [x]);
    await compare("backwards", (y) => tf.mul(y, tf.range(4, 0, -1)), [x]);
    await compare("linspace", (y) => tf.mul(y, tf.linspace(-1, 1, 4)), [x]);
    await compare("eye", (y) => tf.mul(y, tf.eye(4)), [x]);
    await compare("large uniform", (y) => tf.add(y, tf.fill([50, 4], 0.5)), [x]);
    await compare("empty", (y) => tf.concat([y, tf.zeros([0])]), [x]);
    await compare("diag", (y) => tf.diag(y), [x], { gradients: false });
  });
});
