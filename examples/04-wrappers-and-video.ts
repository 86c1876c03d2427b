/** @file Wrappers: what a pixel learner wants, a video of every episode, the same episode again from its file, statistics kept. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { make, makeVec, wrappers } from "../src/index.ts";
import type { EpisodeLog, NdArray } from "../src/index.ts";

/** Four grey 32 × 32 frames of the driving task, stacked; actions held for two steps; rewards of unit variance. */
export async function pixelStack(numEnvs = 2): Promise<{ printed: string; shape: readonly number[] }> {
  const driving = await makeVec("DriveTrack-v0", { numEnvs, observation: "frame", autoreset: "same-step" });
  const grey = wrappers.GrayscaleObservation(wrappers.ResizeObservation(driving, { shape: [32, 32] }));
  const stacked = wrappers.FrameStackObservation(grey, { stackSize: 4 });
  const envs = wrappers.NormalizeReward(wrappers.RepeatAction(stacked, { numRepeats: 2 }));
  const { observations } = await envs.reset({ seed: 0 });
  await envs.close();
  return { printed: String(envs), shape: (observations as NdArray).shape };
}

/** Record one episode, then play the very same one from the JSON beside the video. */
export async function recordAndReplay(folder: string): Promise<{ steps: number; same: boolean }> {
  const env = wrappers.RecordVideo(make("CartPole-v1", { renderMode: "rgb_array" }), {
    videoFolder: folder,
    episodeTrigger: (episode) => episode === 0,
  });
  env.reset({ seed: 3 });
  env.actionSpace.seed(3);
  const seen: number[] = [];
  for (let ended = false; !ended;) {
    const { observation, terminated, truncated } = env.step(env.actionSpace.sample());
    seen.push(...observation.data);
    ended = terminated || truncated;
  }
  env.close();
  await wrappers.getWrapperAttr(env, "finished");
  const log = JSON.parse(await readFile(join(folder, "rl-video-episode-0.json"), "utf8")) as EpisodeLog;
  const again = wrappers.replayEpisode(make("CartPole-v1", log.kwargs), log);
  const replayed = again.flatMap(({ observation }) => [...observation.data]);
  return { steps: again.length, same: String(replayed) === String(seen) };
}

/** Running statistics go into a checkpoint as plain JSON, and on from there in another process. */
export async function keepStatistics(steps = 100): Promise<boolean> {
  const open = async () =>
    wrappers.NormalizeObservation(
      wrappers.RecordEpisodeStatistics(await makeVec("Pendulum-v1", { numEnvs: 4 })),
    );
  const envs = await open();
  await envs.reset({ seed: 0 });
  for (let t = 0; t < steps; t++) await envs.step(envs.actionSpace.sample());
  const checkpoint = JSON.stringify(wrappers.saveWrappers(envs));
  const later = await open();
  wrappers.loadWrappers(later, JSON.parse(checkpoint) as Record<string, unknown>);
  return JSON.stringify(wrappers.saveWrappers(later)) === checkpoint;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const folder = process.argv[2] ?? "runs/examples/04";
  console.log(await pixelStack());
  console.log(await recordAndReplay(folder), `video in ${folder}`);
  console.log("statistics survive a checkpoint:", await keepStatistics());
}
