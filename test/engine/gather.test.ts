/** @file Look-ups and scatters by index equal tfjs's CPU backend, with gradients. */

import { describe, it } from "vitest";
import { ndarray } from "../../src/core/ndarray.ts";
import { tf } from "../../src/engine/jit.ts";
import { compare, floats, makeRandom, wholes } from "./compare.ts";

describe("kernels that look up by index", () => {
  it("gather along any axis, with repeats, gradients included", async () => {
    const random = makeRandom(41);
    for (const axis of [0, 1, -1]) {
      const at = wholes(random, [2, 3], [0, 3]);
      await compare(`axis ${axis}`, (x, i) => tf.gather(x, i, axis), [floats(random, [3, 3, 3]), at]);
    }
    await compare("scalar index", (x, i) => tf.gather(x, i), [
      floats(random, [4, 2]),
      wholes(random, [], [0, 4]),
    ]);
  });

  it("gather within batches", async () => {
    const random = makeRandom(42);
    const x = floats(random, [2, 4, 3]);
    await compare("last of batch", (y, i) => tf.gather(y, i, 1, 1), [x, wholes(random, [2, 3], [0, 4])], {
      gradients: false,
    });
    await compare("deeper axis", (y, i) => tf.gather(y, i, 2, 1), [x, wholes(random, [2, 2], [0, 3])], {
      gradients: false,
    });
  });

  it("gather and scatter by coordinates", async () => {
    const random = makeRandom(43);
    const at = ndarray("int32", [3, 2], Int32Array.of(0, 1, 2, 0, 1, 1));
    await compare("gatherND", (x, i) => tf.gatherND(x, i), [floats(random, [3, 2, 4]), at], {
      gradients: false,
    });
    await compare("scatterND", (u, i) => tf.scatterND(i, u, [3, 2, 4]), [floats(random, [3, 4]), at], {
      gradients: false,
    });
    await compare(
      "update",
      (x, i, u) => tf.tensorScatterUpdate(x, i, u),
      [floats(random, [3, 2]), at, floats(random, [3])],
      { gradients: false },
    );
  });

  it("sum segments, dropping ids out of range", async () => {
    const random = makeRandom(44);
    const x = floats(random, [6, 2]);
    await compare("segments", (y, i) => tf.unsortedSegmentSum(y, i as never, 4), [
      x,
      wholes(random, [6], [0, 4]),
    ]);
    await compare(
      "dropped",
      (y, i) => tf.unsortedSegmentSum(y, i as never, 3),
      [x, wholes(random, [6], [-1, 5])],
      { gradients: false },
    );
  });

  it("spread indices to one-hot, and pick the largest", async () => {
    const random = makeRandom(45);
    await compare("oneHot", (i) => tf.oneHot(i, 4), [wholes(random, [2, 3], [-1, 5])]);
    await compare("oneHot values", (i) => tf.oneHot(i, 3, 2, -1, "float32"), [wholes(random, [4], [0, 3])]);
    await compare("topk", (x) => Object.values(tf.topk(x, 2)), [floats(random, [3, 5])], {
      gradients: false,
    });
    await compare(
      "bincount",
      (x, w) => tf.bincount(x as never, w as never, 4),
      [wholes(random, [6], [0, 4]), floats(random, [6])],
      { gradients: false },
    );
    await compare(
      "searchSorted",
      (s, v) => tf.searchSorted(tf.cumsum(tf.abs(s), 1), v, "right"),
      [floats(random, [2, 4]), floats(random, [2, 3])],
      { gradients: false },
    );
  });
});
