/** @file Pictures for a server and back: a small frame within one of the server's sizes, and videos cut back to frames. */

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail, ReverieError } from "../../core/errors.ts";
import { ndarray, stackRows, zeros, type NdArray } from "../../core/ndarray.ts";
import { writeAtomically } from "../../core/storage.ts";
import { drawImage, encodeJpeg, frameAt, makeImage, type Image } from "../../data/image.ts";
import { resizeImage } from "../../data/resize.ts";
import { openVideoReader } from "../../data/video-reader.ts";

/** Width and height in pixels. */
export interface PixelSize {
  readonly width: number;
  readonly height: number;
}

/** How pictures travel; another codec than JPEG and MP4 is for servers that are toys. */
export interface PictureCodec {
  /** Image to bytes, with their MIME type. */
  readonly encodeImage: (image: Image) => Promise<{ bytes: Uint8Array; type: string }>;
  /** A video's bytes to `count` frames uint8 [count, H, W, 3]. @throws PROTOCOL for a longer one, CORRUPT_FILE, NOT_SUPPORTED (no ffmpeg) */
  readonly decodeVideo: (bytes: Uint8Array, count: number) => Promise<NdArray<"uint8">>;
}

/** The server's sizes of 256 lines, the smallest tier. @source NVIDIA Cosmos 3 NIM, generation reference */
const smallTier: readonly PixelSize[] = [
  { width: 256, height: 256 },
  { width: 320, height: 192 },
  { width: 192, height: 320 },
  { width: 320, height: 256 },
  { width: 256, height: 320 },
];

/** The size of the smallest tier that is nearest in form to a frame. */
export function tierOf({ width, height }: PixelSize): PixelSize {
  const distance = (size: PixelSize): number =>
    Math.abs(Math.log((size.width / size.height) * (height / width)));
  return smallTier.reduce((best, size) => (distance(size) < distance(best) ? size : best));
}

/** Where a frame lies on a canvas of the server's size: as large as it can be, in the middle. */
function placeOn(canvas: PixelSize, frame: PixelSize): PixelSize & { x: number; y: number } {
  const scale = Math.min(canvas.width / frame.width, canvas.height / frame.height);
  const width = Math.max(1, Math.round(frame.width * scale));
  const height = Math.max(1, Math.round(frame.height * scale));
  return { width, height, x: (canvas.width - width) >> 1, y: (canvas.height - height) >> 1 };
}

/** A frame on a black canvas of the server's size. */
export function letterbox(frame: Image, canvas: PixelSize): Image {
  const [height, width] = frame.shape;
  const place = placeOn(canvas, { width, height });
  const out = makeImage(canvas.height, canvas.width);
  drawImage(out, resizeImage(frame, place), place);
  return out;
}

function crop(image: Image, area: PixelSize & { x: number; y: number }): Image {
  const out = zeros("uint8", [area.height, area.width, 3]);
  drawImage(out, image, { x: -area.x, y: -area.y });
  return out;
}

/** Frames [T, H', W', 3] of a letterboxed video as frames of `frame`'s size. @throws PROTOCOL for a video of another form */
export function unletterbox(video: NdArray<"uint8">, canvas: PixelSize, frame: PixelSize): NdArray<"uint8"> {
  const [count, height, width] = video.shape;
  // The server may answer in a larger size of the same form.
  const scale = width / canvas.width;
  if (Math.abs(height - canvas.height * scale) > 0.02 * height) {
    fail({
      code: "PROTOCOL",
      what: "the server's video is of another form than the picture that was sent",
      expected: `the form of ${canvas.width} × ${canvas.height}`,
      got: `${width} × ${height}`,
    });
  }
  const place = placeOn({ width, height }, frame);
  const images = Array.from({ length: count }, (_, t) =>
    resizeImage(crop(frameAt(video, t), place), { height: frame.height, width: frame.width }),
  );
  return stackRows(images);
}

/** Frames of an MP4 (any codec that ffmpeg knows), by way of a temporary file that is always removed. */
async function decodeMp4(bytes: Uint8Array, count: number): Promise<NdArray<"uint8">> {
  const folder = await mkdtemp(join(tmpdir(), "reverie-remote-"));
  const file = join(folder, `${randomBytes(4).toString("hex")}.mp4`);
  const reader = openVideoReader(file);
  try {
    await writeAtomically(file, [bytes]);
    const frames = await reader.read(0, count);
    const longer = await reader.read(count, 1).then(
      () => true,
      (error: unknown) => {
        if (error instanceof ReverieError && error.code === "CORRUPT_FILE") return false;
        throw error;
      },
    );
    if (longer) failCount(count, `more than ${count}`);
    return frames;
  } finally {
    await reader.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws PROTOCOL */
export function failCount(count: number, got: string): never {
  return fail({
    code: "PROTOCOL",
    what: "the server's video has another number of frames than actions + 1",
    expected: `${count} frames`,
    got,
    fix: "check action_chunk_size and the server's version",
  });
}

/** JPEG out, MP4 in. */
export const defaultCodec: PictureCodec = {
  encodeImage: async (image) => ({ bytes: await encodeJpeg(image), type: "image/jpeg" }),
  decodeVideo: decodeMp4,
};

/** A copy of row `row` of float frames [B, H·W·3] in 0 … 255 as an image. */
export function imageOfRow(
  frames: NdArray<"float32">,
  row: number,
  shape: readonly [number, number, number],
): Image {
  const size = shape[0] * shape[1] * shape[2];
  return ndarray("uint8", shape, Uint8Array.from(frames.data.subarray(row * size, (row + 1) * size)));
}
