/** @file From ROS messages to arrays: images of every usual kind, and numbers picked from anywhere. */

import { fail } from "../../core/errors.ts";
import { ndarray, zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { decodeImage } from "../../data/image.ts";
import { resizeImage } from "../../data/resize.ts";
import { textOf, valueAt } from "./paths.ts";
import type { Path } from "./paths.ts";

/** Bytes per pixel, and where red, green and blue are among them. */
const pixelLayouts: Readonly<Record<string, readonly [number, number, number, number]>> = {
  rgb8: [3, 0, 1, 2],
  bgr8: [3, 2, 1, 0],
  rgba8: [4, 0, 1, 2],
  bgra8: [4, 2, 1, 0],
  mono8: [1, 0, 0, 0],
  "8UC1": [1, 0, 0, 0],
  "8UC3": [3, 2, 1, 0],
};

/** Bytes of a `uint8[]`: base64 text in JSON, a byte string in CBOR, a list of numbers from some servers. */
export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return Buffer.from(value, "base64");
  if (Array.isArray(value)) return Uint8Array.from(value as number[]);
  return fail({ code: "PROTOCOL", what: "image data is neither bytes nor text", got: typeof value });
}

/** Pixels of a sensor_msgs/Image or CompressedImage as uint8 [H, W, 3], resized. @throws PROTOCOL */
export async function imageOf(
  message: unknown,
  [height, width]: readonly number[],
): Promise<NdArray<"uint8">> {
  const { format, encoding, data } = message as Record<string, unknown>;
  const image =
    typeof format === "string" && encoding === undefined
      ? await decodeImage(bytesOf(data), "a ROS image")
      : rawImage(message as Record<string, unknown>);
  return image.shape[0] === height && image.shape[1] === width
    ? image
    : resizeImage(image, { height, width });
}

function rawImage({ encoding, height, width, step, data }: Record<string, unknown>): NdArray<"uint8"> {
  const layout = pixelLayouts[encoding as string];
  if (layout === undefined) {
    fail({
      code: "PROTOCOL",
      what: "an image of unknown encoding",
      expected: Object.keys(pixelLayouts).join(", "),
      got: textOf(encoding),
    });
  }
  const [size, red, green, blue] = layout;
  const bytes = bytesOf(data);
  const [rows, columns, stride] = [Number(height), Number(width), Number(step)];
  const whole = Number.isInteger(rows * columns) && columns * size <= stride && rows * stride <= bytes.length;
  if (!whole || rows * columns === 0) {
    fail({
      code: "PROTOCOL",
      what: "an image with too few bytes",
      expected: `${rows} rows of ${stride}`,
      got: `${bytes.length}`,
    });
  }
  const image = zeros("uint8", [rows, columns, 3]);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const [from, to] = [y * stride + x * size, (y * columns + x) * 3];
      image.data[to] = bytes[from + red];
      image.data[to + 1] = bytes[from + green];
      image.data[to + 2] = bytes[from + blue];
    }
  }
  return image;
}

/** Numbers at `paths` as float32; a missing one, or JSON's null for NaN, is NaN. */
export function numbersOf(message: unknown, paths: readonly Path[]): NdArray<"float32"> {
  return ndarray(
    "float32",
    [paths.length],
    Float32Array.from(paths, (path) => numberAt(message, path)),
  );
}

/** The number at a place; booleans count as 0 and 1. */
export function numberAt(message: unknown, path: Path): number {
  const value = valueAt(message, path);
  if (typeof value === "boolean") return value ? 1 : 0;
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : NaN;
}

/** Numbers of named joints: JointState lists joints in any order, and in another one after a driver restarts. */
export function jointsOf(
  message: unknown,
  joints: readonly string[],
  field: "position" | "velocity" | "effort",
): number[] {
  const { name, [field]: values } = message as Record<string, ArrayLike<unknown> | undefined>;
  return joints.map((joint) => {
    const index = Array.from(name ?? []).indexOf(joint);
    const value = index < 0 ? undefined : values?.[index];
    return typeof value === "number" ? value : NaN;
  });
}
