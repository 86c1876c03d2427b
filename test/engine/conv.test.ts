/** @file Convolutions, pooling, resizing and normalisation equal tfjs's CPU backend, with gradients. */

import { describe, it } from "vitest";
import { tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";
import { compare, floats, makeRandom } from "./compare.ts";

type Image = tf.Tensor4D;
type Volume = tf.Tensor5D;

describe("convolutions", () => {
  it("with strides, every padding and dilation, gradients included", async () => {
    const random = makeRandom(51);
    const x = floats(random, [2, 7, 6, 3]);
    for (const [kernel, stride, pad] of [
      [3, 1, "same"],
      [3, 2, "same"],
      [3, 2, "valid"],
      [1, 1, "valid"],
      [2, 2, "valid"],
      [3, 1, 1],
    ] as const) {
      const filter = floats(random, [kernel, kernel, 3, 4]);
      await compare(
        `conv2d ${kernel} ${stride} ${pad}`,
        (a, w) => tf.conv2d(a as Image, w as Image, stride, pad),
        [x, filter],
      );
    }
    const filter = floats(random, [3, 2, 3, 4]);
    await compare(
      "dilated",
      (a, w) => tf.conv2d(a as Image, w as Image, 1, "valid", "NHWC", 2),
      [x, filter],
      { gradients: false },
    );
    await compare(
      "transpose",
      (a, w) => tf.conv2dTranspose(a as Image, w as Image, [2, 8, 8, 2], 2, "same"),
      [floats(random, [2, 4, 4, 3]), floats(random, [3, 3, 2, 3])],
    );
    await compare("conv1d", (a, w) => tf.conv1d(a as tf.Tensor3D, w as tf.Tensor3D, 2, "same"), [
      floats(random, [2, 9, 3]),
      floats(random, [3, 3, 2]),
    ]);
    const fused = (a: Tensor, w: Tensor, bias: Tensor): Tensor =>
      tf.fused.conv2d({
        x: a as Image,
        filter: w as Image,
        strides: 1,
        pad: "same",
        bias,
        activation: "relu",
      });
    await compare("fused", fused, [x, filter, floats(random, [4])]);
  });

  it("one per channel, gradients included", async () => {
    const random = makeRandom(52);
    const x = floats(random, [2, 6, 5, 3]);
    for (const [stride, pad] of [
      [1, "same"],
      [2, "valid"],
      [2, "same"],
    ] as const) {
      const filter = floats(random, [3, 3, 3, 2]);
      await compare(
        `depthwise ${stride} ${pad}`,
        (a, w) => tf.depthwiseConv2d(a as Image, w as Image, stride, pad),
        [x, filter],
      );
    }
  });

  it("in three dimensions, gradients included", async () => {
    const random = makeRandom(53);
    const [x, filter] = [floats(random, [1, 4, 5, 4, 2]), floats(random, [2, 3, 2, 2, 3])];
    for (const pad of ["same", "valid"] as const) {
      await compare(`conv3d ${pad}`, (a, w) => tf.conv3d(a as Volume, w as Volume, 1, pad), [x, filter]);
    }
  });
});

describe("pooling, resizing and normalisation", () => {
  it("pool with overlap and padding, gradients included", async () => {
    const random = makeRandom(54);
    const x = floats(random, [2, 7, 6, 3]);
    for (const [size, stride, pad] of [
      [2, 2, "valid"],
      [3, 2, "same"],
      [3, 1, "valid"],
    ] as const) {
      await compare(`max ${size} ${stride}`, (a) => tf.maxPool(a as Image, size, stride, pad), [x]);
      // tfjs divides the gradient by the full window at padded edges too, although the forward pass does not.
      await compare(`avg ${size} ${stride}`, (a) => tf.avgPool(a as Image, size, stride, pad), [x], {
        gradients: pad === "valid",
      });
    }
    const volume = floats(random, [1, 4, 4, 5, 2]);
    await compare("max 3d", (a) => tf.maxPool3d(a as Volume, 2, 2, "valid"), [volume]);
    await compare("avg 3d", (a) => tf.avgPool3d(a as Volume, 2, 2, "valid"), [volume]);
  });

  it("resize by every convention, gradients included", async () => {
    const random = makeRandom(55);
    // Square and single: tfjs's CPU gradients swap height with width, and mix up batches.
    const x = floats(random, [1, 4, 4, 3]);
    for (const size of [
      [8, 10],
      [3, 2],
      [4, 7],
    ] as [number, number][]) {
      for (const [align, half] of [
        [false, false],
        [true, false],
        [false, true],
      ]) {
        await compare(
          `bilinear ${size.join()} ${align} ${half}`,
          (a) => tf.image.resizeBilinear(a as Image, size, align, half),
          [x],
          { gradients: !half },
        );
        await compare(
          `nearest ${size.join()} ${align} ${half}`,
          (a) => tf.image.resizeNearestNeighbor(a as Image, size, align, half),
          [x],
          { gradients: !half },
        );
      }
    }
  });

  it("normalise over batch and neighbouring channels, gradients included", async () => {
    const random = makeRandom(56);
    const x = floats(random, [2, 3, 3, 6]);
    const norm = (a: Tensor, mean: Tensor, variance: Tensor, offset: Tensor, scale: Tensor): Tensor =>
      tf.batchNorm(a, mean, tf.add(tf.abs(variance), 0.1), offset, scale);
    await compare("batchNorm", norm, [
      x,
      floats(random, [6]),
      floats(random, [6]),
      floats(random, [6]),
      floats(random, [6]),
    ]);
    await compare("lrn", (a) => tf.localResponseNormalization(a as Image, 2, 1, 0.3, 0.7), [x]);
  });
});
