/** @file Recorded episodes as a source of frames to train a tokenizer on. */

import type { Episode } from "../data/episode.ts";
import type { FrameSource } from "./train.ts";

/** All frames of `episodes`, which are of one size, by one index. */
export function frameSourceOf(episodes: readonly Episode[]): FrameSource {
  const starts = [0];
  for (const { frames } of episodes) starts.push(starts[starts.length - 1] + frames.shape[0]);
  return {
    count: starts[starts.length - 1],
    gather(indices, out) {
      const size = out.data.length / out.shape[0];
      for (let k = 0; k < indices.length; k++) {
        let [low, high] = [0, episodes.length - 1];
        while (low < high) {
          const middle = (low + high + 1) >> 1;
          if (starts[middle] <= indices[k]) low = middle;
          else high = middle - 1;
        }
        const at = (indices[k] - starts[low]) * size;
        out.data.set(episodes[low].frames.data.subarray(at, at + size), k * size);
      }
    },
  };
}
