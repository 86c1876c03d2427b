/** @file PNG: an encoder of its own (zlib and the Sub filter), for speed on small frames. */

import { deflateSync } from "node:zlib";
import type { NdArray } from "../core/ndarray.ts";

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = crcTable[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function chunk(type: string, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(body.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(body, 8);
  view.setUint32(body.length + 8, crc32(bytes.subarray(4, body.length + 8)));
  return bytes;
}

/** Each row behind its filter's number; Sub stores the difference to the pixel on the left. */
function filterRows({ shape: [height, width], data }: NdArray<"uint8">): Uint8Array {
  const stride = width * 3;
  const out = new Uint8Array(height * (stride + 1));
  for (let y = 0; y < height; y++) {
    const [from, to] = [y * stride, y * (stride + 1) + 1];
    out[to - 1] = 1;
    for (let i = 0; i < stride; i++) out[to + i] = data[from + i] - (i < 3 ? 0 : data[from + i - 3]);
  }
  return out;
}

/**
 * An image, uint8 [H, W, 3], as the bytes of a PNG file.
 *
 * `level` is zlib's: 1 (default) for speed, 9 for pictures that are kept.
 * @source PNG 3rd edition, W3C 2025: sections 5, 9 and 11
 */
export function encodePng(image: NdArray<"uint8">, level = 1): Uint8Array {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, image.shape[1]);
  view.setUint32(4, image.shape[0]);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits per channel, RGB
  const pixels = deflateSync(filterRows(image), { level });
  const parts = [signature, chunk("IHDR", header), chunk("IDAT", pixels), chunk("IEND", new Uint8Array(0))];
  return new Uint8Array(Buffer.concat(parts));
}
