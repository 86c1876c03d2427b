/** @file The engine by itself: a training step compiled once, and any function as a standard .onnx file. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { float32, jit, Rng, scalar, tf } from "../src/index.ts";
import type { NdArray, Tensor } from "../src/index.ts";

interface Net<T> {
  readonly w1: T;
  readonly w2: T;
}

/** A perceptron with one hidden layer; ordinary tfjs. */
function predict({ w1, w2 }: Net<Tensor>, x: Tensor): Tensor {
  return tf.matMul(tf.tanh(tf.matMul(x, w1)), w2);
}

/** Forward, backward and update are one graph: one call of ONNX Runtime per step. */
const step = jit(
  ({ net, x, y, rate }: { net: Net<Tensor>; x: Tensor; y: Tensor; rate: Tensor }) => {
    const loss = (w1: Tensor, w2: Tensor) => tf.mean(tf.squaredDifference(predict({ w1, w2 }, x), y));
    const { value, grads } = tf.valueAndGrads(loss)([net.w1, net.w2]);
    const [w1, w2] = grads.map((grad, i) => tf.sub([net.w1, net.w2][i], tf.mul(grad, rate)));
    return { net: { w1, w2 }, loss: value };
  },
  { name: "step", donate: ["net"] },
);

/** The trained function alone: what is exported. */
const infer = jit(({ net, x }: { net: Net<Tensor>; x: Tensor }) => ({ y: predict(net, x) }), {
  name: "infer",
});

/** Fit y = sin(3 x0) + x1; gives back the losses and the weights. */
export async function fit(steps = 2000): Promise<{ first: number; last: number; net: Net<NdArray> }> {
  const rng = Rng.fromSeed(0);
  const points = rng.uniform(-1, 1, [256, 2]).data;
  const x = float32(points, [256, 2]);
  const y = float32(
    Array.from({ length: 256 }, (_, i) => Math.sin(3 * points[2 * i]) + points[2 * i + 1]),
    [256, 1],
  );
  let net: Net<NdArray> = {
    w1: float32(rng.normal(0, 1, [2, 32]).data, [2, 32]),
    w2: float32(rng.normal(0, 0.2, [32, 1]).data, [32, 1]),
  };
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const out = await step({ net, x, y, rate: scalar(0.1) });
    net = out.net;
    losses.push(Number(out.loss.data[0]));
  }
  return { first: losses[0], last: losses[steps - 1], net };
}

/** Write `infer` for batches of `rows` as .onnx: inputs i0 (w1), i1 (w2), i2 (x), output o0. */
export async function exportTo(file: string, net: Net<NdArray>, rows = 4): Promise<Uint8Array> {
  const x = float32(new Float32Array(2 * rows), [rows, 2]);
  const bytes = await infer.exportOnnx({ net, x });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
  return bytes;
}

/** The exported function, run here. */
export async function run(net: Net<NdArray>, x: NdArray): Promise<readonly number[]> {
  return Array.from((await infer({ net, x })).y.data, Number);
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { first, last, net } = await fit();
  console.log(`loss ${first.toFixed(3)} -> ${last.toFixed(3)}`);
  const file = process.argv[2] ?? "runs/examples/infer.onnx";
  console.log(`${(await exportTo(file, net)).length} bytes in ${file}`);
  console.log("f(0.5, 0.5) =", (await run(net, float32([0.5, 0.5], [1, 2])))[0].toFixed(2), "of 1.50");
}
