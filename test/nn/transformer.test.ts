/** @file Networks: what attention may see, what the cache must equal, and patches both ways. */

import { describe, expect, it } from "vitest";
import { jit, tf, type Host, type Tensor } from "../../src/engine/jit.ts";
import { zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { frameCausalMask } from "../../src/nn/attention.ts";
import { initBlocks, patchify, transformer, unpatchify, type Blocks } from "../../src/nn/transformer.ts";

const [dim, heads, tokensPerFrame, frames] = [16, 2, 3, 4];
const length = tokensPerFrame * frames;
const blocks = initBlocks(Rng.fromSeed(1), dim, 2) as unknown as Host<Blocks<Tensor>>;

function randomInput(seed: number): NdArray<"float32"> {
  const x = zeros("float32", [1, length, dim]);
  Rng.fromSeed(seed).fillNormal(x.data);
  return x;
}

const dense = jit(({ p, x }: { p: Blocks<Tensor>; x: Tensor }) => {
  const mask = frameCausalMask({ queryFrames: frames, keyFrames: frames, tokensPerFrame });
  return { y: transformer(p, x, { heads, mask }).output };
});

const maxDifference = (a: NdArray, b: NdArray, from = 0, to = a.data.length): number => {
  let most = 0;
  for (let i = from; i < to; i++) most = Math.max(most, Math.abs(Number(a.data[i]) - Number(b.data[i])));
  return most;
};

describe("frame-causal attention", () => {
  it("leaves earlier frames bit-equal when a later frame changes, and changes that frame", async () => {
    const x = randomInput(2);
    const changed = { ...x, data: x.data.slice() };
    changed.data[2 * tokensPerFrame * dim] += 1;
    const [a, b] = [(await dense({ p: blocks, x })).y, (await dense({ p: blocks, x: changed })).y];
    const border = 2 * tokensPerFrame * dim;
    expect(maxDifference(a, b, 0, border)).toBe(0);
    expect(maxDifference(a, b, border, border + tokensPerFrame * dim)).toBeGreaterThan(1e-3);
  });

  it("lets tokens of one frame see each other both ways", async () => {
    const x = randomInput(3);
    const changed = { ...x, data: x.data.slice() };
    changed.data[(tokensPerFrame - 1) * dim] += 1;
    const [a, b] = [(await dense({ p: blocks, x })).y, (await dense({ p: blocks, x: changed })).y];
    expect(maxDifference(a, b, 0, dim)).toBeGreaterThan(1e-4);
  });

  it("gives frame by frame with a cache what the dense pass gives", async () => {
    const stepped = jit(({ p, x }: { p: Blocks<Tensor>; x: Tensor }) => {
      const first = transformer(p, tf.slice(x, [0, 0, 0], [1, length - tokensPerFrame, dim]), {
        heads,
        mask: frameCausalMask({ queryFrames: frames - 1, keyFrames: frames - 1, tokensPerFrame }),
      });
      const last = tf.slice(x, [0, length - tokensPerFrame, 0], [1, tokensPerFrame, dim]);
      const mask = frameCausalMask({ queryFrames: 1, keyFrames: frames, tokensPerFrame });
      return { y: transformer(p, last, { heads, mask, caches: first.caches }).output };
    });
    const x = randomInput(4);
    const whole = (await dense({ p: blocks, x })).y;
    const tail = { ...whole, data: whole.data.slice((length - tokensPerFrame) * dim) as Float32Array };
    expect(maxDifference(tail, (await stepped({ p: blocks, x })).y)).toBeLessThan(1e-5);
  });
});

describe("patches", () => {
  it("come back as the image they were cut from, row by row", async () => {
    const roundTrip = jit(({ images }: { images: Tensor }) => {
      const patches = patchify(images, 4);
      return { patches, images: unpatchify(patches, 4, [8, 12]) };
    });
    const images = zeros("float32", [2, 8, 12, 3]);
    images.data.forEach((_, i) => (images.data[i] = i));
    const out = await roundTrip({ images });
    expect(out.images.data).toEqual(images.data);
    expect(out.patches.shape).toEqual([2, 6, 48]);
    expect(out.patches.data[48]).toBe(4 * 3);
  });
});
