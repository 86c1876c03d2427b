/** @file Clip tokenizers learn: moving squares are rebuilt from few numbers and from tokens, and the codebook's use is told. */

import { beforeAll, describe, expect, it } from "vitest";
import { zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { psnr } from "../../src/tokenizer/train.ts";
import { makeVideoTokenizer } from "../../src/tokenizer/video.ts";
import type { VideoTokenizerConfig } from "../../src/tokenizer/video-network.ts";
import {
  clipQuality,
  makeVideoTokenizerTrainer,
  type ClipQuality,
  type ClipSource,
} from "../../src/tokenizer/video-train.ts";

const size = 16;
const time = 5;
const perFrame = size * size * 3;

/** A bright square that moves a pixel per frame over a dark ground: uint8 [count, 5, 16, 16, 3]. */
function squares(count: number, seed: number): NdArray<"uint8"> {
  const clips = zeros("uint8", [count, time, size, size, 3]);
  const rng = Rng.fromSeed(seed);
  for (let n = 0; n < count; n++) {
    const shade = Math.floor(rng.random() * 90);
    const [x, y] = [Math.floor(rng.random() * 7), Math.floor(rng.random() * 11)];
    for (let t = 0; t < time; t++) {
      const frame = clips.data.subarray((n * time + t) * perFrame, (n * time + t + 1) * perFrame);
      frame.fill(shade);
      for (let i = 0; i < 25; i++)
        frame
          .fill(230, ((y + Math.floor(i / 5)) * size + x + t + (i % 5)) * 3)
          .fill(shade, ((y + Math.floor(i / 5)) * size + x + t + (i % 5) + 1) * 3);
    }
  }
  return clips;
}

const train = squares(300, 1);
const test = squares(40, 2);
const source: ClipSource = {
  count: 300,
  gather(indices, out) {
    const stride = time * perFrame;
    for (let k = 0; k < indices.length; k++)
      out.data.set(train.data.subarray(indices[k] * stride, (indices[k] + 1) * stride), k * stride);
  },
};

function meanFloor(): number {
  const mean = new Float64Array(time * perFrame);
  train.data.forEach((value, i) => (mean[i % mean.length] += value / 300));
  return psnr(
    test.data,
    Array.from(test.data, (_, i) => mean[i % mean.length]),
  );
}

async function trained(latent: VideoTokenizerConfig["latent"]): Promise<ClipQuality> {
  const config: VideoTokenizerConfig = {
    size,
    spatial: 8,
    temporal: 4,
    dim: 32,
    heads: 2,
    encoderBlocks: 1,
    decoderBlocks: 1,
    history: 1,
    latent,
  };
  const trainer = makeVideoTokenizerTrainer({
    config,
    optimizer: { kind: "muon", adamScale: 0.4 },
    batchSize: 16,
    clipFrames: time,
    averageDecay: 0.95,
    source,
    rng: Rng.fromSeed(3),
  });
  for (let i = 0; i < 200; i++) await trainer.step(0.01 * Math.min(1, 2 - i / 100), Rng.fromSeed([4, i]));
  const parts = await trainer.finish(64, Rng.fromSeed(5));
  return clipQuality(makeVideoTokenizer({ ...parts, hash: "trained" }), test);
}

describe("trained clip tokenizers", () => {
  let continuous: ClipQuality;
  let discrete: ClipQuality;
  beforeAll(async () => {
    continuous = await trained({ kind: "continuous", channels: 8, noise: 0.1 });
    discrete = await trained({ kind: "discrete", levels: [8, 8, 8, 5, 5, 5] });
  });

  it("rebuild unseen clips far better than the mean clip, from numbers better than from tokens", () => {
    expect(discrete.psnr).toBeGreaterThan(meanFloor() + 3);
    expect(continuous.psnr).toBeGreaterThan(discrete.psnr);
  });

  it("tell how the codebook is used, where there is one", () => {
    expect(continuous.codebook).toBeUndefined();
    expect(discrete.codebook?.used).toBeGreaterThan(20);
    expect(discrete.codebook?.perplexity).toBeGreaterThan(10);
    expect(discrete.codebook?.perplexity).toBeLessThanOrEqual(discrete.codebook?.used as number);
  });
});
