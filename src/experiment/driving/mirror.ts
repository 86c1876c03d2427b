/** @file The mirror image of a driven episode: left and right are alike, so it is as true as the original. */

import { zeros, type NdArray } from "../../core/ndarray.ts";
import type { Episode } from "../../data/episode.ts";

/** Columns of `state` that change their sign: yaw rate and steering angle. */
const signedStates = [1, 2];
/** Columns of the action that change their sign: steering. */
const signedActions = [0];

/** Frames reflected left to right; yaw rate, steering angle and steering action negated; all else as it was. */
export function mirrored(episode: Episode): Episode {
  return {
    ...episode,
    frames: reflected(episode.frames),
    states: negated(episode.states, signedStates),
    actions: negated(episode.actions, signedActions),
  };
}

/** x [T, H, W, C] with W reversed. */
function reflected(x: NdArray<"uint8">): NdArray<"uint8"> {
  const [count, height, width, channels] = x.shape;
  const out = zeros("uint8", x.shape);
  for (let row = 0; row < count * height; row++) {
    const from = row * width * channels;
    const to = from + (width - 1) * channels;
    for (let at = 0; at < width * channels; at += channels) {
      for (let c = 0; c < channels; c++) out.data[to - at + c] = x.data[from + at + c];
    }
  }
  return out;
}

/** x [T, D] with some columns negated. */
function negated(x: NdArray<"float32">, columns: readonly number[]): NdArray<"float32"> {
  const data = x.data.slice();
  const width = x.shape[1];
  for (let at = 0; at < data.length; at += width) for (const c of columns) data[at + c] = -data[at + c];
  return { ...x, data };
}
