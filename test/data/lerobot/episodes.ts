/** @file Episodes whose contents say where they belong. */

import { createHash } from "node:crypto";
import { float32, isNdArray, ndarray } from "../../../src/core/ndarray.ts";
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

/** An episode with a hash in place of each array's numbers: comparing millions of them one by one takes seconds. */
export function digest(episode: Episode): Record<string, unknown> {
  const hashed = (value: unknown): unknown => {
    if (!isNdArray(value)) return value;
    const { buffer, byteOffset, byteLength } = value.data;
    const sha256 = createHash("sha256")
      .update(new Uint8Array(buffer, byteOffset, byteLength))
      .digest("hex");
    return { dtype: value.dtype, shape: value.shape, sha256 };
  };
  const all = { ...episode, ...episode.extras, extras: Object.keys(episode.extras ?? {}) };
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, hashed(value)]));
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
