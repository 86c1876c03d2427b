/** @file Text to video on captioned clips of DriveTrack: data, tokenizer, text encoder, model, and what a probe sees in it. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { rows, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { loadEpisodes, saveEpisode } from "../../src/data/episode-store.ts";
import type { Episode } from "../../src/data/episode.ts";
import { actionSpecOf, stateSize } from "../../src/experiment/driving/task.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../src/nn/checkpoint.ts";
import { learningRateAt } from "../../src/nn/schedules.ts";
import { captionOf, drivingAttributes, type SceneAttributes } from "../../src/sim/driving/captions.ts";
import type { Split } from "../../src/sim/driving/world.ts";
import { loadContinuousTokenizer } from "../../src/tokenizer/continuous.ts";
import { encodeInto, makeLatentReplay } from "../../src/worldmodel/latent/latent-replay.ts";
import { fitNormalizers } from "../../src/worldmodel/normalizers.ts";
import {
  loadTextEncoder,
  saveTextEncoder,
  wordsOf,
  type TextEncoder,
  type TextEncoderConfig,
} from "../../src/worldmodel/text/text-encoder.ts";
import { trainTextEncoder } from "../../src/worldmodel/text/text-encoder-train.ts";
import {
  loadTextWorld,
  saveTextWorld,
  type TextWorld,
  type TextWorldConfig,
} from "../../src/worldmodel/text/text-world.ts";
import { makeTextWorldTrainer, type TextWorldTrainer } from "../../src/worldmodel/text/text-world-train.ts";
import { trainTokenizer } from "./base.ts";
import { recordClips } from "./captions.ts";

const clipCounts: readonly [Split, number][] = [
  ["train", 2000],
  ["validation", 300],
];

const counts = Object.values(drivingAttributes).map((values) => values.length);
const valuesOf = ({ color, speed, turn }: SceneAttributes): number[] => [color, speed, turn];

const clipFolder = (folder: string, split: Split): string => join(folder, `clips-${split}`);

/** A split's clips with their truth. */
export async function loadClips(
  folder: string,
  split: Split,
): Promise<{ episodes: Episode[]; truth: number[][] }> {
  const episodes = await loadEpisodes(clipFolder(folder, split));
  return { episodes, truth: episodes.map(({ meta }) => valuesOf(meta.attributes as SceneAttributes)) };
}

/** Record the clips, and train the tokenizer of their frames, unless they are there. */
export async function ensureClips(folder: string): Promise<void> {
  for (const [split, count] of clipCounts) {
    if (existsSync(clipFolder(folder, split))) continue;
    const clips = await recordClips(split, count, split === "train" ? 1 : 2);
    for (const { episode } of clips) await saveEpisode(clipFolder(folder, split), episode);
    console.log(`${split}: ${clips.length} clips, ${performance.now() | 0} ms`);
  }
  const file = join(folder, "text-tokenizer.safetensors");
  if (existsSync(file)) return;
  const { episodes } = await loadClips(folder, "train");
  const from = join(folder, "tokenizer.safetensors");
  await trainTokenizer(file, episodes, { steps: 150, rarityWeight: 4, from });
}

/** A scene drawn evenly. */
export function drawScene(rng: Rng): SceneAttributes {
  const [color, speed, turn] = counts.map((count) => Math.floor(rng.random() * count));
  return { color, speed, turn };
}

async function ensureEncoder(folder: string): Promise<TextEncoder> {
  const file = join(folder, "text-encoder.safetensors");
  if (existsSync(file)) return loadTextEncoder(file);
  const draw = (rng: Rng) => {
    const scene = drawScene(rng);
    return { text: captionOf(scene, rng), values: valuesOf(scene) };
  };
  const words = new Set<string>();
  for (let i = 0; i < 4000; i++)
    for (const word of wordsOf(draw(Rng.fromSeed([90, i])).text)) words.add(word);
  const config: TextEncoderConfig = {
    words: [...words].sort(),
    length: 20,
    dim: 48,
    heads: 4,
    blocks: 1,
    size: 32,
  };
  const { params, crossEntropy } = await trainTextEncoder({ config, counts, draw, steps: 300, seed: 91 });
  console.log(`text encoder: ${words.size} words, cross-entropy ${crossEntropy.toFixed(4)}`);
  saveTextEncoder(file, { config, params });
  return loadTextEncoder(file);
}

const worldConfig = (textSize: number): TextWorldConfig => ({
  contextLength: 2,
  tokens: 16,
  channels: 24,
  stateSize,
  actionSize: 2,
  dim: 96,
  heads: 4,
  blocks: 3,
  // Read by training alone, for state and end; videos choose their own.
  samplingSteps: 1,
  preconditioning: "residual",
  shortcut: false,
  textSize,
});

