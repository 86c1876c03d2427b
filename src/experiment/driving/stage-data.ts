/** @file Stages that make the data: recording real episodes, and the tokenizer that turns their frames into latents. */

import { rmSync } from "node:fs";
import { rows, zeros } from "../../core/ndarray.ts";
import { saveEpisode } from "../../data/episode-store.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { saveContinuousTokenizer, type ContinuousConfig } from "../../tokenizer/continuous.ts";
import { drawFrames, makeTokenizerTrainer, reconstructionPsnr } from "../../tokenizer/train.ts";
import { safePoint } from "../stages.ts";
import { dropPartials, trainLoop } from "../training-loop.ts";
import { recordEpisodes } from "./recording.ts";
import { makeTaskBehaviour, makeTaskEnv } from "./task.ts";
import { frameSourceOf, type Workspace } from "./workspace.ts";

/** Record `config.collect.frames` steps of the behaviour policy on training worlds, and some on validation worlds. */
export async function collect(work: Workspace): Promise<void> {
  const { config, context } = work;
  const totals = { steps: 0, crashes: 0, episodes: 0, return: 0 };
  for (const split of ["train", "validation"] as const) {
    const folder = work.episodeFolder(split);
    rmSync(folder, { recursive: true, force: true });
    const env = makeTaskEnv(config.env, { numEnvs: config.collect.numEnvs, split, wideStarts: true });
    const driver = makeTaskBehaviour(work.config, env);
    const rng = work.rng(`behaviour-${split}`);
    const training = split === "train";
    await recordEpisodes({
      env,
      choose: async (_observation, begins) => {
        driver.begin(begins);
        return driver.act(rng);
      },
      seed: work.seed * 100_003 + (training ? 1_000_000 : 2_000_000),
      ...(training ? { steps: config.collect.frames } : { episodes: config.collect.validationEpisodes }),
      prefix: split,
      meta: { env: config.env, split, policy: "behaviour", seed: work.seed },
      onEpisode: async (episode) => {
        await saveEpisode(folder, episode);
        await safePoint(context.signal);
        if (!training) return;
        totals.episodes++;
        totals.crashes += episode.terminated ? 1 : 0;
        totals.steps += episode.rewards.data.length;
        totals.return += episode.rewards.data.reduce((a, b) => a + b, 0);
      },
      onProgress: (steps) => context.progress(Math.min(0.95, steps / config.collect.frames)),
    });
    await env.close();
  }
  const { episodes, crashes, steps } = totals;
  context.metrics.rewind(`collect-${work.seed}`, -1);
  context.metrics.log(`collect-${work.seed}`, 0, { episodes, crashes, steps, meanReturn: totals.return / episodes });
  context.log(`collected ${steps} real steps in ${episodes} episodes, ${crashes} of them crashed`);
}

/** Train the tokenizer on training frames and save it with its normalizer. */
export async function trainTokenizer(work: Workspace): Promise<void> {
  const { config, context } = work;
  const { steps, learningRate, batchSize, averageDecay, patch, dim, heads, encoderBlocks, decoderBlocks, channels, latentNoise, rarityWeight } =
    config.tokenizer;
  const architecture: ContinuousConfig = { size: 64, patch, dim, heads, encoderBlocks, decoderBlocks, channels, latentNoise, rarityWeight };
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
  await trainLoop(context, {
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
  const validation = frameSourceOf(await work.episodes("validation"));
  const frames = drawFrames(validation, work.rng("psnr"), zeros("uint8", [Math.min(1024, validation.count), 64, 64, 3]));
  const psnr = await reconstructionPsnr(work.tokenizer(), rows(frames, 0, frames.shape[0]));
  context.metrics.log(name, steps, { validationPsnr: psnr });
  context.log(`tokenizer: ${psnr.toFixed(2)} dB on validation worlds`);
  dropPartials(context, [name]);
}
