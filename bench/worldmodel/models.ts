/** @file World models of every kind trained on the same driving episodes, in pieces that can be continued, and measured alike. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail, unknownName } from "../../src/core/errors.ts";
import { Rng } from "../../src/core/rng.ts";
import { lengthOf, type Episode } from "../../src/data/episode.ts";
import { makeReplay } from "../../src/data/replay.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../src/nn/checkpoint.ts";
import { learningRateAt } from "../../src/nn/schedules.ts";
import {
  loadContinuousTokenizer,
  saveContinuousTokenizer,
  type ContinuousConfig,
} from "../../src/tokenizer/continuous.ts";
import { makeTokenizerTrainer } from "../../src/tokenizer/train.ts";
import { loadDiscreteTokenizer } from "../../src/tokenizer/video.ts";
import type { AutoregressiveConfig } from "../../src/worldmodel/autoregressive/autoregressive.ts";
import {
  loadAutoregressiveModel,
  saveAutoregressiveModel,
} from "../../src/worldmodel/autoregressive/autoregressive-checkpoint.ts";
import { makeAutoregressiveTrainer } from "../../src/worldmodel/autoregressive/autoregressive-train.ts";
import { loadLatentModel, saveLatentModel } from "../../src/worldmodel/latent/checkpoint.ts";
import type { LatentReplay } from "../../src/worldmodel/contexts.ts";
import type { CausalFlowConfig } from "../../src/worldmodel/causal-flow/causal-flow.ts";
import {
  loadCausalFlowModel,
  saveCausalFlowModel,
} from "../../src/worldmodel/causal-flow/causal-flow-model.ts";
import { makeCausalFlowTrainer } from "../../src/worldmodel/causal-flow/causal-flow-train.ts";
import type { DenoiserConfig } from "../../src/worldmodel/latent/denoiser.ts";
import { shiftedTimes } from "../../src/worldmodel/causal-flow/flow-times.ts";
import type { EncodedWorldModel } from "../../src/worldmodel/worldmodel.ts";
import { fitNormalizers } from "../../src/worldmodel/normalizers.ts";
import { makeEnsembleTrainer } from "../../src/worldmodel/latent/train.ts";
import { clipSourceOf, trackActions, trackStateSize } from "./driving-data.ts";

/** Kinds of models in the table. */
export const kinds = ["latent", "flow", "causal-flow", "causal-flow-cross", "autoregressive"] as const;
export type Kind = (typeof kinds)[number];

/** The kind called `name`. @throws UNKNOWN_NAME */
export function kindNamed(name: string): Kind {
  const kind = kinds.find((known) => known === name);
  if (kind === undefined) throw unknownName("model kind", name, kinds);
  return kind;
}

const frameTokenizer: ContinuousConfig = {
  size: 64,
  patch: 16,
  dim: 128,
  heads: 4,
  encoderBlocks: 1,
  decoderBlocks: 2,
  channels: 16,
  latentNoise: 0.2,
  rarityWeight: 0,
};

/** Architecture of the latent kinds. */
export const denoiserOf = (form: DenoiserConfig["form"]): DenoiserConfig => ({
  form,
  contextLength: 3,
  tokens: 16,
  channels: 16,
  stateSize: trackStateSize,
  actionSize: trackActions.names.length,
  dim: 128,
  heads: 4,
  blocks: 3,
  samplingSteps: 2,
});

const causalFlow: CausalFlowConfig = {
  contextLength: 3,
  tokens: 16,
  channels: 16,
  stateSize: trackStateSize,
  actionSize: trackActions.names.length,
  dim: 128,
  heads: 4,
  blocks: 3,
  samplingSteps: 2,
  preconditioning: "residual",
  shortcut: true,
};

/** Architecture of the autoregressive kind. */
export const autoregressive: AutoregressiveConfig = {
  contextLength: 2,
  rows: 8,
  columns: 8,
  levels: [8, 5, 5, 5],
  stateSize: trackStateSize,
  actionSize: trackActions.names.length,
  dim: 96,
  heads: 4,
  blocks: 2,
  draftHeads: 3,
};