const paraphrases = 6;

/** Vectors of some captions of every clip. */
async function captionPool(encoder: TextEncoder, truth: readonly number[][]): Promise<Float32Array[][]> {
  const texts = truth.flatMap(([color, speed, turn], i) =>
    Array.from({ length: paraphrases }, (_, k) =>
      captionOf({ color, speed, turn }, Rng.fromSeed([92, i, k])),
    ),
  );
  const { data } = await encoder.embed(texts);
  const vector = (i: number): Float32Array => data.slice(i * encoder.size, (i + 1) * encoder.size);
  return truth.map((_, i) =>
    Array.from({ length: paraphrases }, (_unused, k) => vector(i * paraphrases + k)),
  );
}

const tokenizerOf = (folder: string) =>
  loadContinuousTokenizer(join(folder, "text-tokenizer.safetensors"), Rng.fromSeed(0));

async function openTrainer(folder: string) {
  const encoder = await ensureEncoder(folder);
  const tokenizer = tokenizerOf(folder);
  const { episodes, truth } = await loadClips(folder, "train");
  const replay = makeLatentReplay(tokenizer, { stateSize, actionSize: 2 });
  await encodeInto(replay, episodes, tokenizer);
  const normalizers = fitNormalizers(replay, stateSize);
  const pool = await captionPool(encoder, truth);
  const config = worldConfig(encoder.size);
  const trainer = makeTextWorldTrainer({
    config,
    replay,
    normalizers,
    textOf: (episode, rng) => pool[episode][Math.floor(rng.random() * paraphrases)],
    optimizer: { kind: "muon", adamScale: 0.25, clipNorm: 1 },
    averageDecay: 0.99,
    contextNoise: 0.1,
    times: { kind: "uniform" },
    rng: Rng.fromSeed(93),
  });
  const save = (): void => {
    const parts = {
      config,
      params: trainer.params(),
      normalizers,
      actionSpec: actionSpecOf("DriveTrack-v0"),
    };
    const hashes = { tokenizer: tokenizer.hash, encoder: encoder.hash };
    saveTextWorld(join(folder, "text-world.safetensors"), parts, hashes);
  };
  return { trainer, save };
}

/** Where training was left. */
function resume(partial: string, trainer: TextWorldTrainer): number {
  if (!existsSync(partial)) return 0;
  const { tensors, meta } = loadCheckpoint(partial);
  trainer.load(restoreParams(trainer.state(), tensors, partial));
  return meta.done as number;
}

/** Train the text world, or go on with it, until `minutes` of this process are over. */
export async function trainText(folder: string, limits: { steps: number; minutes: number }): Promise<void> {
  const { trainer, save } = await openTrainer(folder);
  const partial = join(folder, "text-world.partial.safetensors");
  let done = resume(partial, trainer);
  const { steps, minutes } = limits;
  const schedule = { peak: 0.004, warmupSteps: 30, totalSteps: steps, decayFraction: 0.5 };
  for (; done < steps && performance.now() < 60_000 * minutes; done++) {
    const { latent } = await trainer.step(48, learningRateAt(schedule, done), Rng.fromSeed([94, done]));
    if (done % 25 === 24)
      console.log(
        `text world ${done + 1} of ${steps}: latent ${latent.toFixed(4)}, ${performance.now() | 0} ms`,
      );
  }
  saveCheckpoint(partial, trainer.state(), { kind: "bench-training", done });
  save();
}

/** The trained world, its tokenizer, and the validation clips. */
export async function openTextWorld(folder: string): Promise<{
  world: TextWorld;
  encode: (frames: NdArray<"uint8">) => Promise<NdArray<"float32">>;
}> {
  const tokenizer = tokenizerOf(folder);
  const encoder = loadTextEncoder(join(folder, "text-encoder.safetensors"));
  const world = loadTextWorld(join(folder, "text-world.safetensors"), tokenizer, encoder);
  return { world, encode: (frames) => tokenizer.encode(frames) };
}

/** Frame `index` of every row of frames uint8 [B, T, H, W, 3]. */
export function framesAt(frames: NdArray<"uint8">, index: number): NdArray<"uint8"> {
  const [batch, time, ...image] = frames.shape;
  const size = frames.data.length / batch / time;
  const data = new Uint8Array(batch * size);
  for (let b = 0; b < batch; b++)
    data.set(
      rows({ ...frames, shape: [batch * time, ...image] }, b * time + index, b * time + index + 1).data,
      b * size,
    );
  return { dtype: "uint8", shape: [batch, ...image], data };
}
