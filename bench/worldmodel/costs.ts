/** @file What else world models cost: tokenizers, training steps, autoregression without its caches, share of the matmul peak. */

import { existsSync } from "node:fs";
import { ndarray, zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import type { Episode } from "../../src/data/episode.ts";
import { jit, tf, type Tensor } from "../../src/engine/jit.ts";
import { loadContinuousTokenizer } from "../../src/tokenizer/continuous.ts";
import { loadDiscreteTokenizer } from "../../src/tokenizer/video.ts";
import {
  embedFrames,
  frameConditions,
  initAutoregressive,
  nextLogits,
  runSequence,
  tokensPerFrame,
  type AutoregressiveParams,
} from "../../src/worldmodel/autoregressive/autoregressive.ts";
import {
  autoregressive,
  denoiserOf,
  encodedReplay,
  jobOf,
  latentsFile,
  loadTrained,
  tokensFile,
  type Kind,
} from "./models.ts";

/** One measured line. */
export interface CostRow {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

/** Calls per second: one call to compile, then the fastest of `repeats`, as other programs can only slow it down. */
async function fastest(call: () => Promise<unknown>, repeats = 8): Promise<number> {
  await call();
  let best = Infinity;
  for (let i = 0; i < repeats; i++) {
    const from = performance.now();
    await call();
    best = Math.min(best, performance.now() - from);
  }
  return 1000 / best;
}

async function tokenizerRows(folder: string): Promise<CostRow[]> {
  const count = 64;
  const frames = zeros("uint8", [count, 64, 64, 3]);
  frames.data.forEach((_, i) => (frames.data[i] = (i * 31) % 251));
  const rows: CostRow[] = [];
  const add = (what: string, perSecond: number): number =>
    rows.push({ what, value: perSecond * count, unit: "frames/s" });
  if (existsSync(latentsFile(folder))) {
    const tokenizer = loadContinuousTokenizer(latentsFile(folder), Rng.fromSeed(0));
    const latents = await tokenizer.encode(frames);
    add("continuous tokenizer, encode", await fastest(() => tokenizer.encode(frames)));
    add("continuous tokenizer, decode", await fastest(() => tokenizer.decode(latents)));
  }
  if (existsSync(tokensFile(folder))) {
    const tokenizer = loadDiscreteTokenizer(tokensFile(folder));
    const clips = ndarray("uint8", [count, 1, 64, 64, 3], frames.data);
    const ids = await tokenizer.tokenize(clips);
    add("discrete tokenizer, encode", await fastest(() => tokenizer.tokenize(clips)));
    add("discrete tokenizer, decode", await fastest(() => tokenizer.detokenize(ids)));
  }
  return rows;
}

/** Predicted frames per second of training at one step ahead, and of the latent kind's share of the peak. */
async function trainingRows(folder: string, episodes: readonly Episode[]): Promise<CostRow[]> {
  const rows: CostRow[] = [];
  const windows: Partial<Record<Kind, number>> = { latent: 64, "causal-flow": 64, autoregressive: 8 * 2 };
  for (const [kind, frames] of Object.entries(windows) as [Kind, number][]) {
    const trained = loadTrained(folder, kind);
    if (trained === undefined) continue;
    const replay = await encodedReplay(trained.encodeFrames, episodes);
    const job = jobOf(kind, { folder, replay, steps: 1000 });
    let index = 0;
    const perSecond = await fastest(() => job.step(index++, Rng.fromSeed([70, index])));
    rows.push({ what: `training, ${kind}`, value: perSecond * frames, unit: "predicted frames/s" });
  }
  return rows;
}

/** Multiplications and additions of one row's pass through the latent kind's blocks. */
function latentFlops(): number {
  const { tokens, dim, blocks } = denoiserOf("deterministic");
  const length = tokens + 1;
  return length * blocks * (24 * dim ** 2 + 4 * length * dim);
}

async function peakRows(folder: string, training: readonly CostRow[]): Promise<CostRow[]> {
  const size = 1024;
  const product = jit(({ a, b }: { a: Tensor; b: Tensor }) => tf.sum(tf.matMul(a, b)), { name: "peak" });
  const square = (): NdArray<"float32"> => {
    const out = zeros("float32", [size, size]);
    Rng.fromSeed(1).fillNormal(out.data);
    return out;
  };
  const [a, b] = [square(), square()];
  const peak = (await fastest(() => product({ a, b }), 20)) * 2 * size ** 3;
  const rows: CostRow[] = [{ what: "one matmul of 1024³", value: peak / 1e9, unit: "GFLOP/s" }];
  const model = loadTrained(folder, "latent")?.model;
  if (model === undefined) return rows;
  const batch = 256;
  const state = model.fromLatents(
    zeros("float32", [batch, 1, 256]),
    zeros("float32", [batch, 1, model.stateSize]),
    zeros("float32", [batch, 0, 2]),
  );
  const actions = zeros("float32", [batch, 2]);
  const steps = await fastest(() => model.step(state, actions, Rng.fromSeed(1)));
  const share = (perSecond: number): number => (100 * perSecond * latentFlops()) / peak;
  rows.push({ what: "latent, imagining 256 at once", value: share(steps * batch), unit: "% of that" });
  const trained = training.find(({ what }) => what === "training, latent");
  if (trained) rows.push({ what: "latent, training", value: share(3 * trained.value), unit: "% of that" });
  return rows;
}

/** One dense pass over the context and the new frame, as every token would take without caches. */
function densePass() {
  type In = { params: AutoregressiveParams<Tensor>; tokens: Tensor; states: Tensor; actions: Tensor };
  return jit(
    ({ params, tokens, states, actions }: In) => {
      const conditions = frameConditions(params, actions, states);
      const { hidden } = runSequence(
        params,
        autoregressive,
        embedFrames(params, autoregressive, tokens, conditions),
      );
      return nextLogits(params, tf.slice(hidden, [0, hidden.shape[1]! - 1, 0], [-1, 1, -1]));
    },
    { name: "autoregressive.dense" },
  );
}

async function cacheRows(folder: string, episodes: readonly Episode[]): Promise<CostRow[]> {
  const trained = loadTrained(folder, "autoregressive", { drafting: false });
  const drafted = loadTrained(folder, "autoregressive");
  if (trained === undefined || drafted === undefined) return [];
  const replay = await encodedReplay(trained.encodeFrames, episodes);
  const { contextLength: frames, stateSize, actionSize } = autoregressive;
  const latents = replay.episodes[0].columns.latent;
  const window = (length: number): NdArray<"float32"> =>
    ndarray("float32", [1, length, latents.shape[1]], latents.data.slice(0, length * latents.shape[1]));
  const params = initAutoregressive(Rng.fromSeed(1), autoregressive);
  const dense = densePass();
  const input = {
    params,
    tokens: window(frames + 1),
    states: zeros("float32", [1, frames, stateSize]),
    actions: zeros("float32", [1, frames, actionSize]),
  };
  const passes = tokensPerFrame(autoregressive);
  const without = (await fastest(() => dense(input))) / passes;
  const rateOf = ({ model }: typeof trained): Promise<number> => {
    const state = model.fromLatents(
      window(frames),
      zeros("float32", [1, frames, stateSize]),
      zeros("float32", [1, frames - 1, actionSize]),
    );
    return fastest(() => model.step(state, zeros("float32", [1, actionSize]), Rng.fromSeed(2)));
  };
  return [
    { what: "autoregressive, batch 1, no caches (64 dense passes)", value: without, unit: "steps/s" },
    { what: "autoregressive, batch 1, caches", value: await rateOf(trained), unit: "steps/s" },
    { what: "autoregressive, batch 1, caches and drafts", value: await rateOf(drafted), unit: "steps/s" },
  ];
}

/** Everything of this file, for the models trained in `folder`. */
export async function measureCosts(folder: string, episodes: readonly Episode[]): Promise<CostRow[]> {
  const training = await trainingRows(folder, episodes);
  return [
    ...(await tokenizerRows(folder)),
    ...training,
    ...(await cacheRows(folder, episodes)),
    ...(await peakRows(folder, training)),
  ];
}

/** As Markdown. */
export function costTable(rows: readonly CostRow[]): string {
  const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
  return [
    "| what | figure |",
    "|---|---:|",
    ...rows.map(({ what, value, unit }) => `| ${what} | ${digits(value)} ${unit} |`),
  ].join("\n");
}
