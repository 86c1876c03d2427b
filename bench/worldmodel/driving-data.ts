/** @file Driving data for the world-model benchmarks: the same recorded episodes every time, and clips of them. */

import { zeros, type NdArray } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { lengthOf, type Episode } from "../../src/data/episode.ts";
import { driverChooser, recordedEpisodes } from "../../src/experiment/loop/recording.ts";
import { makeBehaviour } from "../../src/sim/driving/drivers.ts";
import { makeDriveTrackVec } from "../../src/sim/driving/track-env.ts";
import type { Split } from "../../src/sim/driving/world.ts";
import type { ClipSource } from "../../src/tokenizer/video-train.ts";
import type { ActionSpec } from "../../src/worldmodel/worldmodel.ts";

/** What the actions of `DriveTrack-v0` mean. */
export const trackActions: ActionSpec = {
  names: ["steer", "pedal"],
  units: ["rad", "1"],
  kind: "absolute",
  low: [-0.42, -1],
  high: [0.42, 1],
  rateHz: 10,
};

/** Speed, yaw rate, steering. */
export const trackStateSize = 3;

/** `steps` steps of the behaviour policy of DriveTrack-v0 from wide starts, half of its episodes attentive; with `maxEpisodeSteps` calm and attentive ones, that last. */
export async function recordTrack(
  split: Split,
  steps: number,
  seed: number,
  { maxEpisodeSteps }: { maxEpisodeSteps?: number } = {},
): Promise<Episode[]> {
  const long = maxEpisodeSteps !== undefined;
  const env = makeDriveTrackVec({ numEnvs: 20, split, wideStarts: !long, maxEpisodeSteps });
  const driver = makeBehaviour(env, { speedMps: [5, long ? 12 : 15], inattentiveShare: long ? 0 : 0.5 });
  const rng = Rng.fromSeed(seed);
  const episodes = await recordedEpisodes({
    env,
    choose: driverChooser(driver, rng),
    seed,
    steps,
    prefix: split,
    meta: { env: "DriveTrack-v0", split, policy: "behaviour" },
  });
  await env.close();
  return episodes;
}

/** All clips of `frames` frames that lie within an episode. */
export function clipSourceOf(episodes: readonly Episode[], frames: number): ClipSource {
  const long = episodes.filter((episode) => lengthOf(episode) + 1 >= frames);
  const starts = [0];
  for (const episode of long) starts.push(starts[starts.length - 1] + lengthOf(episode) + 2 - frames);
  const size = 64 * 64 * 3;
  return {
    count: starts[starts.length - 1],
    gather(indices, out) {
      for (let k = 0; k < indices.length; k++) {
        const which = starts.findLastIndex((start) => start <= indices[k]);
        const at = (indices[k] - starts[which]) * size;
        out.data.set(long[which].frames.data.subarray(at, at + frames * size), k * frames * size);
      }
    },
  };
}

/** `count` random clips uint8 [count, frames, 64, 64, 3]. */
export function randomClips(
  episodes: readonly Episode[],
  shape: { count: number; frames: number },
  rng: Rng,
): NdArray<"uint8"> {
  const source = clipSourceOf(episodes, shape.frames);
  const out = zeros("uint8", [shape.count, shape.frames, 64, 64, 3]);
  const indices = Int32Array.from({ length: shape.count }, () => Math.floor(rng.random() * source.count));
  source.gather(indices, out);
  return out;
}
