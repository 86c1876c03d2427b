/** @file Run by devices.test.ts in a process of its own: a small training step on two devices; prints both losses as JSON. */

import { float32 } from "../../src/core/ndarray.ts";
import { jit, tf } from "../../src/engine/jit.ts";
import type { Device, Tensor } from "../../src/engine/jit.ts";
import { gelu, rmsNorm } from "../../src/engine/ops.ts";

type Params = { readonly gain: Tensor; readonly up: Tensor; readonly down: Tensor };

/** A residual block fitted by gradient descent with momentum. */
function step({ params, velocity, x, y }: { params: Params; velocity: Params; x: Tensor; y: Tensor }) {
  const names = ["gain", "up", "down"] as const;
  const loss = (...[gain, up, down]: Tensor[]): tf.Scalar => {
    const hidden = gelu(tf.matMul(rmsNorm(x, gain), up));
    return tf.mean(tf.squaredDifference(tf.add(x, tf.matMul(hidden, down)), y));
  };
  const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => params[name]));
  const moved = grads.map((grad, i) => tf.add(tf.mul(velocity[names[i]], 0.9), grad));
  const tree = (list: readonly Tensor[]): Params => ({ gain: list[0], up: list[1], down: list[2] });
  return {
    params: tree(names.map((name, i) => tf.sub(params[name], tf.mul(moved[i], 0.1)))),
    velocity: tree(moved),
    loss: value,
  };
}

const wave = (shape: [number, number], scale: number) =>
  float32(
    Array.from({ length: shape[0] * shape[1] }, (_, i) => scale * Math.sin(1.7 * i + scale)),
    shape,
  );

async function losses(device: Device): Promise<number[]> {
  const train = jit(step, { device, donate: ["params", "velocity"] });
  const zero = { gain: float32(new Array(8).fill(0)), up: wave([8, 16], 0), down: wave([16, 8], 0) };
  let state = {
    params: { gain: float32(new Array(8).fill(1)), up: wave([8, 16], 0.4), down: wave([16, 8], 0.3) },
    velocity: zero,
  } as never as Pick<Awaited<ReturnType<typeof train>>, "params" | "velocity">;
  const out: number[] = [];
  for (let i = 0; i < 3; i++) {
    const result = await train({ ...state, x: wave([4, 8], 1), y: wave([4, 8], 0.8) });
    out.push(result.loss.data[0] as number);
    state = result;
  }
  await train.dispose();
  return out;
}

const [first, second] = process.argv.slice(2) as Device[];
process.stdout.write(JSON.stringify([await losses(first), await losses(second)]));
// Dawn's threads keep the process alive.
process.exit(0);
