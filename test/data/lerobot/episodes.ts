/** @file Episodes whose contents say where they belong. */

import { float32, ndarray } from "../../../src/core/ndarray.ts";
import type { NdArray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import type { Episode } from "../../../src/data/episode.ts";

/** Smooth frames uint8 [count, size, size, 3] that move with time. */
export function movingFrames(count: number, size = 16, phase = 0): NdArray<"uint8"> {
  const data = new Uint8Array(count * size * size * 3);
  for (let t = 0; t < count; t++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const at = ((t * size + y) * size + x) * 3;
        data[at] = 128 + 100 * Math.sin((x + 2 * t + phase) / 5);
        data[at + 1] = 128 + 100 * Math.cos((y - t) / 6);
        data[at + 2] = (t * 9 + phase * 40) % 256;
      }
    }
  }
  return ndarray("uint8", [count, size, size, 3], data);
}

/** How an episode ended. */
export interface Ends {
  readonly terminated: boolean;
  readonly truncated: boolean;
}

/**
 * An episode of a counter: observation t shows t, action t is (t + 1) / 100 and adds one, and its reward is the number
 * that it led to.
 */
export function counterEpisode(id: string, steps: number, ends: Partial<Ends> = {}): Episode {
  const rng = Rng.fromSeed([...new TextEncoder().encode(id)]);
  const count = (length: number, value: (t: number) => number): number[] =>
    Array.from({ length }, (_, t) => value(t));
  return {
    id,
    meta: { env: "Counter-v0", seed: 5, nested: { list: [1, "ä"] } },
    frames: movingFrames(steps + 1, 16, rng.integers(0, 50)),
    states: float32(
      count(2 * (steps + 1), (i) => (i % 2 === 0 ? i / 2 : -i)),
      [steps + 1, 2],
    ),
    actions: float32(
      count(steps, (t) => (t + 1) / 100),
      [steps, 1],
    ),
    rewards: float32(count(steps, (t) => t + 1)),
    terminated: false,
    truncated: true,
    ...ends,
  };
}
