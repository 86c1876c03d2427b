/** @file What an encoder of videos is given and what it offers. */

import type { Image } from "./image.ts";

/** Form of a video. */
export interface VideoFormat {
  readonly width: number;
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  /** 0 … 1 */
  readonly quality: number;
  /** MP4: every how many frames one can be decoded without the frames before it; default 20. */
  readonly keyFrameInterval?: number;
}

/** Takes frames of the right size. */
export interface FrameSink {
  write(frame: Image): Promise<void>;
  close(): Promise<void>;
  discard(): Promise<void>;
}
