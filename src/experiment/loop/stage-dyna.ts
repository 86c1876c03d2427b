/** @file The stage of Dyna rounds: the policy records real episodes, the model learns from them, the policy dreams on from them. */

import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../core/errors.ts";
import { saveEpisode } from "../../data/episode-store.ts";
import type { Episode } from "../../data/episode.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { dropPartials, stepRng } from "../training-loop.ts";
import { safePoint } from "../stages.ts";
import { policyChooser, recordEpisodes } from "./recording.ts";
import { dream, loadDreamer, saveLearner, type Dreamer } from "./stage-imagination.ts";
import { dropTrainer, loadTrainer, makeModelTrainer, saveModel, saveTrainer } from "./stage-worldmodel.ts";
import type { LatentReplay } from "../../worldmodel/contexts.ts";
import { fitNormalizers, type Normalizers } from "../../worldmodel/normalizers.ts";
import type { EnsembleTrainer } from "../../worldmodel/latent/train.ts";
import { partsOf, type LoopTask } from "./task.ts";
import type { Workspace } from "./workspace.ts";

const prefixOf = (round: number): string => `round${String(round).padStart(2, "0")}`;

/** Remove episodes that a killed session recorded in rounds after `round`. */
function dropLaterRounds(work: Workspace, round: number): void {
  const folder = work.episodeFolder("rounds");
  if (!existsSync(folder)) return;
  for (const file of readdirSync(folder)) {
    if (file.startsWith("round") && file >= prefixOf(round + 1)) rmSync(join(folder, file));
  }
  work.forgetEpisodes("rounds");
}

/** Record real steps of the present policy on training worlds of `task`; every second row without exploration. */
async function recordTask(
  work: Workspace,
  { task, dreamer, round }: { task: LoopTask; dreamer: Dreamer; round: number },
): Promise<Episode[]> {
  const tasks = partsOf(work.task).length;
  const frames = work.config.imagination.roundFrames / tasks;
  const numEnvs = Math.max(1, Math.round(frames / task.episodeSteps));
  const env = await task.makeEnv({ numEnvs, split: "train" });
  const episodes: Episode[] = [];
  const rng = stepRng(work.seed, "record", round);
  await recordEpisodes({
    env,
    choose: policyChooser(work.model(), dreamer.policy, rng, { everySecondRowExplores: true }),
    seed: work.seed * 100_003 + 4_000_000 + round * 1000,
    steps: frames,
    prefix: tasks === 1 ? prefixOf(round) : `${prefixOf(round)}-${task.id}`,
    meta: { env: task.id, split: "train", policy: "imagination", round, seed: work.seed },
    async onEpisode(episode) {
      await saveEpisode(work.episodeFolder("rounds"), episode);
      episodes.push(episode);
      await safePoint(work.context.signal);
    },
  });
  await env.close();
  return episodes;
}

/** Record `roundFrames` real steps of the present policy, of every task of a union as many. */
async function record(work: Workspace, dreamer: Dreamer, round: number): Promise<Episode[]> {
  const episodes: Episode[] = [];
  for (const task of partsOf(work.task)) episodes.push(...(await recordTask(work, { task, dreamer, round })));
  return episodes;
}

/** Train every member some more, half of the windows from the rounds' episodes. */
async function refreshModel(
  work: Workspace,
  trainer: EnsembleTrainer,
  options: { round: number; recentEpisodes: number },
): Promise<void> {
  const { roundModelSteps, modelRecentFraction: recentFraction } = work.config.imagination;
  const { phases, members } = work.config.worldmodel;
  const last = phases[phases.length - 1];
  const phase = { ...last, recentFraction, recentEpisodes: options.recentEpisodes };
  const name = `model-round-${work.seed}-${options.round}`;
  for (let i = 0; i < roundModelSteps * members; i++) {
    await trainer.step(i % members, phase, last.learningRate * 0.4, stepRng(work.seed, name, i));
    if (i % 8 === 0) await safePoint(work.context.signal);
  }
  work.useModel(work.model().withMembers(trainer.members()));
}

/** What a round changes, as the last finished round left it. */
interface Rounds {
  readonly replay: LatentReplay;
  readonly normalizers: Normalizers;
  readonly trainer: EnsembleTrainer;
  readonly dreamer: Dreamer;
  /** The round that was finished last. */
  readonly done: number;
  /** The round of every episode that the rounds recorded, in the replay's order. */
  readonly recorded: number[];
}

