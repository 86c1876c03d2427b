/** @file The law of frames and latent frames: T frames give 1 + (T − 1)/c latent frames, the first frame alone. */

import { fail } from "../core/errors.ts";

/** Temporal compressions that clip tokenizers know. */
export const temporalCompressions = [1, 4, 8] as const;

/** Legal frame counts next to `frames`, below and above. */
function neighbours(frames: number, temporal: number): number[] {
  const below = 1 + Math.floor((frames - 1) / temporal) * temporal;
  return below >= 1 ? [below, below + temporal] : [1];
}

/**
 * Latent frames of a clip of T `frames` at compression c.
 * @throws INVALID_SHAPE unless T − 1 is a multiple of c, naming the nearest legal T
 */
export function latentFrames(frames: number, temporal: number): number {
  const latents = 1 + (frames - 1) / temporal;
  if (Number.isInteger(latents) && latents >= 1) return latents;
  const legal = neighbours(frames, temporal);
  const [nearest] = legal.toSorted((a, b) => Math.abs(a - frames) - Math.abs(b - frames));
  return fail({
    code: "INVALID_SHAPE",
    what: `a clip of ${frames} frames does not fit temporal compression ${temporal}`,
    expected: `1 + k · ${temporal} frames, next to it ${legal.join(" or ")}`,
    got: String(frames),
    fix: `cut or pad the clip to ${nearest} frames`,
  });
}

/** Frames that K latent frames stand for. */
export function videoFrames(latents: number, temporal: number): number {
  return 1 + (latents - 1) * temporal;
}
