/** @file Laws of clip tokenizers: wavelet patches, the lattice, the frame law, causality, windows, and the checkpoint. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { jit, tf, type Tensor } from "../../src/engine/jit.ts";
import { float32, ndarray, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { saveCheckpoint } from "../../src/nn/checkpoint.ts";
import { latentFrames, videoFrames } from "../../src/tokenizer/frame-law.ts";
import { codebookUse, codesToIds, cosmosLevels, idsToCodes, quantize } from "../../src/tokenizer/fsq.ts";
import { groupFrames, haarPatch, haarUnpatch, ungroupFrames } from "../../src/tokenizer/haar.ts";
import type { DiscreteVideoTokenizer } from "../../src/tokenizer/tokenizer.ts";
import {
  loadDiscreteTokenizer,
  loadVideoTokenizer,
  makeVideoTokenizer,
  plainNormalizer,
  saveVideoTokenizer,
} from "../../src/tokenizer/video.ts";
import { initVideoTokenizer, type VideoTokenizerConfig } from "../../src/tokenizer/video-network.ts";

const size = 16;
const configOf = (over: Partial<VideoTokenizerConfig> = {}): VideoTokenizerConfig => ({
  size,
  spatial: 8,
  temporal: 4,
  dim: 16,
  heads: 2,
  encoderBlocks: 2,
  decoderBlocks: 2,
  history: 1,
  latent: { kind: "continuous", channels: 4, noise: 0.1 },
  ...over,
});

const discrete = { kind: "discrete", levels: cosmosLevels } as const;

function made(config: VideoTokenizerConfig) {
  const params = initVideoTokenizer(Rng.fromSeed(1), config);
  return makeVideoTokenizer({ config, params, normalizer: plainNormalizer(config), hash: "h" });
}

/** Random clips uint8 [batch, time, 16, 16, 3]. */
function clipsOf(batch: number, time: number, seed = 3): NdArray<"uint8"> {
  const rng = Rng.fromSeed(seed);
  const clips = zeros("uint8", [batch, time, size, size, 3]);
  clips.data.forEach((_, i) => (clips.data[i] = Math.floor(rng.random() * 256)));
  return clips;
}

const perFrame = size * size * 3;

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

describe("Haar patches", () => {
  const roundTrip = (temporal: number, spatial: number) =>
    jit(({ x }: { x: Tensor }) => {
      const coefficients = haarPatch(tf.cast(x, "float32"), { temporal, spatial });
      return { coefficients, x: haarUnpatch(coefficients, { temporal, spatial }, [size, size]) };
    });

  it.each([
    [1, 8],
    [4, 8],
    [8, 8],
    [4, 16],
  ])("of %i frames and %i pixels come back to the bit", async (temporal, spatial) => {
    const clips = clipsOf(2, 1 + 2 * temporal);
    const groups = groupFrames(clips, temporal);
    const out = await roundTrip(temporal, spatial)({ x: groups });
    expect(out.coefficients.shape).toEqual([2, 3, (size / spatial) ** 2, 3 * spatial ** 2 * temporal]);
    const back = ndarray("uint8", groups.shape, Uint8Array.from(out.x.data as Float32Array));
    expect(largestDifference(out.x.data as Float32Array, back.data)).toBe(0);
    expect(ungroupFrames(back, temporal)).toEqual(clips);
  });

  it("hold means and half differences: a frame that changes only in time has nothing but time's bands", async () => {
    const x = zeros("uint8", [1, 4, size, size, 3]);
    [8, 4, 8, 4].forEach((value, t) => x.data.fill(value, t * perFrame, (t + 1) * perFrame));
    const { coefficients } = await roundTrip(4, 8)({ x });
    const first = Array.from(coefficients.data.slice(0, 12), Number);
    expect(first).toEqual([6, 2, 0, 0, 6, 2, 0, 0, 6, 2, 0, 0]);
    expect(Math.max(...Array.from(coefficients.data.slice(12, 768), Number))).toBe(0);
  });
});

