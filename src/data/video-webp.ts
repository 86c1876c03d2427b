/** @file Animated WebP videos, by sharp. */

import type { Image } from "./image.ts";
import { writeAtomically } from "../core/storage.ts";
import type { FrameSink, VideoFormat } from "./video-sink.ts";

async function encode(
  frames: readonly Uint8Array[],
  { width, height, fps, quality }: VideoFormat,
): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  const endMs = (frame: number): number => Math.round((frame * 1000) / fps);
  const strip = { width, height: height * frames.length, pageHeight: height, channels: 3 as const };
  return sharp(Buffer.concat(frames), { raw: strip, limitInputPixels: false })
    .webp({
      quality: Math.max(1, Math.round(quality * 100)),
      smartSubsample: true,
      loop: 0,
      delay: frames.map((_, i) => endMs(i + 1) - endMs(i)),
    })
    .toBuffer();
}

/** Begin an animated WebP file that repeats for ever. The frames are held until the video is closed. */
export async function openWebp(path: string, format: VideoFormat): Promise<FrameSink> {
  let frames: Uint8Array[] = [];
  return {
    async write(frame: Image) {
      frames.push(frame.data.slice());
    },
    close: async () => writeAtomically(path, [await encode(frames, format)]),
    async discard() {
      frames = [];
    },
  };
}
