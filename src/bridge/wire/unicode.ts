/** @file NumPy's fixed-width unicode arrays. */

import { sizeOf } from "../../core/ndarray.ts";
import type { WireValue } from "./values.ts";

/** dtype strings of fixed-width unicode. */
export const unicodeName = /^[<>]U[1-9]\d{0,5}$/;

/** UCS-4 padded with NULs, as nested lists of strings; undefined when the bytes are not that. */
export function unicodeArray(data: Uint8Array, dtype: string, shape: readonly number[]): WireValue {
  const width = Number(dtype.slice(2));
  const count = sizeOf(shape);
  if (data.byteLength !== count * width * 4) return undefined;
  const points = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const strings: WireValue[] = [];
  for (let i = 0; i < count; i++) {
    let text = "";
    for (let j = 0; j < width; j++) {
      const point = points.getUint32((i * width + j) * 4, dtype.startsWith("<"));
      if (point > 0x10ffff) return undefined;
      text += String.fromCodePoint(point);
    }
    strings.push(text.replace(/\0+$/, ""));
  }
  return nest(strings, shape);
}

function nest(flat: readonly WireValue[], shape: readonly number[]): WireValue {
  if (shape.length === 0) return flat[0];
  if (flat.length === 0) return [];
  const stride = sizeOf(shape.slice(1));
  return Array.from({ length: shape[0] }, (_, i) =>
    nest(flat.slice(i * stride, (i + 1) * stride), shape.slice(1)),
  );
}
