/** @file Generated videos: their length in the model's steps, their size, and the file that plays elsewhere. */

import { fail } from "../../core/errors.ts";
import { stackRows, type NdArray } from "../../core/ndarray.ts";
import { enlargeImage, frameAt } from "../../data/image.ts";
import { openVideo } from "../../data/video.ts";

/** Width and height in pixels. */
export interface VideoSize {
  readonly width: number;
  readonly height: number;
}

/** A generated video. */
export interface WorldVideo {
  /** uint8 [T, H, W, 3] in the size that was asked for. */
  readonly frames: NdArray<"uint8">;
  readonly rateHz: number;
  /** Write a .mp4, .gif or .webp file of exactly these frames. @throws UNKNOWN_NAME, STORAGE_FULL, IO_FAILED */
  save(path: string): Promise<void>;
}

const longestSeconds = 600;
const largestFactor = 16;

/** Frames of a duration. @throws INVALID_ARGUMENT with the nearest duration that is a whole number of steps */
export function frameCountOf(durationSeconds: number, stepSeconds: number): number {
  const count = Math.round(durationSeconds / stepSeconds);
  const nearest = Math.max(1, Math.min(count || 1, Math.round(longestSeconds / stepSeconds)));
  if (count === nearest && Math.abs(count * stepSeconds - durationSeconds) < 1e-6) return count;
  return fail({
    code: "INVALID_ARGUMENT",
    what: `no video of ${durationSeconds} s can be made`,
    expected: `a whole number of steps of ${stepSeconds} s, up to ${longestSeconds} s`,
    got: String(durationSeconds),
    fix: `ask for ${Number((nearest * stepSeconds).toFixed(6))} s`,
  });
}

/** How many times larger than the model's frames a size is. @throws INVALID_ARGUMENT with the nearest size that can be made */
function factorOf({ width, height }: VideoSize, [own, wide]: readonly number[]): number {
  const factor = Math.max(1, Math.min(largestFactor, Math.round((height / own + width / wide) / 2) || 1));
  if (height === factor * own && width === factor * wide) return factor;
  return fail({
    code: "INVALID_ARGUMENT",
    what: `no video of ${width} × ${height} can be made`,
    expected: `${wide} × ${own}, or up to ${largestFactor} times that`,
    got: `${width} × ${height}`,
    fix: `ask for ${factor * wide} × ${factor * own}`,
  });
}

/** Frames uint8 [T, H, W, 3] as a video; a larger size shows every pixel larger. @throws INVALID_ARGUMENT */
export function videoOf(frames: NdArray<"uint8">, rateHz: number, size?: VideoSize): WorldVideo {
  const [count, own, wide] = frames.shape;
  const factor = size === undefined ? 1 : factorOf(size, [own, wide]);
  const images = Array.from({ length: count }, (_, t) => enlargeImage(frameAt(frames, t), factor));
  return {
    frames: stackRows(images),
    rateHz,
    async save(path) {
      const video = await openVideo(path, { width: wide * factor, height: own * factor, fps: rateHz });
      try {
        for (const image of images) await video.write(image);
      } catch (error) {
        await video.discard();
        throw error;
      }
      await video.close();
    },
  };
}
