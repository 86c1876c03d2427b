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
}

/** Takes frames of the right size. */
export interface FrameSink {
  write(frame: Image): Promise<void>;
  close(): Promise<void>;
  discard(): Promise<void>;
}