describe("the lattice", () => {
  it("has 64,000 codes under Cosmos' levels, and each id comes back from its code", () => {
    const ids = ndarray(
      "int32",
      [64_000],
      Int32Array.from({ length: 64_000 }, (_, i) => i),
    );
    const codes = idsToCodes(ids, cosmosLevels);
    expect(codes.shape).toEqual([64_000, 6]);
    expect(codesToIds(codes, cosmosLevels).data).toEqual(ids.data);
  });

  it("is what quantizing gives: whole steps, all of them reached, and no change when quantized values are decoded", async () => {
    const levels = [8, 5];
    const run = jit(({ z }: { z: Tensor }) => ({ codes: quantize(z, levels) }));
    const z = zeros("float32", [400, 2]);
    z.data.forEach((_, i) => (z.data[i] = (i - 400) / 60));
    const codes = (await run({ z })).codes as NdArray<"float32">;
    const ids = codesToIds(codes, levels);
    expect(largestDifference(idsToCodes(ids, levels).data, codes.data)).toBeLessThan(1e-6);
    expect(new Set([...ids.data].map((id) => id % 8)).size).toBe(8);
    expect(new Set([...ids.data].map((id) => Math.floor(id / 8))).size).toBe(5);
  });

  it("passes gradients straight through: that of the bounding alone, by finite differences", async () => {
    const levels = [8, 5];
    const bounded = (z: Tensor): Tensor => {
      const exact = quantize(z, levels);
      return tf.sum(tf.mul(exact, tf.tensor2d([[0.7, -1.3]])));
    };
    const slope = jit(({ z }: { z: Tensor }) => ({ dz: tf.grad(bounded)(z) }));
    const z = float32([0.3, -0.4], [1, 2]);
    const { dz } = await slope({ z });
    const half = [3.5 * 1.001, 2 * 1.001];
    const widths = [4, 2];
    const weight = [0.7, -1.3];
    const soft = (i: number, at: number): number =>
      (weight[i] * Math.tanh(at + Math.atanh((i === 0 ? 0.5 : 0) / half[i])) * half[i]) / widths[i];
    [0, 1].forEach((i) => {
      const numeric = (soft(i, z.data[i] + 1e-4) - soft(i, z.data[i] - 1e-4)) / 2e-4;
      expect(dz.data[i]).toBeCloseTo(numeric, 4);
    });
  });

  it("tells an id outside of it, and levels that are none", () => {
    expect(() => idsToCodes(ndarray("int32", [1], new Int32Array([64_000])), cosmosLevels)).toThrow(
      /INVALID_ARGUMENT.*no such token/,
    );
    expect(() => made(configOf({ latent: { kind: "discrete", levels: [8, 1] } }))).toThrow(/levels/);
  });

  it("reports its use: four equal codes of eight are half of it, at perplexity four", () => {
    const use = codebookUse(ndarray("int32", [2, 4], new Int32Array([0, 1, 2, 3, 3, 2, 1, 0])), 8);
    expect(use).toEqual({ used: 4, usage: 0.5, perplexity: 4 });
    expect(codebookUse(ndarray("int32", [4], new Int32Array([5, 5, 5, 5])), 8).perplexity).toBe(1);
  });
});

describe("the frame law", () => {
  it.each([
    [1, 1, 1],
    [5, 1, 5],
    [1, 4, 1],
    [9, 4, 3],
    [17, 8, 3],
    [121, 8, 16],
  ])("%i frames at compression %i are %i latent frames and back", (frames, temporal, latents) => {
    expect(latentFrames(frames, temporal)).toBe(latents);
    expect(videoFrames(latents, temporal)).toBe(frames);
  });

  it("refuses other lengths with the nearest legal one", async () => {
    expect(() => latentFrames(11, 4)).toThrow(/INVALID_SHAPE[^]*9 or 13[^]*to 9 frames/);
    expect(() => latentFrames(0, 4)).toThrow(/INVALID_SHAPE[^]*to 1 frames/);
    await expect((async () => made(configOf()).encode(clipsOf(1, 4)))()).rejects.toThrow(/to 5 frames/);
  });
});