/** A model with the name of its tokenizer's file. */
export interface Trained {
  readonly kind: Kind;
  readonly model: EncodedWorldModel;
  /** Latents or ids of an episode's frames. */
  readonly encodeFrames: (
    episode: Episode,
  ) => ReturnType<ReturnType<typeof loadContinuousTokenizer>["encode"]>;
}

export const tokensFile = (folder: string): string => join(folder, "DV1x8x8-1000.safetensors");
export const latentsFile = (folder: string): string => join(folder, "latents.safetensors");
const modelFile = (folder: string, kind: Kind): string => join(folder, `${kind}.safetensors`);

/** Train the tokenizer of the latent kinds unless its file is there. */
async function ensureLatents(folder: string, train: readonly Episode[]): Promise<void> {
  if (existsSync(latentsFile(folder))) return;
  const steps = 400;
  const trainer = makeTokenizerTrainer({
    config: frameTokenizer,
    optimizer: { kind: "muon", adamScale: 0.4 },
    batchSize: 32,
    averageDecay: 0.99,
    source: clipSourceOf(train, 1),
    rng: Rng.fromSeed([20, 0]),
  });
  const schedule = { peak: 0.005, warmupSteps: 20, totalSteps: steps, decayFraction: 0.5 };
  for (let i = 0; i < steps; i++) await trainer.step(learningRateAt(schedule, i), Rng.fromSeed([21, i]));
  saveContinuousTokenizer(latentsFile(folder), {
    config: frameTokenizer,
    ...(await trainer.finish(2048, Rng.fromSeed([22, 0]))),
  });
}

function encoderOf(folder: string, kind: Kind): Trained["encodeFrames"] {
  if (kind !== "autoregressive") {
    const tokenizer = loadContinuousTokenizer(latentsFile(folder), Rng.fromSeed(0));
    return ({ frames }) => tokenizer.encode(frames);
  }
  const tokenizer = loadDiscreteTokenizer(tokensFile(folder));
  return async ({ frames }) => {
    const [count, ...image] = frames.shape;
    const ids = await tokenizer.tokenize({ ...frames, shape: [count, 1, ...image] });
    return { dtype: "float32", shape: [count, tokenizer.tokens], data: Float32Array.from(ids.data) };
  };
}

/** Encoding that remembers what it gave in a file, as encoding may take longer than training. */
function remembering(file: string, encode: Trained["encodeFrames"]): Trained["encodeFrames"] {
  const known = existsSync(file) ? loadCheckpoint(file).tensors : {};
  const all: Record<string, unknown> = { ...known };
  return async (episode) => {
    const key = `${episode.id}-${lengthOf(episode)}`;
    if (key in all) return all[key] as Awaited<ReturnType<typeof encode>>;
    const latent = await encode(episode);
    all[key] = latent;
    if (Object.keys(all).length % 50 === 0) saveCheckpoint(file, all, { kind: "bench-encoded" });
    return latent;
  };
}

/** Episodes encoded for a kind. */
export async function encodedReplay(
  encode: Trained["encodeFrames"],
  episodes: readonly Episode[],
): Promise<LatentReplay> {
  let replay: LatentReplay | undefined;
  for (const episode of episodes) {
    if (lengthOf(episode) < 4) continue;
    const latent = await encode(episode);
    replay ??= makeReplay({
      observationColumns: { latent: [latent.shape[1]], state: [trackStateSize] },
      transitionColumns: { action: [trackActions.names.length], reward: [] },
    }) as unknown as LatentReplay;
    const { states: state, actions: action, rewards: reward, terminated, truncated } = episode;
    replay.add({ columns: { latent, state, action, reward }, terminated, truncated });
  }
  return replay ?? fail({ code: "INVALID_ARGUMENT", what: "no episode is long enough to learn from" });
}

/** One trainer's part in the loop below. */
interface Job {
  readonly steps: number;
  readonly step: (index: number, rng: Rng) => Promise<Record<string, number>>;
  readonly state: () => unknown;
  readonly load: (state: never) => void;
  readonly save: () => void;
}

