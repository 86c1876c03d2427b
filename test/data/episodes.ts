/** @file Small episodes with contents that can be told apart. */

import { float32, ndarray } from "../../src/core/ndarray.ts";
import type { NdArray } from "../../src/core/ndarray.ts";
import type { Episode } from "../../src/data/episode.ts";

/** Count up from `start`: float32 of `shape`. */
export function counting(shape: readonly number[], start = 0): NdArray<"float32"> {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return float32(
    Array.from({ length: size }, (_, i) => start + i),
    shape,
  );
}

/** An episode of `steps` steps with 2 × 3 frames. */
export function smallEpisode(id: string, steps = 4): Episode {
  const shape = [steps + 1, 2, 3, 3];
  const pixels = Uint8Array.from({ length: (steps + 1) * 18 }, (_, i) => (i * 7 + id.length) % 256);
  return {
    id,
    meta: { env: "DriveTrack-v0", seed: 7, notes: ["schräg", null, 0.1] },
    frames: ndarray("uint8", shape, pixels),
    states: counting([steps + 1, 3], 100),
    actions: counting([steps, 2], 0.25),
    rewards: counting([steps], -1),
    terminated: true,
    truncated: false,
  };
}
