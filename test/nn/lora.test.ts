/** @file Low-rank adapters: nothing at first, the same beside the weights and merged into them, and only where they are aimed. */

import { describe, expect, it } from "vitest";
import { jit, type Tensor } from "../../src/engine/jit.ts";
import { zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { initMlp, mlp, type Mlp } from "../../src/nn/layers.ts";
import { initLora, mergeLora, withLora, type LoraAdapter } from "../../src/nn/lora.ts";
import { initBlocks, transformer, type Blocks } from "../../src/nn/transformer.ts";

interface Net<T> {
  readonly blocks: Blocks<T>;
  readonly heads: readonly Mlp<T>[];
}

const config = { rank: 3, alpha: 6 };
const net: Net<NdArray> = {
  blocks: initBlocks(Rng.fromSeed(1), 16, 2),
  heads: [initMlp(Rng.fromSeed(2), [16, 8, 2])],
};
const x = zeros("float32", [2, 5, 16]);
Rng.fromSeed(3).fillNormal(x.data);

const forward = (p: Net<Tensor>, input: Tensor): Tensor =>
  mlp(p.heads[0], transformer(p.blocks, input, { heads: 2 }).output);

const plain = jit(({ p, input }: { p: Net<Tensor>; input: Tensor }) => forward(p, input), { name: "plain" });
const beside = jit(
  ({ p, a, input }: { p: Net<Tensor>; a: LoraAdapter<Tensor>; input: Tensor }) =>
    forward(withLora(p, a, config), input),
  { name: "beside" },
);

const outputOf = async (work: Promise<NdArray>): Promise<Float32Array> =>
  Float32Array.from((await work).data as Float32Array);

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

/** An adapter that has learned something. */
function loud(adapter: LoraAdapter<NdArray>): LoraAdapter<NdArray> {
  const rng = Rng.fromSeed(5);
  for (const { up } of Object.values(adapter))
    (up as NdArray<"float32">).data.forEach((_, i) => (up.data[i] = 0.3 * rng.normal()));
  return adapter;
}

describe("a low-rank adapter", () => {
  it("changes nothing before it has learned", async () => {
    const a = initLora(Rng.fromSeed(4), net, config);
    const before = await outputOf(plain({ p: net, input: x }));
    const after = await outputOf(beside({ p: net, a, input: x }));
    expect(after).toEqual(before);
  });

  it("gives merged into the weights what it gives beside them, to 1e-5, and leaves the weights alone", async () => {
    const a = loud(initLora(Rng.fromSeed(4), net, config));
    const copy = structuredClone(net);
    const merged = mergeLora(net, a, config);
    const unmerged = await outputOf(beside({ p: net, a, input: x }));
    const together = await outputOf(plain({ p: merged, input: x }));
    const before = await outputOf(plain({ p: net, input: x }));
    expect(largestDifference(unmerged, before)).toBeGreaterThan(0.1);
    expect(largestDifference(unmerged, together)).toBeLessThan(1e-5);
    expect(net).toEqual(copy);
  });

  it("sits beside every layer, with the layer's smaller side as its highest rank", () => {
    const a = initLora(Rng.fromSeed(4), net, { rank: 4, alpha: 4 });
    expect(Object.keys(a)).toContain("blocks.block1.attention.qkv");
    expect(Object.keys(a)).toHaveLength(2 * 4 + 2);
    expect(a["heads.0.layer1"].down.shape).toEqual([8, 2]);
    expect(a["heads.0.layer1"].up.shape).toEqual([2, 2]);
    expect(a["blocks.block0.up"].up.shape).toEqual([4, 64]);
  });

  it("can be aimed at some layers, and says which there are when it hits none", () => {
    const a = initLora(Rng.fromSeed(4), net, { ...config, targets: ["attention"] });
    expect(Object.keys(a)).toHaveLength(4);
    expect(() => initLora(Rng.fromSeed(4), net, { ...config, targets: ["q_proj"] })).toThrow(
      /attention\.qkv/,
    );
    expect(() => initLora(Rng.fromSeed(4), net, { rank: 0, alpha: 1 })).toThrow(/INVALID_ARGUMENT/);
  });
});
