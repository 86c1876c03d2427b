/** @file Exported graphs are standard ONNX: accepted by onnx's own checker, and small. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { float32, ndarray } from "../../src/core/ndarray.ts";
import { jit, tf, toUint8 } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";
import { gelu, layerNorm, rmsNorm } from "../../src/engine/ops.ts";
import { openSession } from "../../src/engine/session.ts";
import { describeNeeding, pythonWith } from "../needing.ts";

const need = pythonWith("onnx");
const folder = mkdtempSync(join(tmpdir(), "reverie-onnx-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A little of every family, gradients included. */
function sampler({ x, w, gain, image }: { x: Tensor; w: Tensor; gain: Tensor; image: Tensor }) {
  const loss = (...[v, g]: Tensor[]): Tensor => {
    const h = gelu(layerNorm(tf.matMul(x, v), rmsNorm(g, g), tf.neg(g)));
    const kept = tf.where(tf.greater(h, 0.1), tf.softmax(h), tf.cumsum(tf.log1p(tf.abs(h)), 1));
    return tf.mean(
      tf.concat(
        [
          tf.reverse(kept, 1),
          tf.mirrorPad(
            kept,
            [
              [0, 0],
              [1, 1],
            ],
            "reflect",
          ),
        ],
        1,
      ),
    );
  };
  const pixels = tf.cast(image, "float32") as tf.Tensor4D;
  const filter = tf.reshape(tf.linspace(0, 1, 27), [3, 3, 3, 1]) as tf.Tensor4D;
  const blur = (a: Tensor): Tensor =>
    tf.sum(tf.maxPool(tf.conv2d(a as tf.Tensor4D, filter, 1, "same"), 2, 2, "valid"));
  return {
    gradients: tf.grads(loss)([w, gain]),
    bytes: toUint8(tf.image.resizeBilinear(pixels, [3, 5])),
    blur: tf.grad(blur)(pixels),
    best: tf.topk(tf.gather(x, tf.argMax(x, 0)), 2),
    counts: tf.oneHot(tf.cast(tf.floor(x), "int32"), 4),
    large: tf.add(x, tf.fill([512, 4, 3], 0.25)),
  };
}

const example = {
  x: float32([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [4, 3]),
  w: float32([1, -1, 2, 0.5, 0.3, 0.1], [3, 2]),
  gain: float32([1, 0.5]),
  image: ndarray(
    "uint8",
    [1, 6, 4, 3],
    Uint8Array.from({ length: 72 }, (_, i) => i * 3),
  ),
};

describe("an exported graph", () => {
  it("runs as it stands, and computes what the compiled one computes", async () => {
    const f = jit(sampler);
    const wanted = await f(example);
    const session = await openSession(await f.exportOnnx(example), "cpu");
    const got = { ...wanted.gradients[0], data: new Float32Array(6) };
    const inputs = [example.gain, example.image, example.w, example.x];
    const form = [wanted.best.indices, wanted.best.values, wanted.blur, wanted.bytes, wanted.counts];
    await session.run(inputs, [...form, got, wanted.gradients[1], wanted.large]);
    got.data.forEach((value, i) => expect(value).toBeCloseTo(Number(wanted.gradients[0].data[i]), 5));
    await session.close();
  });

  it("holds no large constants that are uniform", async () => {
    expect((await jit(sampler).exportOnnx(example)).length).toBeLessThan(20_000);
  });
});

describeNeeding(need, "onnx's checker", () => {
  it("accepts the graph, its types and its operators", async () => {
    const file = join(folder, "sampler.onnx");
    writeFileSync(file, await jit(sampler).exportOnnx(example));
    const script =
      "import onnx, sys; m = onnx.load(sys.argv[1]); onnx.checker.check_model(m, full_check=True); " +
      "print(sorted({n.domain for n in m.graph.node}), len(m.graph.node) > 50)";
    expect(execFileSync(need.program, ["-c", script, file], { encoding: "utf8" }).trim()).toBe("[''] True");
  });
});
