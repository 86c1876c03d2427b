/** @file Stages that make the data: recording real episodes, and the tokenizer that turns their frames into latents. */

import { rmSync } from "node:fs";
import { zeros } from "../../core/ndarray.ts";
import type { Episode } from "../../data/episode.ts";
import { saveEpisode } from "../../data/episode-store.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { saveContinuousTokenizer, type ContinuousConfig } from "../../tokenizer/continuous.ts";
import { frameSourceOf } from "../../tokenizer/frame-source.ts";
import { drawFrames, makeTokenizerTrainer, reconstructionPsnr } from "../../tokenizer/train.ts";
import { safePoint } from "../stages.ts";
import { dropPartials, trainLoop } from "../training-loop.ts";
import { driverChooser, recordEpisodes } from "./recording.ts";
import { takeStoredEpisodes } from "./stored-episodes.ts";
import { partsOf, stressTag, type LoopTask } from "./task.ts";
import type { Workspace } from "./workspace.ts";

const frameSize = 64;

/** One part of the recording. */
interface Part {
  readonly prefix: string;
  readonly split: "train" | "validation";
  readonly stress: boolean;
  /** Enough: so many steps, or so many episodes. */
  readonly until: { readonly steps: number } | { readonly episodes: number };
  readonly seed: number;
}

function recordings({ config, seed }: Workspace): Part[] {
  const { frames, stressFraction, validationEpisodes } = config.collect;
  const stressed = Math.round(frames * stressFraction);
  const base = seed * 100_003;
  const parts: Part[] = [
    {
      prefix: "train",
      split: "train",
      stress: false,
      until: { steps: frames - stressed },
      seed: base + 1_000_000,
    },
    {
      prefix: "validation",
      split: "validation",
      stress: false,
      until: { episodes: validationEpisodes },
      seed: base + 2_000_000,
    },
  ];
  const stress: Part = {
    prefix: "stress",
    split: "train",
    stress: true,
    until: { steps: stressed },
    seed: base + 3_000_000,
  };
  return stressed === 0 ? parts : [...parts, stress];
}

/** So much of it for each of `tasks` tasks. */
function shared(until: Part["until"], tasks: number): Part["until"] {
  return "steps" in until
    ? { steps: Math.round(until.steps / tasks) }
    : { episodes: Math.ceil(until.episodes / tasks) };
}

/** One part of the recording for one task; every task of a union gives as much as the others. */
async function recordPart(
  work: Workspace,
  { task, part }: { task: LoopTask; part: Part },
  onEpisode: (episode: Episode) => void,
): Promise<void> {
  const { config, context } = work;
  const tasks = partsOf(work.task).length;
  const { numEnvs, frames, stressSteps } = config.collect;
  const { split, stress, prefix, seed } = part;
  const kwargs = { split, wideStarts: true, ...(stress ? { maxEpisodeSteps: stressSteps } : {}) };
  const env = await task.makeEnv({ numEnvs, ...kwargs });
  const driver = task.behaviour(env, stress);
  const rng = work.rng(`behaviour-${prefix}`);
  await recordEpisodes({
    env,
    choose: driverChooser(driver, rng),
    seed,
    ...shared(part.until, tasks),
    prefix: tasks === 1 ? prefix : `${prefix}-${task.id}`,
    meta: { env: task.id, kwargs, split, policy: stress ? stressTag : "behaviour", seed: work.seed },
    onEpisode: async (episode) => {
      await saveEpisode(work.episodeFolder(split), episode);
      await safePoint(context.signal);
      onEpisode(episode);
    },
    onProgress: (steps) => context.progress(Math.min(0.95, (steps * tasks) / frames), prefix),
  });
  await env.close();
}

