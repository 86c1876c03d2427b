/** @file The stage that trains the world model's ensemble on encoded episodes. */

import { rmSync } from "node:fs";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../nn/checkpoint.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { saveLatentModel } from "../../worldmodel/latent/checkpoint.ts";
import type { LatentReplay } from "../../worldmodel/contexts.ts";
import type { DenoiserConfig } from "../../worldmodel/latent/denoiser.ts";
import { fitNormalizers, type Normalizers } from "../../worldmodel/normalizers.ts";
import { makeEnsembleTrainer, type EnsembleTrainer } from "../../worldmodel/latent/train.ts";
import { dropPartials, trainLoop } from "../training-loop.ts";
import type { Workspace } from "./workspace.ts";

/** Architecture of a member under this config. */
export function denoiserConfigOf(work: Workspace): DenoiserConfig {
  const { form, contextLength, dim, heads, blocks, samplingSteps } = work.config.worldmodel;
  const { tokens, channels } = work.tokenizer();
  const { stateSize, actionSpec } = work.task;
  const actionSize = actionSpec.names.length;
  return { form, contextLength, tokens, channels, stateSize, actionSize, dim, heads, blocks, samplingSteps };
}

/** A trainer over `replay`; its optimizer state goes on over Dyna rounds. */
export function makeModelTrainer(
  work: Workspace,
  replay: LatentReplay,
  normalizers: Normalizers,
): EnsembleTrainer {
  const { members, weights, averageDecay, contextNoise } = work.config.worldmodel;
  return makeEnsembleTrainer({
    config: denoiserConfigOf(work),
    replay,
    normalizers,
    weights,
    optimizer: { kind: "muon", adamScale: 0.25, clipNorm: 1 },
    averageDecay,
    contextNoise,
    initRngs: Array.from({ length: members }, (_, i) => work.rng(`member-${i}`)),
  });
}

/** Save the trainer's members as the seed's world model. */
export function saveModel(work: Workspace, trainer: EnsembleTrainer, normalizers: Normalizers): void {
  const parts = {
    config: denoiserConfigOf(work),
    members: trainer.members(),
    normalizers,
    actionSpec: work.task.actionSpec,
  };
  saveLatentModel(work.file("worldmodel.safetensors"), parts, work.tokenizer().hash);
  work.useModel(undefined);
}

const trainerFile = (work: Workspace, round: number): string =>
  work.file("training", `worldmodel-round${round}.safetensors`);

/** Keep the optimizers' state for Dyna rounds, as it is after `round`. */
export function saveTrainer(work: Workspace, trainer: EnsembleTrainer, round: number): void {
  saveCheckpoint(trainerFile(work, round), trainer.state(), { kind: "ensemble-state", round });
}

/** The optimizers' state of a round that is over is not needed any more. */
export function dropTrainer(work: Workspace, round: number): void {
  rmSync(trainerFile(work, round), { force: true });
}

/** Go on where the trainer was after `round`. */
export function loadTrainer(work: Workspace, trainer: EnsembleTrainer, round: number): void {
  const path = trainerFile(work, round);
  trainer.load(restoreParams(trainer.state(), loadCheckpoint(path).tensors, path));
}

/** Train all members through the phases of the config. */
export async function trainWorldModel(work: Workspace): Promise<void> {
  const { config, context } = work;
  const { phases, members } = config.worldmodel;
  const replay = await work.replay("train");
  const normalizers = fitNormalizers(replay, work.task.stateSize);
  const trainer = makeModelTrainer(work, replay, normalizers);
  const total = phases.reduce((sum, phase) => sum + phase.steps * (phase.horizon + 1), 0);
  const names: string[] = [];
  let before = 0;
  for (const [index, phase] of phases.entries()) {
    const share = (phase.steps * (phase.horizon + 1)) / total;
    const name = `worldmodel-${work.seed}-phase${index + 1}`;
    const schedule = {
      peak: phase.learningRate,
      warmupSteps: 20,
      totalSteps: phase.steps,
      decayFraction: 0.5,
    };
    names.push(name);
    await trainLoop(context, {
      name,
      steps: phase.steps * members,
      state: () => trainer.state(),
      load: (state) => trainer.load(state),
      step: (i, rng) => {
        const rate = learningRateAt(schedule, Math.floor(i / members));
        return trainer.step(i % members, { ...phase, recentFraction: 0, recentEpisodes: 1 }, rate, rng);
      },
      span: [before, before + share],
      note: ({ latent, termination }) => `latent ${latent.toFixed(3)}, end ${termination.toFixed(4)}`,
    });
    before += share;
  }
  saveModel(work, trainer, normalizers);
  saveTrainer(work, trainer, 0);
  dropPartials(context, names);
}
