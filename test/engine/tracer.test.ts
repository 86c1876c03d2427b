/** @file What the tracer refuses, and how it says so; and that it leaves nothing behind. */

import "@tensorflow/tfjs-backend-cpu";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { ReverieError } from "../../src/core/errors.ts";
import { float32, ndarray, scalar } from "../../src/core/ndarray.ts";
import { jit, tf } from "../../src/engine/jit.ts";
import type { Tensor } from "../../src/engine/jit.ts";

async function errorOf(fn: (x: Tensor) => Tensor): Promise<ReverieError> {
  const caught: unknown = await jit(fn)(float32([1, 2])).catch((error: unknown) => error);
  expect(caught).toBeInstanceOf(ReverieError);
  return caught as ReverieError;
}

describe("the tracer", () => {
  it("names an unsupported kernel and the caller's line", async () => {
    const error = await errorOf((x) => tf.real(tf.fft(tf.complex(x, x))));
    expect(error.code).toBe("UNSUPPORTED_KERNEL");
    expect(error.message).toContain('"Complex"');
    expect(error.message).toMatch(/tracer\.test\.ts:\d+/);
  });

  it.each([
    ["randomUniform", (x: Tensor) => tf.add(x, tf.randomUniform([2]))],
    ["randomNormal", (x: Tensor) => tf.add(x, tf.randomNormal([2], 0, 1, "float32", 3))],
    ["truncatedNormal", (x: Tensor) => tf.add(x, tf.truncatedNormal([2]))],
    ["dropout", (x: Tensor) => tf.dropout(x, 0.5, undefined, 7)],
    ["multinomial", (x: Tensor) => tf.multinomial(x as tf.Tensor1D, 3)],
    ["Math.random", (x: Tensor) => tf.add(x, Math.random())],
  ])("refuses %s and says to pass noise as an argument", async (name, fn) => {
    const error = await errorOf(fn);
    expect(error.code).toBe("RANDOM_IN_TRACE");
    expect(error.message).toContain(name);
    expect(error.message).toContain("pass it as an argument");
    expect(error.message).toMatch(/tracer\.test\.ts:\d+/);
  });

  it("gives Math.random back afterwards, after a failure too", async () => {
    await errorOf((x) => tf.add(x, Math.random()));
    expect(Math.random()).toBeLessThan(1);
  });

  it("refuses to read values that do not exist yet", async () => {
    const error = await errorOf((x) => (x.dataSync()[0] > 0 ? x : tf.neg(x)));
    expect(error.code).toBe("NOT_SUPPORTED");
    expect(error.message).toContain("tf.where");
    expect(error.message).toMatch(/tracer\.test\.ts:\d+/);
  });

  it("refuses functions that return promises or plain numbers", async () => {
    expect((await errorOf((async (x: Tensor) => x) as never)).message).toContain("Promise");
    expect((await errorOf((() => 3) as never)).message).toContain("number");
  });

  it("refuses arguments that are no arrays, naming their path", async () => {
    const f = jit(({ x }: { x: { y: Tensor } }) => x.y);
    await expect(f({ x: { y: 3 as never } })).rejects.toThrow(/"x\.y" is none[\s\S]*got: number/);
  });

  it("takes tensors made outside on another backend as constants, and leaves them usable", async () => {
    void tf.setBackend("cpu");
    const outside = tf.tensor1d([10, 20]);
    const out = await jit((x: Tensor) => tf.add(x, outside))(float32([1, 2]));
    expect([...out.data]).toEqual([11, 22]);
    expect([...outside.dataSync()]).toEqual([10, 20]);
    outside.dispose();
  });

  it("refuses a tensor that escaped from another trace", async () => {
    let escaped: Tensor | undefined;
    await jit((x: Tensor) => (escaped = tf.neg(x)))(float32([1, 2]));
    const error = await errorOf((x) => tf.add(x, escaped as Tensor));
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toContain("another trace");
  });

  it("leaves tfjs's backend as it was, after a failure too", async () => {
    void tf.setBackend("cpu");
    await jit((x: Tensor) => tf.neg(x))(float32([1]));
    expect(tf.getBackend()).toBe("cpu");
    await errorOf((x) => tf.real(tf.fft(tf.complex(x, x))));
    expect(tf.getBackend()).toBe("cpu");
    expect(tf.tidy(() => tf.add(tf.tensor1d([1]), 1).dataSync()[0])).toBe(2);
  });

  it("leaves no tensors behind, however many functions are traced", async () => {
    void tf.setBackend("cpu");
    const once = async (): Promise<void> => {
      const f = jit(({ x, w }: { x: Tensor; w: Tensor }) => {
        const loss = (v: Tensor): Tensor => tf.sum(tf.square(tf.tanh(tf.mul(v, x))));
        return { slope: tf.grad(loss)(w), curve: tf.grad((v) => tf.sum(tf.grad(loss)(v)))(w) };
      });
      await f({ x: float32([1, 2]), w: float32([3, 4]) });
      await f.dispose();
    };
    await once();
    const before = tf.memory();
    for (let i = 0; i < 20; i++) await once();
    const after = tf.memory();
    expect([after.numTensors, after.numDataBuffers, after.numBytes]).toEqual([
      before.numTensors,
      before.numDataBuffers,
      before.numBytes,
    ]);
  });
});

