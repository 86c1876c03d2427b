/** @file MP4 videos: H.264 by a WebAssembly encoder, so that nothing needs to be installed. */

import { createRequire } from "node:module";
import type { H264MP4Encoder } from "h264-mp4-encoder";
import { zeros } from "../core/ndarray.ts";
import type { Image } from "./image.ts";
import { withoutClock } from "./mp4-clock.ts";
import { writeAtomically } from "../core/storage.ts";
import type { FrameSink, VideoFormat } from "./video-sink.ts";

interface EncoderPackage {
  createH264MP4Encoder(): Promise<H264MP4Encoder>;
}

const require = createRequire(import.meta.url);
let opened = 0;

/**
 * The encoder, without the process-wide listeners that its runtime installs when it is loaded.
 *
 * They would turn any unhandled rejection of the whole program into an abort of the encoder. Loading is synchronous,
 * so that no listener of anybody else can come in between.
 */
function loadPackage(): EncoderPackage {
  const events = ["uncaughtException", "unhandledRejection"] as const;
  const before = events.map((event) => new Set<unknown>(process.listeners(event as "uncaughtException")));
  const encoder = require("h264-mp4-encoder") as EncoderPackage;
  events.forEach((event, i) => {
    for (const listener of process.listeners(event as "uncaughtException")) {
      if (!before[i].has(listener)) process.off(event, listener);
    }
  });
  return encoder;
}

/** RGB to RGBA of even size; the last column and row are repeated where the frame is odd. */
function toEvenRgba({ shape: [height, width], data }: Image, out: Image): Uint8Array {
  const [evenHeight, evenWidth] = out.shape;
  for (let y = 0; y < evenHeight; y++) {
    const row = Math.min(y, height - 1) * width;
    for (let x = 0; x < evenWidth; x++) {
      const from = (row + Math.min(x, width - 1)) * 3;
      const to = (y * evenWidth + x) * 4;
      out.data[to] = data[from];
      out.data[to + 1] = data[from + 1];
      out.data[to + 2] = data[from + 2];
    }
  }
  return out.data;
}

/** An MP4 file that is being written. */
export interface Mp4Sink extends FrameSink {
  /** Bytes encoded so far. */
  readonly bytes: number;
}

/** Begin an MP4 file. The encoded stream is held in memory and written when the video is closed. */
export async function openMp4(path: string, format: VideoFormat): Promise<Mp4Sink> {
  const encoder = await loadPackage().createH264MP4Encoder();
  const rgba = zeros("uint8", [format.height + (format.height % 2), format.width + (format.width % 2), 4]);
  // All encoders share one file system in memory: two videos at a time need two names.
  encoder.outputFilename = `${opened++}.mp4`;
  [encoder.height, encoder.width] = rgba.shape;
  encoder.frameRate = Math.max(1, Math.round(format.fps));
  encoder.quantizationParameter = Math.round(40 - 28 * format.quality);
  encoder.speed = 2;
  encoder.groupOfPictures = format.keyFrameInterval ?? 20;
  encoder.initialize();
  const release = (): Uint8Array => {
    encoder.finalize();
    const bytes = encoder.FS.readFile(encoder.outputFilename);
    encoder.FS.unlink(encoder.outputFilename);
    encoder.delete();
    return withoutClock(bytes);
  };
  return {
    get bytes() {
      return (encoder.FS.stat(encoder.outputFilename) as { readonly size: number }).size;
    },
    write: async (frame) => encoder.addFrameRgba(toEvenRgba(frame, rgba)),
    close: () => writeAtomically(path, [release()]),
    discard: async () => void release(),
  };
}