async function openRounds(work: Workspace): Promise<Rounds> {
  const replay = await work.replay("train");
  const normalizers = fitNormalizers(replay, work.task.stateSize);
  const trainer = makeModelTrainer(work, replay, normalizers);
  const { round: done, ...dreamer } = loadDreamer(work);
  loadTrainer(work, trainer, done);
  work.useModel(work.model().withMembers(trainer.members()));
  dropLaterRounds(work, done);
  const earlier = done === 0 ? [] : await work.episodes("rounds");
  await work.learnFrom(replay, earlier);
  return {
    replay,
    normalizers,
    trainer,
    dreamer,
    done,
    recorded: earlier.map(({ meta }) => meta.round as number),
  };
}

/** Share of the anchor's pull in `round`: it falls to nothing over the config's rounds. */
function anchorShareOf({ config }: Workspace, round: number): number {
  const { anchorRounds } = config.imagination;
  return anchorRounds === 0 ? 1 : Math.max(0, 1 - round / anchorRounds);
}

/** What is left of a round once its episodes are recorded: the model learns from them, and the policy dreams on. */
async function learnRound(
  work: Workspace,
  state: Rounds,
  { round, episodes }: { round: number; episodes: readonly Episode[] },
): Promise<void> {
  const { rounds, iterations, roundIterations, recentFraction, recentRounds, learningRate } =
    work.config.imagination;
  const { replay, normalizers, trainer, dreamer } = state;
  const from = (round - 1) / rounds;
  await work.learnFrom(replay, episodes);
  state.recorded.push(...episodes.map(() => round));
  const recent = state.recorded.filter((recorded) => recorded > round - recentRounds);
  const recentEpisodes = recent.length * work.copies;
  await refreshModel(work, trainer, { round, recentEpisodes });
  const name = `dyna-${work.seed}-round${String(round).padStart(2, "0")}`;
  const totalSteps = rounds * roundIterations;
  const schedule = { peak: learningRate, warmupSteps: 1, totalSteps, decayFraction: 0.5 };
  await dream(work, dreamer, {
    name,
    iterations: roundIterations,
    warmup: 0,
    recentFraction,
    recentEpisodes,
    ownEpisodes: recentEpisodes,
    learningRate: (i) => learningRateAt(schedule, (round - 1) * roundIterations + i),
    anchorShare: anchorShareOf(work, round),
    validationEvery: roundIterations,
    curve: { name: `imagination-${work.seed}`, offset: iterations + (round - 1) * roundIterations },
    span: [from + 0.4 / rounds, from + 1 / rounds],
  });
  dropPartials(work.context, [name]);
  saveModel(work, trainer, normalizers);
  saveTrainer(work, trainer, round);
  // The learner's file names the round to go on from: it comes last.
  saveLearner(work, dreamer.learner, round);
  dropTrainer(work, round - 1);
}

async function runRound(work: Workspace, state: Rounds, round: number): Promise<void> {
  work.context.progress((round - 1) / work.config.imagination.rounds, `round ${round}: recording`);
  await learnRound(work, state, { round, episodes: await record(work, state.dreamer, round) });
}

/**
 * The next round from episodes that were recorded elsewhere, on a robot say: they are kept in the run's folder, the model
 * learns from them, and the policy dreams on. Returns the round's number.
 * @throws INVALID_ARGUMENT when the config has no further round
 */
export async function feedRound(work: Workspace, recorded: readonly Episode[]): Promise<number> {
  const state = await openRounds(work);
  const round = state.done + 1;
  const { rounds } = work.config.imagination;
  if (round > rounds) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no round is left for these episodes",
      expected: `imagination.rounds of ${round} or more`,
      got: String(rounds),
      fix: "raise it: the learning rate decays over all rounds",
    });
  }
  const episodes = recorded.map((episode, i) => ({
    ...episode,
    id: `${prefixOf(round)}-${String(i).padStart(5, "0")}`,
    meta: { ...episode.meta, policy: "imagination", round, seed: work.seed },
  }));
  for (const episode of episodes) await saveEpisode(work.episodeFolder("rounds"), episode);
  await learnRound(work, state, { round, episodes });
  return round;
}

/** All rounds after the one that was finished last; a killed round is done again from its beginning. */
export async function dynaRounds(work: Workspace): Promise<void> {
  const { rounds } = work.config.imagination;
  if (rounds === 0) return;
  const state = await openRounds(work);
  for (let round = state.done + 1; round <= rounds; round++) await runRound(work, state, round);
}
