/** @file Frames on the wire as raw arrays, JPEG or PNG. */

import sharp from "sharp";
import { fail } from "../core/errors.ts";
import { isNdArray, type NdArray, sizeOf } from "../core/ndarray.ts";
import { isWireMap, type WireMap, type WireValue } from "./codec.ts";
import { bytesOf } from "./wire/dtypes.ts";

/** How pixels travel. JPEG loses detail; PNG and raw are exact. */
export type FrameCodec = "raw" | "jpeg" | "png";

/** How to encode frames. */
export interface FrameOptions {
  readonly codec: FrameCodec;
  /** JPEG quality, 1 to 100. Default 90. */
  readonly quality?: number;
}

/** Pixels that a coded frame may have; a small file can claim to be a huge picture. */
const maxPixels = 4096 * 4096;
const maxSide = 65_535;

/** Is this array pictures: uint8 [..., H, W, 3]? */
export function isFrames(value: WireValue): value is NdArray<"uint8"> {
  return isNdArray(value) && value.dtype === "uint8" && value.shape.length >= 3 && value.shape.at(-1) === 3;
}

/**
 * Encode uint8 [..., H, W, 3] as `{__img__, codec, shape, data}`; leading axes are stacked into one tall picture.
 * Raw frames stay the array they are.
 */
export async function encodeFrame(frame: NdArray<"uint8">, options: FrameOptions): Promise<WireValue> {
  const [height, width] = pictureSize(frame.shape);
  if (options.codec === "raw" || height === 0 || width === 0 || height > maxSide) return frame;
  const raw = { width, height, channels: 3 } as const;
  const picture = sharp(bytesOf(frame.data), { raw });
  const coded =
    options.codec === "jpeg"
      ? picture.jpeg({ quality: options.quality ?? 90 })
      : picture.png({ compressionLevel: 1, adaptiveFiltering: false });
  return { __img__: true, codec: options.codec, shape: [...frame.shape], data: await coded.toBuffer() };
}

/** `value` with every picture in it encoded. */
export async function encodeFrames(value: WireValue, options: FrameOptions): Promise<WireValue> {
  if (options.codec === "raw") return value;
  return replaceDeep(value, (item) => (isFrames(item) ? encodeFrame(item, options) : undefined));
}

/** `value` with every coded frame decoded. @throws PROTOCOL when one is not the picture that it claims to be */
export async function decodeFrames(value: WireValue): Promise<WireValue> {
  if (!holdsCodedFrame(value)) return value;
  return replaceDeep(value, (item) => (isCoded(item) ? decodeFrame(item) : undefined));
}

async function decodeFrame({ codec, shape, data }: WireMap): Promise<NdArray<"uint8">> {
  const sized =
    Array.isArray(shape) && shape.length >= 3 && shape.every((axis) => Number.isInteger(axis) && axis >= 0);
  if (!sized || !(data instanceof Uint8Array) || (codec !== "jpeg" && codec !== "png")) {
    return refuse("frame map is malformed", "codec jpeg or png, shape [..., H, W, 3], data as bytes");
  }
  const axes = shape as number[];
  const [height, width] = pictureSize(axes);
  if (axes.at(-1) !== 3 || height * width > maxPixels)
    refuse("frame is not H x W x 3 or too large", `${maxPixels} pixels`);
  try {
    const picture = sharp(data, { limitInputPixels: maxPixels, failOn: "error" });
    const known = await picture.metadata();
    if (known.format !== codec || known.width !== width || known.height !== height) {
      refuse("frame is not what it claims", `${codec} of ${width} x ${height}`);
    }
    const pixels = await picture.removeAlpha().toColourspace("srgb").raw().toBuffer();
    if (pixels.length !== sizeOf(axes)) refuse("frame has other channels than RGB", "3 channels");
    return {
      dtype: "uint8",
      shape: axes,
      data: new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.length),
    };
  } catch (error) {
    return refuse(`frame does not decode: ${error instanceof Error ? error.message : String(error)}`, codec);
  }
}

function pictureSize(shape: readonly number[]): [height: number, width: number] {
  return [sizeOf(shape.slice(0, -2)), shape[shape.length - 2]];
}

function isCoded(value: WireValue): value is WireMap {
  return isWireMap(value) && value.__img__ === true;
}

/** Is there a coded frame somewhere in `value`? */
export function holdsCodedFrame(value: WireValue): boolean {
  if (Array.isArray(value)) return (value as WireValue[]).some(holdsCodedFrame);
  if (!isWireMap(value)) return false;
  for (const key of Object.keys(value)) if (key === "__img__" || holdsCodedFrame(value[key])) return true;
  return false;
}

async function replaceDeep(
  value: WireValue,
  replace: (item: WireValue) => Promise<WireValue> | undefined,
): Promise<WireValue> {
  const replaced = replace(value);
  if (replaced !== undefined) return replaced;
  if (Array.isArray(value))
    return Promise.all((value as WireValue[]).map((item) => replaceDeep(item, replace)));
  if (!isWireMap(value)) return value;
  const out = Object.create(null) as WireMap;
  await Promise.all(
    Object.entries(value).map(async ([key, item]) => void (out[key] = await replaceDeep(item, replace))),
  );
  return out;
}

function refuse(what: string, expected: string): never {
  fail({
    code: "PROTOCOL",
    what,
    expected,
    fix: "send uint8 [H, W, 3] raw, or {__img__, codec, shape, data}",
  });
}
