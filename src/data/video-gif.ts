/** @file GIF videos: 256 colours chosen for each frame, written to disk frame by frame. */

import { createRequire } from "node:module";
import { openAtomicFile } from "../core/storage.ts";
import type { FrameSink, VideoFormat } from "./video-sink.ts";

/** The parts of the package that are used here; it comes without types. */
interface Gifenc {
  readonly GIFEncoder: () => GifEncoder;
  readonly quantize: (rgba: Uint8Array, colors: number) => number[][];
  readonly applyPalette: (rgba: Uint8Array, palette: number[][]) => Uint8Array;
}

interface GifEncoder {
  writeFrame(indices: Uint8Array, width: number, height: number, options: GifFrameOptions): void;
  finish(): void;
  bytes(): Uint8Array;
  readonly stream: { reset(): void };
}

interface GifFrameOptions {
  readonly palette: number[][];
  /** In milliseconds. */
  readonly delay: number;
}

const require = createRequire(import.meta.url);
const { GIFEncoder, quantize, applyPalette } = require("gifenc") as Gifenc;

function withAlpha(rgb: Uint8Array): Uint8Array {
  const rgba = new Uint8Array((rgb.length / 3) * 4).fill(255);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4)
    rgba.set(rgb.subarray(from, from + 3), to);
  return rgba;
}

/** Begin a GIF file that repeats for ever. Its clock has hundredths of a second. */
export async function openGif(path: string, { width, height, fps }: VideoFormat): Promise<FrameSink> {
  const file = await openAtomicFile(path);
  const encoder = GIFEncoder();
  let frames = 0;
  const flush = async (): Promise<void> => {
    await file.append(encoder.bytes());
    encoder.stream.reset();
  };
  // Delays are whole hundredths: rounding the end of each frame, not its length, keeps the video's length right.
  const endCs = (frame: number): number => Math.round((frame * 100) / fps);
  return {
    async write(frame) {
      const rgba = withAlpha(frame.data);
      const palette = quantize(rgba, 256);
      const delay = (endCs(frames + 1) - endCs(frames)) * 10;
      encoder.writeFrame(applyPalette(rgba, palette), width, height, { palette, delay });
      frames++;
      await flush();
    },
    async close() {
      encoder.finish();
      await flush();
      await file.finish();
    },
    discard: () => file.discard(),
  };
}