describe.each([
  ["continuous", 1, configOf({ temporal: 1 })],
  ["continuous", 4, configOf()],
  ["continuous", 8, configOf({ temporal: 8, spatial: 16, history: 2 })],
  ["discrete", 4, configOf({ latent: discrete })],
] as const)("a %s clip tokenizer of compression %i", (_kind, temporal, config) => {
  const tokenizer = made(config);
  const latentSize = tokenizer.tokens * tokenizer.channels;

  it("keeps its shapes: declared grid, channels, and frames back", async () => {
    const latents = await tokenizer.encode(clipsOf(3, 1 + 2 * temporal));
    expect(latents.shape).toEqual([3, 3, (size / config.spatial) ** 2, tokenizer.channels]);
    expect((await tokenizer.decode(latents)).shape).toEqual([3, 1 + 2 * temporal, size, size, 3]);
  });

  it("leaves earlier latents bit-equal when a frame changes, and changes its own", async () => {
    const clips = clipsOf(1, 1 + 3 * temporal);
    const before = await tokenizer.encode(clips);
    for (const frame of [1, temporal + 1, 3 * temporal]) {
      const changed = { ...clips, data: clips.data.slice() };
      for (let i = frame * perFrame; i < (frame + 1) * perFrame; i++) changed.data[i] = 255 - changed.data[i];
      const after = await tokenizer.encode(changed);
      const own = Math.ceil(frame / temporal) * latentSize;
      expect(after.data.slice(0, own)).toEqual(before.data.slice(0, own));
      expect(after.data.slice(own, own + latentSize)).not.toEqual(before.data.slice(own, own + latentSize));
    }
  });

  it("codes the first frame as if it stood alone, and shows it so", async () => {
    const clips = clipsOf(2, 1 + 2 * temporal);
    const first = zeros("uint8", [2, 1, size, size, 3]);
    [0, 1].forEach((b) => {
      const at = b * (1 + 2 * temporal) * perFrame;
      first.data.set(clips.data.subarray(at, at + perFrame), b * perFrame);
    });
    const [alone, together] = [await tokenizer.encode(first), await tokenizer.encode(clips)];
    [0, 1].forEach((b) => {
      const part = together.data.slice(3 * b * latentSize, (3 * b + 1) * latentSize);
      expect(largestDifference(part, alone.data.slice(b * latentSize, (b + 1) * latentSize))).toBeLessThan(
        1e-5,
      );
    });
  });

  it("gives the same in windows of any length as in one piece", async () => {
    const clips = clipsOf(2, 1 + 6 * temporal);
    const whole = await tokenizer.encode(clips, { windowLatents: 7 });
    const frames = await tokenizer.decode(whole, { windowLatents: 7 });
    for (const windowLatents of [1, 3]) {
      expect(
        largestDifference((await tokenizer.encode(clips, { windowLatents })).data, whole.data),
      ).toBeLessThan(1e-5);
      const windowed = await tokenizer.decode(whole, { windowLatents });
      expect(largestDifference(windowed.data, frames.data)).toBeLessThan(2);
      const differing = windowed.data.filter((value, i) => value !== frames.data[i]).length;
      expect(differing).toBeLessThan(windowed.data.length / 1000);
    }
  });
});

describe("tokens", () => {
  const tokenizer = made(configOf({ latent: discrete })) as DiscreteVideoTokenizer;

  it("decode to what their codes decode to", async () => {
    const clips = clipsOf(2, 9);
    const ids = await tokenizer.tokenize(clips);
    expect(ids.shape).toEqual([2, 3, 4]);
    expect(tokenizer.codebookSize).toBe(64_000);
    expect(await tokenizer.detokenize(ids)).toEqual(await tokenizer.decode(await tokenizer.encode(clips)));
  });
});

describe("a clip tokenizer's file", () => {
  const folder = mkdtempSync(join(tmpdir(), "reverie-clips-"));
  const save = (name: string, config: VideoTokenizerConfig): string => {
    const path = join(folder, name);
    const params = initVideoTokenizer(Rng.fromSeed(5), config);
    saveVideoTokenizer(path, { config, params, normalizer: plainNormalizer(config) });
    return path;
  };

  it("gives the same latents to the bit after loading, under a hash of its own", async () => {
    const path = save("a.safetensors", configOf());
    const [a, b] = [loadVideoTokenizer(path), loadVideoTokenizer(path)];
    const clips = clipsOf(1, 5);
    expect(await a.encode(clips)).toEqual(await b.encode(clips));
    expect(a.hash).toBe(b.hash);
    expect(a.hash).not.toBe(loadVideoTokenizer(save("b.safetensors", configOf({ history: 0 }))).hash);
  });

  it("is refused where another kind is wanted", () => {
    const other = join(folder, "other.safetensors");
    saveCheckpoint(other, { w: float32([1]) }, { kind: "continuous-tokenizer" });
    expect(() => loadVideoTokenizer(other)).toThrow(/CHECKPOINT_MISMATCH/);
    expect(() => loadDiscreteTokenizer(save("c.safetensors", configOf()))).toThrow(
      /CHECKPOINT_MISMATCH[^]*continuous-video/,
    );
  });
});
