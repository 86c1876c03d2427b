/** @file Videos: frames are written one after the other; the file's extension says how they are encoded. */

import { extname } from "node:path";
import { fail, unknownName } from "../core/errors.ts";
import type { Image } from "./image.ts";
import { openGif } from "./video-gif.ts";
import { openMp4 } from "./video-mp4.ts";
import type { FrameSink, VideoFormat } from "./video-sink.ts";
import { openWebp } from "./video-webp.ts";

/** Options of `openVideo`. */
export interface VideoOptions extends Omit<VideoFormat, "quality"> {
  /** 0 … 1, default 0.8. MP4 and WebP only: GIF has its 256 colours per frame. */
  readonly quality?: number;
}

/** A video that is being written; its file appears when it is closed. */
export interface Video {
  /** Frames written so far. */
  readonly frames: number;
  /** Append a frame, uint8 [height, width, 3]; it is not kept. @throws INVALID_SHAPE, STORAGE_FULL, IO_FAILED */
  write(frame: Image): Promise<void>;
  /** Finish the file. A video without frames is an error. @throws INVALID_ARGUMENT, STORAGE_FULL, IO_FAILED */
  close(): Promise<void>;
  /** Drop what was written. */
  discard(): Promise<void>;
}

const openers: Readonly<Record<string, (path: string, format: VideoFormat) => Promise<FrameSink>>> = {
  ".mp4": openMp4,
  ".gif": openGif,
  ".webp": openWebp,
};

function checkFormat(format: VideoFormat): VideoFormat {
  const { width, height, fps, quality } = format;
  const sized = Number.isInteger(width) && Number.isInteger(height) && width >= 1 && height >= 1;
  if (sized && fps > 0 && fps <= 1000 && quality >= 0 && quality <= 1) return format;
  fail({
    code: "INVALID_ARGUMENT",
    what: "no such video",
    expected: "whole width and height ≥ 1, fps above 0 and at most 1000, quality in 0 … 1",
    got: `${width} × ${height}, ${fps} fps, quality ${quality}`,
  });
}

function checkFrame(frame: Image, { width, height }: VideoFormat): void {
  const { dtype, shape } = frame;
  if (dtype === "uint8" && shape.length === 3 && shape[0] === height && shape[1] === width && shape[2] === 3)
    return;
  fail({
    code: "INVALID_SHAPE",
    what: "this frame is not of the video's size",
    expected: `uint8 [${height}, ${width}, 3]`,
    got: `${dtype} [${shape.join(", ")}]`,
  });
}

/**
 * Begin a .mp4 (H.264), .gif or animated .webp file.
 *
 * GIF frames go to disk as they come. MP4 keeps the encoded stream in memory and WebP keeps all frames, until closed.
 * Players want even sizes of MP4: an odd width or height is padded by repeating the last column or row.
 * MP4's rate is whole (12.5 becomes 13), GIF's and WebP's clocks keep any rate on average.
 * @throws UNKNOWN_NAME (extension), INVALID_ARGUMENT, STORAGE_FULL, IO_FAILED
 */
export async function openVideo(path: string, options: VideoOptions): Promise<Video> {
  const extension = extname(path).toLowerCase();
  if (!(extension in openers)) throw unknownName("kind of video file", extension, Object.keys(openers));
  const format = checkFormat({ ...options, quality: options.quality ?? 0.8 });
  const sink = await openers[extension](path, format);
  let frames = 0;
  return {
    get frames() {
      return frames;
    },
    async write(frame) {
      checkFrame(frame, format);
      await sink.write(frame);
      frames++;
    },
    async close() {
      if (frames > 0) return sink.close();
      await sink.discard();
      fail({
        code: "INVALID_ARGUMENT",
        what: `${path} would hold no frame`,
        fix: "write a frame before closing",
      });
    },
    discard: () => sink.discard(),
  };
}
