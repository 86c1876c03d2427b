/** @file The decoder: rotary positions are relative, attention is causal, and cached positions are those of the whole pass. */

import { describe, expect, it } from "vitest";
import { jit, tf, type Host, type Tensor } from "../../src/engine/jit.ts";
import { zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import {
  decodeNext,
  decodeSequence,
  initDecoder,
  type DecoderBlocks,
  type DecoderCaches,
} from "../../src/nn/decoder.ts";
import { rotaryTable, rotate, type Place } from "../../src/nn/rotary.ts";

const [dim, heads, length] = [16, 2, 12];
const places = Array.from({ length }, (_, i): Place => [Math.floor(i / 4), Math.floor(i / 2) % 2, i % 2]);
const blocks = initDecoder(Rng.fromSeed(1), { dim, heads, count: 2 }) as unknown as Host<
  DecoderBlocks<Tensor>
>;

function randomInput(seed: number, shape: readonly number[]): NdArray<"float32"> {
  const x = zeros("float32", shape);
  Rng.fromSeed(seed).fillNormal(x.data);
  return x;
}

const whole = jit(({ p, x }: { p: DecoderBlocks<Tensor>; x: Tensor }) =>
  decodeSequence(p, x, { heads, rotary: rotaryTable(places, dim / heads) }),
);

function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

/** Positions [from, to) of a cache [B, heads, L, size], in an array of `room` positions. */
function part(x: NdArray<"float32">, from: number, to: number, room: number): NdArray<"float32"> {
  const [batch, count, all, size] = x.shape;
  const out = zeros("float32", [batch, count, room, size]);
  for (let r = 0; r < batch * count; r++) {
    const at = r * all * size;
    out.data.set(x.data.subarray(at + from * size, at + to * size), r * room * size);
  }
  // What is not filled must not be seen.
  for (let r = 0; r < batch * count; r++)
    out.data.fill(99, (r * room + to - from) * size, (r + 1) * room * size);
  return out;
}

describe("the decoder", () => {
  it("gives positions after a context and a half-filled cache what the whole pass gives, to 1e-5", async () => {
    const x = randomInput(2, [2, length, dim]);
    const { output, caches } = (await whole({ p: blocks, x })) as {
      output: NdArray;
      caches: DecoderCaches<NdArray<"float32">>;
    };
    const cached = (from: number, to: number, room: number) =>
      Object.fromEntries(
        Object.entries(caches).map(([name, { keys, values }]) => [
          name,
          { keys: part(keys, from, to, room), values: part(values, from, to, room) },
        ]),
      );
    type In = {
      p: DecoderBlocks<Tensor>;
      x: Tensor;
      context: DecoderCaches<Tensor>;
      recent: DecoderCaches<Tensor>;
    };
    const next = jit(({ p, x: own, context, recent }: In) => {
      const recentMask = tf.tensor4d([0, 0, 0, -1e9, -1e9], [1, 1, 1, 5]);
      const rotary = rotaryTable(places.slice(8, 10), dim / heads);
      return { y: decodeNext(p, own, { heads, rotary, past: { context, recent, recentMask } }).output };
    });
    const own = zeros("float32", [2, 2, dim]);
    const expected = zeros("float32", [2, 2, dim]);
    [0, 1].forEach((b) => {
      own.data.set(x.data.subarray((b * length + 8) * dim, (b * length + 10) * dim), b * 2 * dim);
      const from = (b * length + 8) * dim;
      expected.data.set((output.data as Float32Array).subarray(from, from + 2 * dim), b * 2 * dim);
    });
    const { y } = await next({
      p: blocks,
      x: own,
      context: cached(0, 5, 5),
      recent: cached(5, 8, 5),
    });
    expect(farthest(y.data as Float32Array, expected.data)).toBeLessThan(1e-5);
  });

  it("leaves earlier positions bit-equal when a later one changes, and changes that one", async () => {
    const x = randomInput(3, [1, length, dim]);
    const changed = { ...x, data: x.data.slice() };
    changed.data[7 * dim] += 1;
    const [a, b] = [(await whole({ p: blocks, x })).output, (await whole({ p: blocks, x: changed })).output];
    expect(a.data.slice(0, 7 * dim)).toEqual(b.data.slice(0, 7 * dim));
    expect(
      farthest(
        a.data.slice(7 * dim, 8 * dim) as Float32Array,
        b.data.slice(7 * dim, 8 * dim) as Float32Array,
      ),
    ).toBeGreaterThan(1e-3);
  });
});

describe("rotary positions", () => {
  const products = (shift: Place) =>
    jit(({ q, k }: { q: Tensor; k: Tensor }) => {
      const moved = places.map((place): Place => [
        place[0] + shift[0],
        place[1] + shift[1],
        place[2] + shift[2],
      ]);
      const table = rotaryTable(moved, 16);
      return { scores: tf.matMul(rotate(q, table), rotate(k, table), false, true) };
    });
  const [q, k] = [randomInput(4, [1, 1, length, 16]), randomInput(5, [1, 1, length, 16])];
  const scoresAt = async (shift: Place): Promise<Float32Array> =>
    (await products(shift)({ q, k })).scores.data as Float32Array;

  it("enter products only by their differences, in time, rows and columns", async () => {
    const still = await scoresAt([0, 0, 0]);
    for (const shift of [
      [5, 0, 0],
      [0, 3, 0],
      [0, 0, 2],
    ] as const)
      expect(farthest(await scoresAt(shift), still)).toBeLessThan(1e-4);
  });

  it("tell every dimension apart, and keep lengths", async () => {
    const turned = jit(({ x }: { x: Tensor }) => {
      const at = ([time, row, column]: Place) =>
        rotate(x, rotaryTable(new Array<Place>(length).fill([time, row, column]), 16));
      return { time: at([1, 0, 0]), row: at([0, 1, 0]), column: at([0, 0, 1]), none: at([0, 0, 0]) };
    });
    const out = await turned({ x: q });
    const norm = (x: NdArray): number => Math.hypot(...(x.data as Float32Array).slice(0, 16));
    expect(out.none.data).toEqual(q.data);
    const [a, b, c] = [out.time, out.row, out.column].map((x) => x.data as Float32Array);
    for (const [x, y] of [
      [a, b],
      [b, c],
      [a, c],
    ])
      expect(farthest(x, y)).toBeGreaterThan(0.1);
    expect(norm(out.time)).toBeCloseTo(norm(q), 4);
  });

  it("refuse a head that they do not fit", async () => {
    await expect((async () => jit(() => rotaryTable(places, 5))({}))()).rejects.toThrow(
      /INVALID_ARGUMENT.*head/,
    );
  });
});
