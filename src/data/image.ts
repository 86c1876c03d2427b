/** @file Images: uint8 [H, W, 3] arrays; reading and writing files, resizing, drawing one onto another. */

import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import type { Sharp } from "sharp";
import { fail, unknownName } from "../core/errors.ts";
import { ndarray, rows, sizeOf, zeros } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import { encodePng } from "./png.ts";
import { failStorage, writeAtomically } from "../core/storage.ts";

/** uint8 [H, W, 3], RGB, rows from the top. */
export type Image = NdArray<"uint8">;

/** Red, green, blue, 0 … 255. */
export type Color = readonly [number, number, number];

/** A place in an image, in pixels from its upper left corner. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** @throws INVALID_SHAPE unless uint8 [H, W, 3] with at least one pixel */
export function checkImage(image: Image, what = "an image"): Image {
  const { dtype, shape } = image;
  if (dtype === "uint8" && shape.length === 3 && shape[2] === 3 && sizeOf(shape) > 0) return image;
  fail({
    code: "INVALID_SHAPE",
    what: `this is not ${what}`,
    expected: "uint8 [H, W, 3]",
    got: `${dtype} [${shape.join(", ")}]`,
  });
}

/** A new image of one colour. */
export function makeImage(height: number, width: number, color: Color = [0, 0, 0]): Image {
  const image = zeros("uint8", [height, width, 3]);
  fillRectangle(image, { x: 0, y: 0, height, width }, color);
  return image;
}

/** Frame `index` of uint8 [T, H, W, 3]; shares memory. */
export function frameAt(frames: NdArray<"uint8">, index: number): Image {
  return ndarray("uint8", frames.shape.slice(1), rows(frames, index, index + 1).data);
}

/** Colour a rectangle of `target`, in place; what lies outside of it is left out. */
export function fillRectangle(
  target: Image,
  area: Point & { height: number; width: number },
  color: Color,
): void {
  const [height, width] = target.shape;
  const right = Math.min(area.x + area.width, width);
  for (let y = Math.max(area.y, 0); y < Math.min(area.y + area.height, height); y++) {
    for (let x = Math.max(area.x, 0); x < right; x++) target.data.set(color, (y * width + x) * 3);
  }
}

/** Copy `source` into `target` with its upper left corner at `at`, in place; what lies outside is left out. */
export function drawImage(target: Image, source: Image, at: Point): void {
  const [height, width] = target.shape;
  const [sourceHeight, sourceWidth] = source.shape;
  const left = Math.max(at.x, 0);
  const right = Math.min(at.x + sourceWidth, width);
  if (right <= left) return;
  for (let y = Math.max(at.y, 0); y < Math.min(at.y + sourceHeight, height); y++) {
    const from = ((y - at.y) * sourceWidth + left - at.x) * 3;
    target.data.set(source.data.subarray(from, from + (right - left) * 3), (y * width + left) * 3);
  }
}

/** Every pixel as `factor` × `factor` pixels: small frames stay crisp. `factor` is a whole number ≥ 1. */
export function enlargeImage(image: Image, factor: number): Image {
  const [height, width] = image.shape;
  const out = zeros("uint8", [height * factor, width * factor, 3]);
  const stride = width * factor * 3;
  for (let y = 0; y < height; y++) {
    const row = y * factor * stride;
    for (let x = 0; x < width * factor; x++) {
      const from = (y * width + Math.floor(x / factor)) * 3;
      out.data.set(image.data.subarray(from, from + 3), row + x * 3);
    }
    for (let k = 1; k < factor; k++) out.data.copyWithin(row + k * stride, row, row + stride);
  }
  return out;
}

/**
 * The image in a PNG, JPEG, WebP, GIF (first frame) or TIFF file's bytes; transparent parts turn black.
 *
 * @throws CORRUPT_FILE naming `name`
 */
export async function decodeImage(bytes: Uint8Array, name = "image"): Promise<Image> {
  const { default: sharp } = await import("sharp");
  try {
    const picture = sharp(bytes).flatten().toColourspace("srgb").removeAlpha().raw();
    const { data, info } = await picture.toBuffer({ resolveWithObject: true });
    return ndarray("uint8", [info.height, info.width, 3], new Uint8Array(data));
  } catch (cause) {
    fail({
      code: "CORRUPT_FILE",
      what: `${name} is no image that can be read`,
      got: (cause as Error).message,
      cause,
    });
  }
}

/** Read an image file. @throws CORRUPT_FILE, IO_FAILED */
export async function loadImage(file: string): Promise<Image> {
  return decodeImage(await readFile(file).catch((cause: unknown) => failStorage(file, cause)), file);
}

/** An image as the bytes of a JPEG file, with full colour resolution. */
export async function encodeJpeg(image: Image): Promise<Uint8Array> {
  return (await fromRaw(image)).jpeg({ quality: 92, chromaSubsampling: "4:4:4" }).toBuffer();
}

const encoders: Readonly<Record<string, (image: Image) => Promise<Uint8Array>>> = {
  ".png": async (image) => encodePng(image, 9),
  ".jpg": encodeJpeg,
  ".webp": async (image) => (await fromRaw(image)).webp({ lossless: true }).toBuffer(),
};

async function fromRaw({ shape: [height, width], data }: Image): Promise<Sharp> {
  const { default: sharp } = await import("sharp");
  return sharp(data, { raw: { height, width, channels: 3 } });
}

/** Write an image to a .png, .jpg or (lossless) .webp file. @throws UNKNOWN_NAME (extension), STORAGE_FULL, IO_FAILED */
export async function saveImage(file: string, image: Image): Promise<void> {
  const extension = extname(file).toLowerCase();
  if (!(extension in encoders)) throw unknownName("kind of image file", extension, Object.keys(encoders));
  await writeAtomically(file, [await encoders[extension](checkImage(image))]);
}