describe("memory", () => {
  it("of a trace is free once it has been compiled", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const traced: WeakRef<object>[] = [];
    const f = jit(({ x }: { x: Tensor }) => {
      const y = tf.add(tf.square(x), tf.linspace(0, 1, x.size));
      traced.push(new WeakRef(y), new WeakRef(y.dataId));
      return y;
    });
    for (let size = 1; size <= 8; size++) await f({ x: float32(new Array(size).fill(1)) });
    await new Promise((resolve) => setTimeout(resolve, 0));
    collect();
    expect(traced.filter((ref) => ref.deref() !== undefined).length).toBeLessThanOrEqual(2);
  });
});

describe("a jitted function", () => {
  it("never writes the caller's arrays, and reuses two of its own for donated state", async () => {
    const f = jit(
      ({ state, by }: { state: { w: Tensor }; by: Tensor }) => ({ state: { w: tf.add(state.w, by) }, by }),
      { donate: ["state"] },
    );
    const first = { w: float32([1, 2]) };
    const a = (await f({ state: first, by: scalar(1) })).state;
    const b = (await f({ state: a, by: scalar(1) })).state;
    expect([...first.w.data, ...a.w.data, ...b.w.data]).toEqual([1, 2, 2, 3, 3, 4]);
    const c = (await f({ state: b, by: scalar(1) })).state;
    expect(c.w.data).toBe(a.w.data);
    expect([...first.w.data, ...c.w.data]).toEqual([1, 2, 4, 5]);
  });

  it("keeps several donated states apart", async () => {
    const f = jit(({ state }: { state: Tensor }) => ({ state: tf.mul(state, 2) }), { donate: ["state"] });
    let states = [1, 10, 100].map((x) => float32([x]) as never);
    for (let i = 0; i < 5; i++)
      states = (await Promise.all(states.map((state) => f({ state })))).map((out) => out.state as never);
    expect(states.map((state: { data: Float32Array }) => state.data[0])).toEqual([32, 320, 3200]);
  });

  it("returns fresh arrays where nothing is donated", async () => {
    const f = jit((x: Tensor) => tf.add(x, 1));
    const x = float32([1]);
    const [a, b] = await Promise.all([f(x), f(x)]);
    expect(a.data).not.toBe(b.data);
  });

  it("runs calls in flight in the order in which they were made", async () => {
    const f = jit(({ x }: { x: Tensor }) => ({ x: tf.add(x, 1) }), { donate: ["x"] });
    const order: number[] = [];
    await Promise.all(
      [1, 2, 3].map(async (n) => order.push(((await f({ x: scalar(n) })).x.data[0] as number) - 1)),
    );
    expect(order).toEqual([1, 2, 3]);
  });

  it("keeps the order of keys, passes over undefined, and takes every dtype that feeds", async () => {
    const f = jit((input: { z: Tensor; a?: Tensor; list: readonly Tensor[] }) => ({
      z: input.z,
      b: [...input.list],
      none: undefined,
    }));
    const out = await f({
      z: scalar(1),
      list: [ndarray("int64", [2], BigInt64Array.of(-3n, 4n)), ndarray("float64", [1], Float64Array.of(0.5))],
    });
    expect(Object.keys(out)).toEqual(["z", "b", "none"]);
    expect(out.b.map((x) => [x.dtype, ...x.data])).toEqual([
      ["int32", -3, 4],
      ["float32", 0.5],
    ]);
  });

  it("returns an input, a constant, and one value twice", async () => {
    const f = jit((x: Tensor) => {
      const y = tf.neg(x);
      return [x, tf.ones([3]), y, y];
    });
    const out = await f(float32([5]));
    expect(out.map((array) => [...array.data])).toEqual([[5], [1, 1, 1], [-5], [-5]]);
  });

  it("is refused after dispose", async () => {
    const f = jit((x: Tensor) => tf.neg(x), { name: "negate" });
    await f(float32([1]));
    await f.dispose();
    await expect(f(float32([1]))).rejects.toThrow(/"negate" is called after dispose/);
  });

  it("can be called again after a failed trace", async () => {
    let broken = true;
    const f = jit((x: Tensor) => (broken ? tf.real(tf.fft(tf.complex(x, x))) : tf.neg(x)));
    await expect(f(float32([1]))).rejects.toThrow("UNSUPPORTED_KERNEL");
    broken = false;
    expect((await f(float32([1]))).data[0]).toBe(-1);
  });
});