const phases = [
  { horizon: 1, batchSize: 64, terminalFraction: 0.15, recentFraction: 0, recentEpisodes: 1, peak: 0.004 },
  { horizon: 5, batchSize: 32, terminalFraction: 0.15, recentFraction: 0, recentEpisodes: 1, peak: 0.002 },
];

function latentJob(folder: string, form: DenoiserConfig["form"], replay: LatentReplay): Job {
  const config = denoiserOf(form);
  const normalizers = fitNormalizers(replay, trackStateSize);
  const counts = form === "flow" ? [300, 80] : [350, 130];
  const trainer = makeEnsembleTrainer({
    config,
    replay,
    normalizers,
    weights: { latent: 1, state: 1, reward: 0.5, termination: 1 },
    optimizer: { kind: "muon", adamScale: 0.25, clipNorm: 1 },
    averageDecay: 0.97,
    contextNoise: 0.17,
    initRngs: [Rng.fromSeed([30, 0])],
  });
  const kind: Kind = form === "flow" ? "flow" : "latent";
  return {
    steps: counts[0] + counts[1],
    step(index, rng) {
      const which = index < counts[0] ? 0 : 1;
      const { peak, ...phase } = phases[which];
      const schedule = { peak, warmupSteps: 20, totalSteps: counts[which], decayFraction: 0.5 };
      return trainer.step(0, phase, learningRateAt(schedule, index - which * counts[0]), rng);
    },
    state: () => trainer.state(),
    load: (state) => trainer.load(state),
    save() {
      const parts = { config, members: trainer.members(), normalizers, actionSpec: trackActions };
      const { hash } = loadContinuousTokenizer(latentsFile(folder), Rng.fromSeed(0));
      saveLatentModel(modelFile(folder, kind), parts, hash);
    },
  };
}

interface JobOptions {
  readonly folder: string;
  readonly replay: LatentReplay;
  readonly steps: number;
}

/** Actions enter through the adaptive norms or, for comparison, by cross-attention. */
function causalFlowJob(kind: Kind, { folder, replay, steps }: JobOptions): Job {
  const actionEntry = kind === "causal-flow-cross" ? "cross-attention" : "norm";
  const config: CausalFlowConfig = { ...causalFlow, actionEntry };
  const normalizers = fitNormalizers(replay, trackStateSize);
  const trainer = makeCausalFlowTrainer({
    config,
    replay,
    normalizers,
    weights: { latent: 1, state: 1, reward: 0.5, termination: 1, shortcut: 0.5 },
    optimizer: { kind: "muon", adamScale: 0.25, clipNorm: 1 },
    averageDecay: 0.97,
    contextNoise: 0.17,
    times: shiftedTimes,
    rng: Rng.fromSeed([45, 0]),
  });
  const schedule = { peak: 0.004, warmupSteps: 20, totalSteps: steps, decayFraction: 0.5 };
  return {
    steps,
    step: (index, rng) =>
      trainer.step({ batchSize: 64, terminalFraction: 0.15 }, learningRateAt(schedule, index), rng),
    state: () => trainer.state(),
    load: (state) => trainer.load(state),
    save() {
      const parts = { config, params: trainer.params(), normalizers, actionSpec: trackActions };
      const { hash } = loadContinuousTokenizer(latentsFile(folder), Rng.fromSeed(0));
      saveCausalFlowModel(modelFile(folder, kind), parts, hash);
    },
  };
}