/** Take the episodes of `collect.from` instead of recording. */
async function takeStored(
  work: Workspace,
  from: string,
  onEpisode: (episode: Episode) => void,
): Promise<void> {
  const { config, context } = work;
  const { frames, validationEpisodes } = config.collect;
  await takeStoredEpisodes({
    from,
    folderOf: (split) => work.episodeFolder(split),
    form: {
      frame: [frameSize, frameSize, 3],
      states: work.task.stateSize,
      actions: work.task.actionSpec.names.length,
    },
    frames,
    validationEpisodes,
    log: (line) => context.log(line),
    onEpisode: async (episode) => {
      await safePoint(context.signal);
      onEpisode(episode);
    },
  });
}

/**
 * Record `config.collect.frames` steps of the behaviour policy on training worlds, and some on validation worlds; or
 * take them from the folder `config.collect.from`.
 */
export async function collect(work: Workspace): Promise<void> {
  const { context } = work;
  const { ends, ended } = work.task.words;
  const totals = { steps: 0, ended: 0, episodes: 0, return: 0 };
  const count = ({ rewards, terminated }: Episode): void => {
    totals.episodes++;
    totals.ended += terminated ? 1 : 0;
    totals.steps += rewards.data.length;
    totals.return += rewards.data.reduce((a, b) => a + b, 0);
  };
  for (const split of ["train", "validation"])
    rmSync(work.episodeFolder(split), { recursive: true, force: true });
  const { from } = work.config.collect;
  if (from !== undefined) await takeStored(work, from, count);
  else {
    for (const part of recordings(work)) {
      for (const task of partsOf(work.task))
        await recordPart(work, { task, part }, (episode) => part.split === "train" && count(episode));
    }
  }
  const { episodes, steps } = totals;
  context.metrics.rewind(`collect-${work.seed}`, -1);
  context.metrics.log(`collect-${work.seed}`, 0, {
    episodes,
    [ends]: totals.ended,
    steps,
    meanReturn: totals.return / episodes,
  });
  context.log(`collected ${steps} real steps in ${episodes} episodes, ${totals.ended} of them ${ended}`);
}

/** Log the reconstruction quality on validation worlds. */
async function measureTokenizer(work: Workspace, name: string): Promise<void> {
  const { context, config } = work;
  const validation = frameSourceOf(await work.episodes("validation"));
  const frames = zeros("uint8", [Math.min(1024, validation.count), frameSize, frameSize, 3]);
  const psnr = await reconstructionPsnr(work.tokenizer(), drawFrames(validation, work.rng("psnr"), frames));
  context.metrics.log(name, config.tokenizer.steps, { validationPsnr: psnr });
  context.log(`tokenizer: ${psnr.toFixed(2)} dB on validation worlds`);
}

/** Train the tokenizer on training frames and save it with its normalizer. */
export async function trainTokenizer(work: Workspace): Promise<void> {
  const { steps, learningRate, batchSize, averageDecay, ...layers } = work.config.tokenizer;
  const architecture: ContinuousConfig = { size: frameSize, ...layers };
  const trainer = makeTokenizerTrainer({
    config: architecture,
    optimizer: { kind: "muon", adamScale: 0.4 },
    batchSize,
    averageDecay,
    source: frameSourceOf(await work.episodes("train")),
    rng: work.rng("tokenizer"),
  });
  const name = `tokenizer-${work.seed}`;
  const schedule = { peak: learningRate, warmupSteps: 20, totalSteps: steps, decayFraction: 0.5 };
  await trainLoop(work.context, {
    name,
    steps,
    state: () => trainer.state(),
    load: (state) => trainer.load(state),
    step: (i, rng) => trainer.step(learningRateAt(schedule, i), rng),
    span: [0, 0.95],
    note: ({ psnr }) => `${psnr.toFixed(1)} dB`,
  });
  const { params, normalizer } = await trainer.finish(2048, work.rng("normalizer"));
  saveContinuousTokenizer(work.file("tokenizer.safetensors"), { config: architecture, params, normalizer });
  await measureTokenizer(work, name);
  dropPartials(work.context, [name]);
}
