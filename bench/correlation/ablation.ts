/** @file World models trained on a finished run's recordings, with and without the episodes that ended in a crash. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { Rng } from "../../src/core/rng.ts";
import { lengthOf, type Episode } from "../../src/data/episode.ts";
import { drivingSchema, type DrivingConfig } from "../../src/experiment/driving/config.ts";
import { denoiserConfigOf } from "../../src/experiment/loop/stage-worldmodel.ts";
import { drivingTask, stateSize } from "../../src/experiment/driving/task.ts";
import { Workspace } from "../../src/experiment/loop/workspace.ts";
import { loadCheckpoint } from "../../src/nn/checkpoint.ts";
import { learningRateAt } from "../../src/nn/schedules.ts";
import { loadLatentModel, saveLatentModel } from "../../src/worldmodel/latent/checkpoint.ts";
import type { LatentReplay } from "../../src/worldmodel/contexts.ts";
import type { LatentWorldModel } from "../../src/worldmodel/latent/latent-model.ts";
import { makeLatentReplay } from "../../src/worldmodel/latent/latent-replay.ts";
import { fitNormalizers, type Normalizers } from "../../src/worldmodel/normalizers.ts";
import { makeEnsembleTrainer } from "../../src/worldmodel/latent/train.ts";

/** Which recordings a model was trained on; both sets hold the same number of steps. */
export const diets = ["with", "without"] as const;
export type Diet = (typeof diets)[number];

/** The workspace of a finished run's seed; nothing in it is written to. */
export function openRun(path: string): Workspace {
  const config: DrivingConfig = drivingSchema.parse(parse(readFileSync(join(path, "config.yaml"), "utf8")));
  const files = { path, file: (...parts: string[]) => join(path, ...parts), log: console.error };
  return new Workspace(drivingTask(config), config, files, config.seed);
}

const framesOf = (episodes: readonly Episode[]): number =>
  episodes.reduce((sum, episode) => sum + lengthOf(episode), 0);

/** Everything that the run recorded for training, or the part of it that the diet allows. */
async function episodesFor(work: Workspace, diet: Diet): Promise<Episode[]> {
  const all = [...(await work.episodes("train")), ...(await work.episodes("rounds"))];
  const calm = all.filter(({ terminated }) => !terminated);
  if (diet === "without") return calm;
  const left = [...all];
  const chosen: Episode[] = [];
  const rng = Rng.fromSeed([70, work.seed]);
  for (let frames = framesOf(calm); frames > 0 && left.length > 0;) {
    const [episode] = left.splice(Math.floor(rng.random() * left.length), 1);
    chosen.push(episode);
    frames -= lengthOf(episode);
  }
  return chosen;
}

/** Where the model of a diet is kept. */
export const ablationFile = (folder: string, work: Workspace, diet: Diet): string =>
  join(folder, `seed-${work.seed}-${diet}.safetensors`);

/** State statistics as the run's own model has them: its policies read states in that scale. */
function normalizersFor(work: Workspace, replay: LatentReplay): Normalizers {
  const own = loadCheckpoint(work.file("worldmodel.safetensors")).meta.normalizers as Normalizers;
  return {
    ...fitNormalizers(replay, work.task.stateSize),
    stateMean: own.stateMean,
    stateScale: own.stateScale,
  };
}

async function trainMember(work: Workspace, replay: LatentReplay, normalizers: Normalizers) {
  const { phases, weights, averageDecay, contextNoise } = work.config.worldmodel;
  const trainer = makeEnsembleTrainer({
    config: denoiserConfigOf(work),
    replay,
    normalizers,
    weights,
    optimizer: { kind: "muon", adamScale: 0.25, clipNorm: 1 },
    averageDecay,
    contextNoise,
    initRngs: [work.rng("ablation")],
  });
  for (const [index, phase] of phases.entries()) {
    const schedule = {
      peak: phase.learningRate,
      warmupSteps: 20,
      totalSteps: phase.steps,
      decayFraction: 0.5,
    };
    const recent = { recentFraction: 0, recentEpisodes: 1 };
    for (let i = 0; i < phase.steps; i++) {
      const rng = Rng.fromSeed([71, work.seed, index, i]);
      await trainer.step(0, { ...phase, ...recent }, learningRateAt(schedule, i), rng);
    }
  }
  return trainer.members();
}

/** Train one model by the run's own recipe, a single member of it, unless its file is there. */
export async function trainAblation(path: string, folder: string, diet: Diet): Promise<void> {
  const work = openRun(path);
  const file = ablationFile(folder, work, diet);
  if (existsSync(file)) return;
  const started = performance.now();
  const episodes = await episodesFor(work, diet);
  const sizes = { stateSize, actionSize: work.task.actionSpec.names.length };
  const replay = makeLatentReplay(work.tokenizer(), sizes);
  await work.learnFrom(replay, episodes);
  const normalizers = normalizersFor(work, replay);
  const members = await trainMember(work, replay, normalizers);
  const actionSpec = work.task.actionSpec;
  saveLatentModel(
    file,
    { config: denoiserConfigOf(work), members, normalizers, actionSpec },
    work.tokenizer().hash,
  );
  const crashes = episodes.filter(({ terminated }) => terminated).length;
  const facts = `${episodes.length} episodes, ${crashes} of them crashed, ${framesOf(episodes)} steps`;
  console.log(`${file}: ${facts}, ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

/** The trained model of a diet. @throws IO_FAILED before `trainAblation` */
export function loadAblation(work: Workspace, folder: string, diet: Diet): LatentWorldModel {
  return loadLatentModel(ablationFile(folder, work, diet), work.tokenizer());
}