function autoregressiveJob(folder: string, replay: LatentReplay, steps: number): Job {
  const config = autoregressive;
  const normalizers = fitNormalizers(replay, trackStateSize);
  const trainer = makeAutoregressiveTrainer({
    config,
    replay,
    normalizers,
    weights: { latent: 1, state: 1, reward: 0.5, termination: 1, draft: 0.2 },
    optimizer: { kind: "muon", adamScale: 0.4, clipNorm: 1 },
    averageDecay: 0.99,
    ownTokens: 0.4,
    rng: Rng.fromSeed([40, 0]),
  });
  const schedule = { peak: 0.005, warmupSteps: 20, totalSteps: steps, decayFraction: 0.5 };
  return {
    steps,
    step: (index, rng) =>
      trainer.step({ batchSize: 8, terminalFraction: 0.15 }, learningRateAt(schedule, index), rng),
    state: () => trainer.state(),
    load: (state) => trainer.load(state),
    save() {
      const parts = { config, params: trainer.params(), normalizers, actionSpec: trackActions };
      saveAutoregressiveModel(
        modelFile(folder, "autoregressive"),
        parts,
        loadDiscreteTokenizer(tokensFile(folder)).hash,
      );
    },
  };
}

/** Train until the job is done or `minutes` are over; what was reached is saved and continued by the next call. */
async function work(job: Job, file: string, minutes: number): Promise<{ done: number; seconds: number }> {
  let [done, seconds] = [0, 0];
  if (existsSync(file)) {
    const { tensors, meta } = loadCheckpoint(file);
    job.load(restoreParams(job.state(), tensors, file) as never);
    ({ done, seconds } = meta as unknown as { done: number; seconds: number });
  }
  const from = performance.now();
  const spent = (): number => (performance.now() - from) / 1000;
  // Minutes of the whole process, which another's lock may bound.
  for (; done < job.steps && performance.now() < 60_000 * minutes; done++) {
    const metrics = await job.step(done, Rng.fromSeed([50, done]));
    if (done % 25 !== 24) continue;
    const facts = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
    console.log(`step ${done + 1} of ${job.steps}, ${spent().toFixed(0)} s: ${facts.join(", ")}`);
  }
  seconds += spent();
  saveCheckpoint(file, job.state(), { kind: "bench-training", done, seconds });
  job.save();
  return { done, seconds };
}

/** One kind's training, to be stepped. */
export function jobOf(kind: Kind, options: JobOptions): Job {
  const { folder, replay, steps } = options;
  if (kind === "autoregressive") return autoregressiveJob(folder, replay, steps);
  if (kind === "causal-flow" || kind === "causal-flow-cross") return causalFlowJob(kind, options);
  return latentJob(folder, kind === "flow" ? "flow" : "deterministic", replay);
}

/** Train a model of `kind`, or go on with it. */
export async function trainModel(
  kind: Kind,
  options: { folder: string; train: readonly Episode[]; steps: number; minutes: number },
): Promise<{ kind: Kind; done: number; seconds: number }> {
  const { folder, train, steps, minutes } = options;
  if (kind !== "autoregressive") await ensureLatents(folder, train);
  const tokens = kind === "autoregressive" ? "tokens" : "latents";
  const encode = remembering(join(folder, `${tokens}.encoded.safetensors`), encoderOf(folder, kind));
  const replay = await encodedReplay(encode, train);
  console.log(`${(performance.now() / 1000).toFixed(0)} s: ${replay.transitions} transitions encoded`);
  const job = jobOf(kind, { folder, replay, steps });
  return { kind, ...(await work(job, join(folder, `${kind}.training.safetensors`), minutes)) };
}

function modelOf(kind: Kind, folder: string, options: { drafting?: boolean }): EncodedWorldModel {
  const file = modelFile(folder, kind);
  if (kind === "autoregressive") {
    const sampling = { temperature: 0, topP: 1 };
    return loadAutoregressiveModel(file, loadDiscreteTokenizer(tokensFile(folder)), { sampling, ...options });
  }
  const tokenizer = loadContinuousTokenizer(latentsFile(folder), Rng.fromSeed(0));
  return kind.startsWith("causal-flow")
    ? loadCausalFlowModel(file, tokenizer)
    : loadLatentModel(file, tokenizer);
}

/** The trained model of `kind`, or nothing where it has not been trained. */
export function loadTrained(
  folder: string,
  kind: Kind,
  options: { drafting?: boolean } = {},
): Trained | undefined {
  if (!existsSync(modelFile(folder, kind))) return undefined;
  const model = modelOf(kind, folder, options);
  return { kind, model, encodeFrames: encoderOf(folder, kind) };
}
