/** @file The continuous tokenizer: what it learns, what its latents are like, and its checkpoint. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { float32, rows, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { saveCheckpoint } from "../../src/nn/checkpoint.ts";
import {
  initContinuous,
  loadContinuousTokenizer,
  makeContinuousTokenizer,
  saveContinuousTokenizer,
  type ContinuousConfig,
} from "../../src/tokenizer/continuous.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import {
  makeTokenizerTrainer,
  psnr,
  reconstructionPsnr,
  type FrameSource,
} from "../../src/tokenizer/train.ts";

const config: ContinuousConfig = {
  size: 16,
  patch: 8,
  dim: 32,
  heads: 2,
  encoderBlocks: 1,
  decoderBlocks: 1,
  channels: 4,
  latentNoise: 0.3,
  rarityWeight: 0,
};

/** A bright square somewhere on a dark ground whose shade differs: uint8 [count, 16, 16, 3]. */
function squares(count: number, seed: number): NdArray<"uint8"> {
  const frames = zeros("uint8", [count, 16, 16, 3]);
  const rng = Rng.fromSeed(seed);
  for (let n = 0; n < count; n++) {
    const frame = frames.data.subarray(n * 768, (n + 1) * 768);
    frame.fill(Math.floor(rng.random() * 90));
    const [x, y] = [Math.floor(rng.random() * 11), Math.floor(rng.random() * 11)];
    for (let i = 0; i < 25; i++) frame[((y + Math.floor(i / 5)) * 16 + x + (i % 5)) * 3 + (n % 3)] = 230;
  }
  return frames;
}

const sourceOf = (frames: NdArray<"uint8">): FrameSource => ({
  count: frames.shape[0],
  gather(indices, out) {
    for (let k = 0; k < indices.length; k++)
      out.data.set(rows(frames, indices[k], indices[k] + 1).data, k * 768);
  },
});

/** PSNR of the best constant picture. */
function meanFrameFloor(train: NdArray<"uint8">, test: NdArray<"uint8">): number {
  const mean = new Float64Array(768);
  train.data.forEach((value, i) => (mean[i % 768] += value / train.shape[0]));
  return psnr(
    test.data,
    Array.from(test.data, (_, i) => mean[i % 768]),
  );
}

const train = squares(400, 1);
const test = squares(64, 2);
const path = join(mkdtempSync(join(tmpdir(), "reverie-tokenizer-")), "tokenizer.safetensors");

describe("a trained tokenizer", () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    const optimizer = { kind: "muon", adamScale: 0.4 } as const;
    const options = { config, optimizer, batchSize: 32, averageDecay: 0.95, source: sourceOf(train) };
    const trainer = makeTokenizerTrainer({ ...options, rng: Rng.fromSeed(3) });
    for (let i = 0; i < 250; i++) await trainer.step(0.01 * Math.min(1, 2 - i / 125), Rng.fromSeed([4, i]));
    const finished = await trainer.finish(400, Rng.fromSeed(5));
    saveContinuousTokenizer(path, { config, ...finished });
    tokenizer = loadContinuousTokenizer(path, Rng.fromSeed(0));
  });

  it("rebuilds unseen frames far better than their mean", async () => {
    expect(await reconstructionPsnr(tokenizer, test)).toBeGreaterThan(meanFrameFloor(train, test) + 6);
  });

  it("gives latents of zero mean and unit scale over its data", async () => {
    const { data, shape } = await tokenizer.encode(train);
    expect(shape).toEqual([400, tokenizer.tokens * tokenizer.channels]);
    const sums = new Float64Array(shape[1]);
    let squaresOf = 0;
    data.forEach((value, i) => {
      sums[i % shape[1]] += value / 400;
      squaresOf += value ** 2 / data.length;
    });
    for (const mean of sums) expect(Math.abs(mean)).toBeLessThan(0.25);
    expect(Math.sqrt(squaresOf)).toBeGreaterThan(0.95);
    expect(Math.sqrt(squaresOf)).toBeLessThan(1.05);
  });

  it("encodes and decodes any number of frames, each as it would alone", async () => {
    const many = squares(300, 6);
    const together = await tokenizer.encode(many);
    const decoded = await tokenizer.decode(together);
    const width = together.shape[1];
    for (const [start, end] of [
      [0, 1],
      [126, 131],
      [257, 300],
    ]) {
      const part = await tokenizer.encode(rows(many, start, end));
      expect(part.shape).toEqual([end - start, width]);
      part.data.forEach((value, i) =>
        expect(Math.abs(value - together.data[start * width + i])).toBeLessThan(1e-4),
      );
      const frames = await tokenizer.decode(part);
      frames.data.forEach((value, i) =>
        expect(Math.abs(value - decoded.data[start * 768 + i])).toBeLessThan(2),
      );
    }
    expect((await tokenizer.encode(rows(many, 0, 0))).shape).toEqual([0, width]);
  });

  it("is the same by the bit after a second load, and knows itself by its hash", async () => {
    const again = loadContinuousTokenizer(path, Rng.fromSeed(99));
    expect(again.hash).toBe(tokenizer.hash);
    expect(await again.encode(test)).toEqual(await tokenizer.encode(test));
  });
});

