/** @file `reverie generate`: options to a file, and what it refuses. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { main } from "../../src/cli/program.ts";
import { ndarray, zeros } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { loadImage, makeImage, saveImage } from "../../src/data/image.ts";
import {
  initContinuous,
  loadContinuousTokenizer,
  saveContinuousTokenizer,
  type ContinuousConfig,
} from "../../src/tokenizer/continuous.ts";
import { initCausalFlow } from "../../src/worldmodel/causal-flow/causal-flow.ts";
import { initTextEncoder, loadTextEncoder, saveTextEncoder } from "../../src/worldmodel/text/text-encoder.ts";
import { saveTextWorld, type TextWorldConfig } from "../../src/worldmodel/text/text-world.ts";

const folder = mkdtempSync(join(tmpdir(), "reverie-generate-"));
const file = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const blocks = { dim: 16, heads: 2 };
const frames: ContinuousConfig = {
  ...blocks,
  size: 16,
  patch: 8,
  encoderBlocks: 1,
  decoderBlocks: 1,
  channels: 2,
  latentNoise: 0,
  rarityWeight: 0,
};
const config: TextWorldConfig = {
  ...blocks,
  contextLength: 2,
  tokens: 4,
  channels: 2,
  stateSize: 1,
  actionSize: 1,
  blocks: 1,
  samplingSteps: 1,
  preconditioning: "residual",
  shortcut: false,
  textSize: 4,
};
const actionSpec = {
  names: ["push"],
  units: ["1"],
  kind: "delta",
  low: [-1],
  high: [1],
  rateHz: 10,
} as const;
const normalizers = { stateMean: [0], stateScale: [1], rewardMean: 0, rewardScale: 1, terminalReward: 0 };

beforeAll(() => {
  const normalizer = { mean: zeros("float32", [8]), scale: ndarray("float32", [], Float32Array.of(1)) };
  saveContinuousTokenizer(file("tokenizer"), {
    config: frames,
    params: initContinuous(Rng.fromSeed(1), frames),
    normalizer,
  });
  const words = { ...blocks, words: ["a", "car"], length: 6, blocks: 1, size: 4 };
  saveTextEncoder(file("encoder"), { config: words, params: initTextEncoder(Rng.fromSeed(2), words) });
  const hashes = {
    tokenizer: loadContinuousTokenizer(file("tokenizer"), Rng.fromSeed(0)).hash,
    encoder: loadTextEncoder(file("encoder")).hash,
  };
  const params = initCausalFlow(Rng.fromSeed(3), config);
  saveTextWorld(file("world"), { config, params, normalizers, actionSpec }, hashes);
});

async function call(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((err += String(text)), true));
  const parts = ["--model", file("world"), "--tokenizer", file("tokenizer"), "--encoder", file("encoder")];
  const code = await main(["generate", "a car", ...parts, "--steps", "2", ...args]);
  return { code, out, err };
}

describe("reverie generate", () => {
  it("writes a file of the asked length and size, from words, and from a picture", async () => {
    const { code, out } = await call("--seconds", "0.7", "--size", "32x32", "--out", file("a.gif"));
    expect(code).toBe(0);
    expect(out).toContain("7 frames of 32 × 32, 10 per second");
    expect((await loadImage(file("a.gif"))).shape).toEqual([32, 32, 3]);
    await saveImage(file("start.png"), makeImage(16, 16, [250, 10, 10]));
    const more = await call("--seconds", "0.3", "--image", file("start.png"), "--out", file("b.webp"));
    expect(more.out).toContain("3 frames of 16 × 16");
    const { data } = await loadImage(file("b.webp"));
    expect([data[0] > 200, data[1] < 60]).toEqual([true, true]);
  });

  it("refuses lengths, sizes and servers that it cannot use, and leaves no file", async () => {
    for (const [args, says] of [
      [["--seconds", "0.75"], /ask for 0\.[78] s/],
      [["--seconds", "0.5", "--size", "40x32"], /ask for 32 × 32/],
      [["--seconds", "0.5", "--size", "big"], /as in 256x256/],
      [["--encoder", "http://127.0.0.1:9"], /--encoder-model/],
    ] as const) {
      const { code, err } = await call(...args, "--out", file("none.mp4"));
      expect(code).toBe(2);
      expect(err).toMatch(says);
    }
    expect(existsSync(file("none.mp4"))).toBe(false);
  });
});
