/**
 * @file Chunks of actions as Cosmos' servers take them: checked before anything is sent, padded to a multiple of four.
 *
 * @source NVIDIA Cosmos 3 NIM, action cookbook (domains, chunk law) and generation reference (frame counts by tier)
 */

import { fail, unknownName } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { ActionSpec } from "../worldmodel.ts";

/** Numbers per action of the domains that Cosmos 3 was trained on. */
export const cosmosDomains: Readonly<Record<string, number>> = {
  av: 9,
  umi: 10,
  bridge_orig_lerobot: 10,
  droid_lerobot: 10,
};

/** Actions per chunk come in fours: a latent frame holds four frames. */
export const chunkUnit = 4;

/** Largest frame count by resolution tier, and the smallest of all. */
const frameLimits: Readonly<Record<string, number>> = { "256": 397, "480": 297, "720": 197 };
const fewestFrames = 25;

/** One chunk for a server: T actions of D numbers each, T a multiple of four. */
export type ActionChunk = readonly (readonly number[])[];

/**
 * The count of frames of a generated video, if the server can make it: 1 + 4·k, from 25 up to the tier's limit.
 * @param resolution such as "256" or "720_16_9" @throws INVALID_ARGUMENT with the nearest count, UNKNOWN_NAME
 */
export function checkFrameCount(count: number, resolution: string): number {
  const tier = resolution.split("_")[0];
  if (!(tier in frameLimits)) throw unknownName("resolution", resolution, Object.keys(frameLimits));
  const most = frameLimits[tier];
  const nearest = Math.min(
    most,
    Math.max(fewestFrames, 1 + chunkUnit * Math.round((count - 1) / chunkUnit || 0)),
  );
  if (count === nearest) return count;
  return fail({
    code: "INVALID_ARGUMENT",
    what: `no video of ${count} frames can be made at ${resolution}`,
    expected: `1 + 4·k frames, ${fewestFrames} to ${most}`,
    got: String(count),
    fix: `ask for ${nearest}`,
  });
}

/** @throws INVALID_ARGUMENT (length, NaN), INVALID_SHAPE (rows of another width than `dimensions`) */
export function checkChunk(chunk: ActionChunk, dimensions: number): ActionChunk {
  if (chunk.length === 0 || chunk.length % chunkUnit !== 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "this is no chunk of actions",
      expected: "a positive multiple of 4",
      got: `${chunk.length} actions`,
      fix: `use ${chunkUnit * Math.max(1, Math.ceil(chunk.length / chunkUnit))}`,
    });
  }
  for (const [t, row] of chunk.entries()) {
    if (row.length !== dimensions) {
      fail({
        code: "INVALID_SHAPE",
        what: `action ${t} of the chunk is of another size than the server's`,
        expected: `${dimensions} numbers`,
        got: String(row.length),
        fix: "give `toServer`, which makes the server's numbers of an action",
      });
    }
    const bad = row.find((value) => !Number.isFinite(value));
    if (bad !== undefined) {
      fail({
        code: "INVALID_ARGUMENT",
        what: `action ${t} of the chunk is not finite`,
        expected: "finite numbers",
        got: row.join(", "),
        fix: "look for the policy or planner that gave it; nothing was sent",
      });
    }
  }
  return chunk;
}

/** Where in the server's units an action is: physical numbers of one action to those of the server's domain. */
export type ToServer = (physical: readonly number[]) => readonly number[];

/** Row `row` of actions [B, T, A] in [-1, 1], steps [from, to), in physical units and then the server's; the last one is repeated up to a multiple of four. */
export function chunkOf(
  actions: NdArray<"float32">,
  at: { row: number; from: number; to: number },
  spec: ActionSpec,
  toServer: ToServer = (physical) => physical,
): ActionChunk {
  const [, steps, size] = actions.shape;
  const length = chunkUnit * Math.ceil((at.to - at.from) / chunkUnit);
  return Array.from({ length }, (_, k) => {
    const start = (at.row * steps + Math.min(at.from + k, at.to - 1)) * size;
    const physical = spec.low.map(
      (low, d) => low + ((actions.data[start + d] + 1) / 2) * (spec.high[d] - low),
    );
    return toServer(physical);
  });
}