describe("a tokenizer", () => {
  it("of the same weights and another normalizer has another hash", () => {
    const params = initContinuous(Rng.fromSeed(0), config);
    const hashOf = (scale: number): string => {
      const normalizer = { mean: zeros("float32", [16]), scale: { ...float32([scale]), shape: [] } };
      return saveContinuousTokenizer(`${path}.${scale}`, { config, params, normalizer });
    };
    expect(hashOf(1)).not.toBe(hashOf(2));
  });

  it("takes its normalizer off before it decodes", async () => {
    const params = initContinuous(Rng.fromSeed(0), config);
    const of = (mean: number, scale: number): Tokenizer => {
      const normalizer = { mean: zeros("float32", [16]), scale: { ...float32([scale]), shape: [] } };
      normalizer.mean.data.fill(mean);
      return makeContinuousTokenizer({ config, params, normalizer, hash: "" });
    };
    const [plain, shifted] = [of(0, 1), of(0.5, 2)];
    const [a, b] = [await plain.encode(test), await shifted.encode(test)];
    a.data.forEach((value, i) => expect((value - 0.5) / 2).toBeCloseTo(b.data[i], 4));
    const [x, y] = [await plain.decode(a), await shifted.decode(b)];
    x.data.forEach((value, i) => expect(Math.abs(value - y.data[i])).toBeLessThan(2));
  });

  it("is refused when the file holds something else", () => {
    const other = `${path}.other`;
    saveCheckpoint(other, { w: float32([1]) }, { kind: "latent-world-model" });
    expect(() => loadContinuousTokenizer(other, Rng.fromSeed(0))).toThrow(
      /CHECKPOINT_MISMATCH.*continuous tokenizer/,
    );
  });

  it.each([
    ["patch", { ...config, patch: 6 }],
    ["heads", { ...config, heads: 3 }],
  ])("is refused when its %s do not divide", (_what, wrong) => {
    expect(() => initContinuous(Rng.fromSeed(0), wrong)).toThrow(/INVALID_ARGUMENT.*divide/);
  });
});

describe("the rarity weight", () => {
  it("makes rare pixels count more in the loss and leaves the reported error as it is", async () => {
    const metricsWith = async (rarityWeight: number): Promise<Record<string, number>> => {
      const optimizer = { kind: "adamw" } as const;
      const options = {
        optimizer,
        batchSize: 16,
        averageDecay: 0,
        source: sourceOf(train),
        rng: Rng.fromSeed(3),
      };
      const trainer = makeTokenizerTrainer({ config: { ...config, rarityWeight }, ...options });
      return trainer.step(0.001, Rng.fromSeed(1));
    };
    const [plain, weighted] = [await metricsWith(0), await metricsWith(4)];
    expect(weighted.mse).toBeCloseTo(plain.mse, 5);
    expect(weighted.loss).toBeGreaterThan(plain.loss * 1.2);
  });
});

describe("psnr", () => {
  it("is that of its definition, and 99 where nothing differs", () => {
    expect(psnr([0, 10], [0, 0])).toBeCloseTo(10 * Math.log10(255 ** 2 / 50), 9);
    expect(psnr([7, 7], [7, 7])).toBe(99);
  });
});
